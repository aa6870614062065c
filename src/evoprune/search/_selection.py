"""Selection: which two members of a population become parents."""

from __future__ import annotations

import numpy as np

from evoprune._types import BoolArray, FloatArray, IntArray

CANDIDATES = 3
"""How many members compete to be the second parent (EvoPruneDeepTL)."""


def negative_assortative_mating(members: BoolArray, merit: FloatArray, rng: np.random.Generator) -> tuple[int, int]:
    """Choose a random first parent, and the most distant of 3 random others (NAM; Fernandes and Rosa, 2001).

    Mating unlike individuals keeps a small population diverse. Distance is Hamming's; of
    equally distant candidates the one drawn first is taken.

    Args:
        members: the population `[N, L]`, N >= 1.
        merit: unused; selection pressure comes from replacement alone.
        rng: source of randomness.

    Returns:
        Row numbers of the two parents, different where N >= 2.
    """
    first = int(rng.integers(len(members)))
    others = np.delete(np.arange(len(members)), first)
    if not len(others):
        return first, first
    candidates = rng.choice(others, size=min(CANDIDATES, len(others)), replace=False)
    distances = np.count_nonzero(members[candidates] != members[first], axis=1)
    return first, int(candidates[distances.argmax()])


def roulette_wheel(members: BoolArray, merit: FloatArray, rng: np.random.Generator) -> tuple[int, int]:
    """Choose both parents with probability proportional to merit, without repetition.

    Args:
        members: the population `[N, L]`, N >= 1.
        merit: fitness `[N]`, larger is better. Where one is negative (as in minimisation, where
            it is the value with its sign turned), all are shifted so that the worst is 0.
        rng: source of randomness.

    Returns:
        Row numbers of the two parents, different where N >= 2.
    """
    weights = merit - min(float(merit.min()), 0.0)
    first = _spin(weights, np.arange(len(members)), rng)
    others = np.delete(np.arange(len(members)), first)
    if not len(others):
        return first, first
    return first, _spin(weights, others, rng)


def _spin(weights: FloatArray, rows: IntArray, rng: np.random.Generator) -> int:
    total = weights[rows].sum()
    # A wheel whose fields all have width 0 has no say, so every row is equally likely.
    return int(rng.choice(rows, p=weights[rows] / total if total > 0 else None))
