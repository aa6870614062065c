"""The shape of a head, and which of its parts are switched on."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from evoprune._types import BoolArray
from evoprune.errors import ConfigError

DEFAULT_UNITS = 512
"""Units of a hidden layer in both papers."""


@dataclass(frozen=True, init=False)
class Head:
    """A fully connected head: `Head(512)` is D -> 512 -> C, `Head(512, 512)` has two hidden layers.

    ReLU follows each hidden layer; hidden layers have no bias, the output layer has one
    (arXiv 2202.03844, section 3: pruned layers carry no bias).

    Attributes:
        hidden: units of each hidden layer.

    Raises:
        ConfigError: no, or more than two, hidden layers, or a layer without units.
    """

    hidden: tuple[int, ...]

    def __init__(self, *hidden: int) -> None:
        units = hidden or (DEFAULT_UNITS,)
        if len(units) > 2 or any(isinstance(u, bool) or u != int(u) or u < 1 for u in units):
            raise ConfigError(
                f"head {units!r} is not possible; give the units of one or two hidden layers, such as 512 or 512,512"
            )
        object.__setattr__(self, "hidden", tuple(int(u) for u in units))

    def __repr__(self) -> str:
        return f"Head({', '.join(map(str, self.hidden))})"

    def sizes(self, width: int, classes: int) -> tuple[int, ...]:
        """Units of every layer, input and output included: `(D, h, .., C)`."""
        return (width, *self.hidden, classes)

    def shapes(self, width: int, classes: int) -> tuple[tuple[int, int], ...]:
        """Shape of every weight matrix, `(inputs, outputs)` each."""
        return tuple(pairwise(self.sizes(width, classes)))


@dataclass(frozen=True)
class Structure:
    """The parts of a head that are on. What is off contributes exactly nothing.

    Attributes:
        inputs: features that are read `[D]`.
        hidden: units that are active, one array `[h]` a hidden layer.
        matrix: index of the weight matrix that `connections` applies to, or None.
        connections: single connections that exist `[inputs, outputs]`, or None for all.
    """

    inputs: BoolArray
    hidden: tuple[BoolArray, ...]
    matrix: int | None = None
    connections: BoolArray | None = None

    def layers(self, classes: int) -> tuple[BoolArray, ...]:
        """Active units of every layer, the (always active) outputs included."""
        return (self.inputs, *self.hidden, np.ones(classes, dtype=np.bool_))

    def mask(self, index: int, classes: int) -> BoolArray:
        """Connections of weight matrix `index` that are on `[inputs, outputs]`."""
        layers = self.layers(classes)
        mask: BoolArray = np.logical_and.outer(layers[index], layers[index + 1])
        if self.matrix == index and self.connections is not None:
            mask &= self.connections
        return mask


def dense_structure(head: Head, width: int) -> Structure:
    """The structure with everything on."""
    return Structure(np.ones(width, dtype=np.bool_), tuple(np.ones(h, dtype=np.bool_) for h in head.hidden))
