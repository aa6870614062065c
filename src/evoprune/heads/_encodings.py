"""The five encodings: what a genome's bits mean (arXiv 2202.03844, section 3; PROTOCOL names)."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, replace

import numpy as np

from evoprune._types import BoolArray
from evoprune.errors import ConfigError
from evoprune.heads._structure import Head, Structure, dense_structure

ENCODINGS = ("features", "first", "second", "both", "connections")


@dataclass(frozen=True)
class Encoding:
    """An encoding, parsed once for a head and then applied to any genome.

    Attributes:
        name: `features`, `first`, `second`, `both` or `connections`.
        head: the head it prunes.
        width: D, number of features.
        classes: C, number of classes.
        length: L, number of bits of a genome.
        matrix: for `connections`, the index of the pruned weight matrix.
    """

    name: str
    head: Head
    width: int
    classes: int
    length: int
    matrix: int | None = None

    def decode(self, genome: BoolArray) -> Structure:
        """The structure that a genome `[L]` stands for.

        Raises:
            ConfigError: the genome has another length, or is not boolean.
        """
        if genome.shape != (self.length,) or genome.dtype != np.bool_:
            raise ConfigError(
                f"a genome of shape {genome.shape} and type {genome.dtype} does not fit encoding {self.name!r}, "
                f"which takes {self.length} booleans"
            )
        dense = dense_structure(self.head, self.width)
        if self.name == "features":
            return replace(dense, inputs=genome.copy())
        if self.name == "first":
            return replace(dense, hidden=(genome.copy(), *dense.hidden[1:]))
        if self.name == "second":
            return replace(dense, hidden=(dense.hidden[0], genome.copy()))
        if self.name == "both":
            first = self.head.hidden[0]
            return replace(dense, hidden=(genome[:first].copy(), genome[first:].copy()))
        shape = self.head.shapes(self.width, self.classes)[self.matrix or 0]
        return replace(dense, matrix=self.matrix, connections=genome.reshape(shape).copy())

    def dense_genome(self) -> BoolArray:
        """The genome `[L]` with every bit set: the head that is not pruned."""
        return np.ones(self.length, dtype=np.bool_)


def parse_encoding(name: str, head: Head, *, width: int, classes: int) -> Encoding:
    """Fit an encoding to a head.

    `connections` prunes the matrix into the last hidden layer (D x h for one hidden
    layer, h1 x h2 for two, as published); `connections:1` and `connections:2` name the
    matrix into the first or second hidden layer.

    Raises:
        ConfigError: unknown name, or an encoding of a layer that the head does not have.
    """
    base, _, layer = name.partition(":")
    if base not in ENCODINGS or (layer and base != "connections"):
        near = difflib.get_close_matches(base, ENCODINGS, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise ConfigError(f"encoding {name!r} is unknown; {hint}choose one of {', '.join(ENCODINGS)}")
    hidden = head.hidden
    if base in ("second", "both") and len(hidden) < 2:
        raise ConfigError(f"encoding {name!r} needs two hidden layers, but the head is {head!r}; give --head 512,512")
    if base == "connections":
        if layer not in ("", *(str(i + 1) for i in range(len(hidden)))):
            raise ConfigError(f"encoding {name!r} names a layer that {head!r} does not have; layers count from 1")
        matrix = int(layer) - 1 if layer else len(hidden) - 1
        inputs, outputs = head.shapes(width, classes)[matrix]
        return Encoding(base, head, width, classes, inputs * outputs, matrix)
    length = {"features": width, "first": hidden[0], "second": hidden[-1], "both": sum(hidden)}[base]
    return Encoding(base, head, width, classes, length)


def default_head(encoding: str) -> Head:
    """The head an encoding was published with: two hidden layers where it prunes a hidden layer of units."""
    return Head(512, 512) if encoding in ("first", "second", "both") else Head(512)
