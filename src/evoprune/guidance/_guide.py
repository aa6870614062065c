"""The guide: what training rows say about features, for a search to start from and to recombine by."""

from __future__ import annotations

from functools import cached_property
from typing import Literal, Protocol

import numpy as np

from evoprune._types import BoolArray, Float32Array, FloatArray, IntArray
from evoprune.guidance._connections import RUNS, ConnectionGuide
from evoprune.guidance._elimination import eliminate, elimination_scores
from evoprune.guidance._gates import GateData
from evoprune.heads import Encoding
from evoprune.training import Recipe, TrainingSet

ELIMINATIONS = 6
"""Runs of gated elimination, each with its own weights and batches: single runs differ by a point or two."""

SMALLEST_SHARE = 0.008
"""Elimination ends at this share of the features; below it the last round's gates decide."""

MOST_ROWS = 20_000
"""Of more rows than these, so many are drawn: gates rank features no better with more, and all are held at once."""


class Adviser(Protocol):
    """What a search asks; see `Guide`."""

    def scores(self) -> FloatArray:
        """Importance of each bit by several sources `[S, L]`, higher is more important."""

    def recombine(self, pools: BoolArray, count: int, seed: int) -> BoolArray:
        """Children `[K, L]` with `count` ones each, out of K pools `[K, L]` with equally many ones."""


def guide_for(
    data: TrainingSet, encoding: Encoding, recipe: Recipe, seed: int, *, eliminations: int | None = None
) -> Adviser | None:
    """The guide to a search on some folds, or None where there is nothing to go by.

    It sees the rows that candidates are trained on in any fold. Hidden units are all alike before the training, and
    which of them is worth keeping is a matter of the initial weights. So it is with connections; where all trainings
    begin with the same (`Recipe.initial_seed`), those have a guide.

    Args:
        data: features, labels and folds of the search.
        encoding: what a genome's bits mean.
        recipe: how candidates are trained.
        seed: of all that is drawn.
        eliminations: number of runs of elimination, where it is not the usual one.
    """
    of_connections = encoding.name == "connections" and recipe.initial_seed is not None
    if encoding.name != "features" and not of_connections:
        return None
    rows = np.unique(np.concatenate([fold.train for fold in data.folds]))
    rows = rows[_drawn(len(rows), seed)]
    if of_connections:
        return ConnectionGuide(data, rows, encoding, recipe, seed, eliminations or RUNS)
    return Guide(
        data.X[rows],
        data.y[rows],
        data.classes,
        precision=recipe.precision,
        seed=seed,
        eliminations=eliminations or ELIMINATIONS,
    )


class Guide:
    """Scores of features, and sets of features recombined by what trained gates hold on to.

    Everything is deterministic in the arguments.

    Args:
        X: features of the rows it may see `[n, D]`, standardised here.
        y: their class numbers `[n]`.
        classes: C.
        precision: of the products in training.
        seed: of all that is drawn.
        eliminations: number of runs of gated elimination.
    """

    def __init__(
        self,
        X: Float32Array,
        y: IntArray,
        classes: int,
        *,
        precision: Literal["float32", "bfloat16"] = "float32",
        seed: int = 0,
        eliminations: int = ELIMINATIONS,
    ) -> None:
        drawn = _drawn(len(X), seed)
        X, y = X[drawn], y[drawn]
        deviation = X.std(axis=0)
        self._X = ((X - X.mean(axis=0)) / np.where(deviation > 0, deviation, 1)).astype(np.float32)
        self._y = y
        self._classes = classes
        self._precision = precision
        self._seed = seed
        self._eliminations = eliminations

    @cached_property
    def _data(self) -> GateData:
        return GateData.of(self._X, self._y, self._classes, self._precision)

    @cached_property
    def _scores(self) -> FloatArray:
        width = self._X.shape[1]
        everything = np.tile(np.arange(width), (self._eliminations, 1))
        return elimination_scores(self._data, everything, max(1, round(SMALLEST_SHARE * width)), self._seed)

    def scores(self) -> FloatArray:
        """Importance of each feature in each run of gated elimination `[S, D]`, higher is more important."""
        return self._scores.copy()

    def recombine(self, pools: BoolArray, count: int, seed: int) -> BoolArray:
        """The `count` features of each pool that gated elimination keeps.

        Args:
            pools: K pools `[K, D]`, all of the same size, at least `count`.
            count: size of the children.
            seed: of this elimination.

        Returns:
            Children `[K, D]` with `count` features each, all of their pool.
        """
        sets = np.stack([np.flatnonzero(pool) for pool in pools])
        drawn = int(np.random.default_rng([self._seed, seed]).integers(2**62))
        children = np.zeros_like(pools)
        np.put_along_axis(children, eliminate(self._data, sets, count, drawn), True, axis=1)
        return children


def _drawn(count: int, seed: int) -> IntArray | slice:
    """Which of so many rows gates are trained on: all, or as many as `MOST_ROWS`."""
    if count <= MOST_ROWS:
        return slice(None)
    return np.sort(np.random.default_rng(seed).choice(count, size=MOST_ROWS, replace=False))
