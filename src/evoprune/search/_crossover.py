"""Crossover: two complementary children from two parents."""

from __future__ import annotations

import numpy as np

from evoprune._types import BoolArray


def uniform_crossover(first: BoolArray, second: BoolArray, rng: np.random.Generator) -> BoolArray:
    """Take each bit from either parent with probability 1/2.

    Args:
        first: genome `[L]`.
        second: genome `[L]`.
        rng: source of randomness.

    Returns:
        Two children `[2, L]`; where one has the first parent's bit, the other has the second's.
    """
    swap = rng.integers(0, 2, size=len(first), dtype=np.bool_)
    return _exchange(first, second, swap)


def one_point_crossover(first: BoolArray, second: BoolArray, rng: np.random.Generator) -> BoolArray:
    """Cut both parents at one random place and exchange what follows.

    The cut lies between two bits, each place equally likely; genomes of one bit have none and
    are copied.

    Args:
        first: genome `[L]`.
        second: genome `[L]`.
        rng: source of randomness.

    Returns:
        Two children `[2, L]`; the first begins as the first parent.
    """
    cut = int(rng.integers(1, len(first))) if len(first) > 1 else 1
    return _exchange(first, second, np.arange(len(first)) >= cut)


def _exchange(first: BoolArray, second: BoolArray, swap: BoolArray) -> BoolArray:
    return np.stack([np.where(swap, second, first), np.where(swap, first, second)])
