"""Iterative elimination: score what is left, drop the weakest, score again."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from evoprune._types import BoolArray, FloatArray
from evoprune.baselines._counts import genomes, layer_sizes, standing
from evoprune.heads import Encoding


def eliminate(encoding: Encoding, score: Callable[[BoolArray, int], FloatArray], *, drop: float) -> FloatArray:
    """Rank all bits by the round in which they would be dropped, and by their score in it.

    What is left shrinks by the share `drop` a round, to one unit a layer, so that the rank
    of a bit does not depend on how many are wanted in the end.

    Args:
        encoding: what the bits mean.
        score: from the genome of what is left `[L]` and the number of the round to scores of
            its active bits, in their order.
        drop: share of the bits that is dropped a round.

    Returns:
        Scores `[L]`, higher is more important: the number of the last round, and the
        standing in it.
    """
    left = np.ones(encoding.length, dtype=np.bool_)
    result = np.zeros(encoding.length)
    smallest = len(layer_sizes(encoding))
    for number in range(encoding.length):
        result[left] = number + standing(score(left, number))
        count = int(left.sum())
        if count <= smallest:
            break
        keep = max(smallest, min(count - 1, int(count * (1 - drop))))
        left = genomes(encoding, np.where(left, result, -np.inf), [keep])[0]
    return result
