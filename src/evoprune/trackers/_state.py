"""What a search has found so far, in the figures that trackers show."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from evoprune._types import BoolArray, FloatArray
from evoprune.heads import Encoding
from evoprune.objectives import Objective
from evoprune.search import hypervolume, non_dominated
from evoprune.workflow import reference_point


class SearchState:
    """The best values and the front of all evaluations that it is shown.

    Args:
        objectives: M of them.
        encoding: of the genomes.
        population: number of first individuals, which the reference of some objectives is the worst of.
        biases: number of biases of the head that is not pruned.
    """

    def __init__(self, objectives: Sequence[Objective], encoding: Encoding, population: int, biases: int) -> None:
        self.evaluations = 0
        self.failed = 0
        self._objectives = objectives
        self._maximize = tuple(objective.maximize for objective in objectives)
        self._classes = encoding.classes
        self._population = population
        self._dense = _dense_sizes(objectives, encoding, biases)
        self._front = np.empty((0, len(objectives)))
        self._first = np.empty((0, len(objectives)))
        self._best = np.full(len(objectives), np.nan)
        self._active = np.nan

    def add(self, genomes: BoolArray, values: FloatArray) -> None:
        """Take in evaluated genomes `[P, L]` and their values `[P, M]`, NaN where one failed."""
        self.evaluations += len(values)
        self._first = np.concatenate([self._first, values])[: self._population]
        complete = np.isfinite(values).all(axis=1)
        self.failed += int((~complete).sum())
        for genome, row in zip(genomes[complete], values[complete], strict=True):
            better = np.where(self._maximize, row > self._best, row < self._best) | np.isnan(self._best)
            # Of two that are equally fit, the smaller one is the best.
            if better[0] or (row[0] == self._best[0] and genome.mean() < self._active):
                self._active = float(genome.mean())
            self._best = np.where(better, row, self._best)
        points = np.concatenate([self._front, values[complete]])
        self._front = points[non_dominated(points, self._maximize)] if len(points) else points

    def figures(self) -> dict[str, float]:
        """Best value of each objective, and the size and hypervolume of the front of several, by name."""
        names = [objective.name for objective in self._objectives]
        found = {f"best/{name}": float(value) for name, value in zip(names, self._best, strict=True)}
        found["best/active_share"] = self._active
        if len(names) > 1 and len(self._front):
            reference = reference_point(self._objectives, self._classes, self._dense, self._first)
            found["front/size"] = float(len(self._front))
            found["front/hypervolume"] = hypervolume(self._front, self._maximize, reference)
        found["search/failed"] = float(self.failed)
        return {name: value for name, value in found.items() if np.isfinite(value)}


def _dense_sizes(objectives: Sequence[Objective], encoding: Encoding, biases: int) -> FloatArray:
    """Sizes of the head that is not pruned `[M]`; NaN for what only training tells."""
    connections = sum(inputs * outputs for inputs, outputs in encoding.head.shapes(encoding.width, encoding.classes))
    sizes = {"parameters": connections + biases, "flops": connections}
    return np.array([sizes.get(objective.name, np.nan) for objective in objectives])
