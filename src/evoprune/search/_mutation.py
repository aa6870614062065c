"""Mutation: small random changes of children."""

from __future__ import annotations

import numpy as np

from evoprune._types import BoolArray


def flip_one_bit_each(children: BoolArray, probability: float, rng: np.random.Generator) -> BoolArray:
    """With the given probability, flip one random bit in every child; else leave all unchanged.

    One draw decides for the whole pair of children, as published (EvoPruneDeepTL).

    Args:
        children: genomes `[P, L]`.
        probability: 0..1.
        rng: source of randomness.

    Returns:
        The genomes `[P, L]` after mutation, an array of their own.
    """
    mutated = children.copy()
    if rng.random() < probability:
        rows = np.arange(len(children))
        bits = rng.integers(children.shape[1], size=len(children))
        mutated[rows, bits] ^= True
    return mutated
