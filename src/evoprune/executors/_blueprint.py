"""A problem as it is sent to workers: its settings, and where its features lie."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from evoprune._types import Float32Array
from evoprune.heads import Encoding
from evoprune.objectives import Objective
from evoprune.problem import Problem
from evoprune.training import Recipe, TrainingSet

_PROBES = 16
"""Rows by which a file is recognised."""


@dataclass(frozen=True)
class FeatureFile:
    """Features that lie in a file, which every machine that has it maps into memory for itself.

    Attributes:
        path: of the file.
        offset: bytes before the first feature.
        shape: `[N, D]`, float32.
        probe: SHA-256 of some rows, hexadecimal.
    """

    path: str
    offset: int
    shape: tuple[int, int]
    probe: str

    def open(self) -> Float32Array | None:
        """The features, or None where there is no such file, or another one under this name."""
        try:
            found = np.memmap(self.path, np.float32, "r", self.offset, self.shape)
        except (OSError, ValueError):
            return None
        return found if probe(found) == self.probe else None


def feature_file(X: Float32Array) -> FeatureFile | None:
    """The file that features `[N, D]` are mapped from, or None where they lie in memory."""
    root: object = X
    mapped = None
    while root is not None:
        mapped = root if isinstance(root, np.memmap) else mapped
        root = getattr(root, "base", None)
    # A map without a name is one of an open file that has none.
    if mapped is None or mapped.filename is None or X.dtype != np.float32 or not X.flags.c_contiguous:
        return None
    offset = int(mapped.offset) + X.ctypes.data - mapped.ctypes.data
    found = FeatureFile(str(Path(mapped.filename).resolve()), offset, (X.shape[0], X.shape[1]), probe(X))
    # What lies at that place of the file is asked once more, for it may have been replaced since.
    return None if found.open() is None else found


def probe(X: Float32Array) -> str:
    """SHA-256 of some rows of features `[N, D]`, hexadecimal."""
    rows = np.unique(np.linspace(0, max(0, len(X) - 1), _PROBES).astype(np.int64))[: len(X)]
    return hashlib.sha256(np.ascontiguousarray(X[rows]).tobytes()).hexdigest()


@dataclass(frozen=True, eq=False)
class Blueprint:
    """What a problem is made from, but for its features.

    Attributes:
        data: training set without its features `[0, D]`.
        encoding: what the bits of a genome mean.
        recipe: how each candidate is trained.
        objectives: what is measured unless told otherwise.
        seed: first of the training seeds.
        ood_score: how outlying an image is.
        device: that candidates are trained on.
    """

    data: TrainingSet
    encoding: Encoding
    recipe: Recipe
    objectives: tuple[Objective, ...]
    seed: int
    ood_score: str
    device: str

    @classmethod
    def of(cls, problem: Problem) -> Blueprint:
        """The blueprint of a problem."""
        # On a worker its GPU is the first one.
        device = problem.trainer.device.type
        return cls(
            replace(problem.data, X=np.zeros((0, problem.data.X.shape[1]), dtype=np.float32)),
            problem.encoding,
            problem.recipe,
            problem.objectives,
            problem.seeds[0],
            problem.ood_score,
            device if device == "cpu" else f"{device}:0",
        )

    def build(self, X: Float32Array) -> Problem:
        """The problem on its features `[N, D]`."""
        return Problem(
            replace(self.data, X=X),
            self.encoding,
            self.recipe,
            self.objectives,
            seed=self.seed,
            ood_score=self.ood_score,
            device=self.device,
        )
