"""The guide to single connections: iterative magnitude pruning, each round from the same initial weights.

Which connections are worth keeping is a matter of the initial weights, so that all trainings of a search and of what
comes of it begin with the same (`Recipe.initial_seed`). From there a head is trained, the smallest weights are
switched off, and those left are trained from the start again, round after round: lottery tickets (Frankle, Carbin,
ICLR 2019, arXiv 1803.03635). Batches and dropout are drawn anew in every round, so that runs differ.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cached_property, partial
from typing import TypeVar

import numpy as np
import torch

from evoprune._types import BoolArray, FloatArray, IntArray
from evoprune.data import Fold
from evoprune.heads import Encoding
from evoprune.training import Recipe, TrainingSet, WeightTraining

RUNS = 3
"""Runs of iterative pruning, each with its own batches and dropout."""

DROP = 0.35
"""Share of the connections left that a round switches off."""

SMALLEST_SHARE = 0.008
"""Pruning ends at this share of the connections; below it the last round's weights decide."""

_RUNS, _CHILDREN = range(2)

_Given = TypeVar("_Given")


class ConnectionGuide:
    """Scores of connections by the round in which pruning drops them, and connections recombined by pruning.

    Everything is deterministic in the arguments.

    Args:
        data: features and labels.
        rows: numbers of the rows it may see.
        encoding: whose bits are connections.
        recipe: how heads are trained, with an `initial_seed`.
        seed: of batches and dropout.
        runs: number of runs of pruning.
    """

    def __init__(
        self, data: TrainingSet, rows: IntArray, encoding: Encoding, recipe: Recipe, seed: int = 0, runs: int = RUNS
    ) -> None:
        nothing = np.zeros(0, dtype=np.int64)
        self._data = replace(data, folds=(Fold(rows, nothing),), extra={}, outliers=None)
        self._encoding = encoding
        self._recipe = recipe
        self._seed = seed
        self._runs = runs

    @cached_property
    def _training(self) -> WeightTraining:
        return WeightTraining(self._data, self._encoding.head, self._recipe)

    def scores(self) -> FloatArray:
        """Importance of each connection in each run of pruning `[S, L]`, higher is more important.

        The number of the last round it was in, plus the place of its weight in that round (below 1).
        """
        return np.stack(self._side_by_side(self._scores_of, range(self._runs)))

    def recombine(self, pools: BoolArray, count: int, seed: int) -> BoolArray:
        """The `count` connections of each pool that pruning keeps.

        Args:
            pools: K pools `[K, L]`, each of at least `count` connections.
            count: size of the children.
            seed: of this pruning.

        Returns:
            Children `[K, L]` with `count` connections each, all of their pool.
        """

        def child(number: int, cancelled: Callable[[], bool]) -> BoolArray:
            left: BoolArray = pools[number].copy()
            round_ = 0
            while (size := int(left.sum())) > count:
                order = self._order(left, (_CHILDREN, seed, number, round_), cancelled)
                left, round_ = self._only(order[-max(count, _fewer(size)) :]), round_ + 1
            return left

        children: BoolArray = np.stack(self._side_by_side(child, range(len(pools))))
        return children

    def _scores_of(self, run: int, cancelled: Callable[[], bool]) -> FloatArray:
        smallest = max(1, round(SMALLEST_SHARE * self._encoding.length))
        left, scores, round_ = self._encoding.dense_genome(), np.zeros(self._encoding.length), 0
        while True:
            order = self._order(left, (_RUNS, run, round_), cancelled)
            size = len(order)
            scores[order] = round_ + np.arange(size) / size
            if size <= smallest:
                return scores
            left, round_ = self._only(order[-max(smallest, _fewer(size)) :]), round_ + 1

    def _order(self, left: BoolArray, stream: Sequence[int], cancelled: Callable[[], bool]) -> IntArray:
        """Numbers of the connections that are left, from the smallest weight to the largest."""
        seed = int(np.random.default_rng([self._seed, *stream]).integers(2**62))
        matrices = self._training.weights(self._encoding.decode(left), seed, cancelled)
        # A training that diverged says nothing: its connections are dropped first to last.
        sizes = np.nan_to_num(np.abs(matrices[self._encoding.matrix or 0]).ravel()[left], posinf=0.0)
        return np.flatnonzero(left)[sizes.argsort(kind="stable")]

    def _only(self, connections: IntArray) -> BoolArray:
        """The genome `[L]` of some connections, by their numbers."""
        genome = np.zeros(self._encoding.length, dtype=np.bool_)
        genome[connections] = True
        return genome

    def _side_by_side(self, make: Callable[[int, Callable[[], bool]], _Given], numbers: Sequence[int]) -> list[_Given]:
        """What is made of each number, as many at a time as there are threads; an interrupt ends all soon."""
        _ = self._training  # made once, before the threads ask for it
        cancelled = threading.Event()
        with ThreadPoolExecutor(torch.get_num_threads(), initializer=partial(torch.set_num_threads, 1)) as pool:
            try:
                return list(pool.map(lambda number: make(number, cancelled.is_set), numbers))
            except BaseException:
                cancelled.set()
                pool.shutdown(wait=False, cancel_futures=True)
                raise


def _fewer(size: int) -> int:
    return min(size - 1, int(size * (1 - DROP)))
