"""Iterative elimination of many sets at once: train gates, drop the weakest, train those left anew."""

from __future__ import annotations

import numpy as np

from evoprune._types import FloatArray, IntArray
from evoprune.guidance._gates import GateData, gate_sizes

DROP, SLOW_DROP, SLOW_BELOW = 0.4, 0.2, 256
"""Share of what is left that a round drops, while it is many features and when it is fewer: there each one counts."""

POOL_DROP = 0.4
"""Share that a round drops of a pool, which was chosen already."""


def eliminate(data: GateData, sets: IntArray, size: int, seed: int) -> IntArray:
    """The `size` features of each set that rounds of elimination leave.

    Args:
        data: rows that gates are trained on.
        sets: numbers of the features of each of K sets `[K, d]`.
        size: how many are to be left, at most d.
        seed: of weights, batches and dropout.

    Returns:
        Numbers of the features that are left `[K, size]`, sorted.
    """
    left, number = sets, 0
    while left.shape[1] > size:
        keep = max(size, min(left.shape[1] - 1, int(left.shape[1] * (1 - POOL_DROP))))
        left = _strongest(left, _standings(data, left, seed, number), keep)
        number += 1
    return left


def elimination_scores(data: GateData, sets: IntArray, smallest: int, seed: int) -> FloatArray:
    """Scores of all features for each of K sets, by the round in which elimination drops them.

    Args:
        data: rows that gates are trained on.
        sets: numbers of the features of each set `[K, d]`.
        smallest: size at which elimination ends.
        seed: of weights, batches and dropout.

    Returns:
        Scores `[K, D]`: the number of the last round a feature was in, plus its standing in it (below 1);
        -1 outside the set.
    """
    scores = np.full((len(sets), data.width), -1.0)
    left, number = sets, 0
    while True:
        standings = _standings(data, left, seed, number)
        np.put_along_axis(scores, left, number + standings, axis=1)
        if left.shape[1] <= smallest:
            return scores
        left, number = _strongest(left, standings, max(smallest, _fewer(left.shape[1]))), number + 1


def _standings(data: GateData, left: IntArray, seed: int, number: int) -> FloatArray:
    """Place of each feature's gate among those of its set `[K, d]`: 0 for the smallest, up to below 1."""
    gates = gate_sizes(data, left, int(np.random.default_rng([seed, number]).integers(2**62)))
    places = gates.argsort(axis=1, kind="stable").argsort(axis=1, kind="stable")
    return np.asarray(places / left.shape[1], dtype=np.float64)


def _strongest(left: IntArray, standings: FloatArray, keep: int) -> IntArray:
    chosen = np.argsort(-standings, axis=1, kind="stable")[:, :keep]
    return np.sort(np.take_along_axis(left, chosen, axis=1), axis=1)


def _fewer(size: int) -> int:
    return min(size - 1, int(size * (1 - (DROP if size > SLOW_BELOW else SLOW_DROP))))
