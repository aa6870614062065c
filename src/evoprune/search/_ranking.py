"""Which of several genomes is best, for a single objective."""

from __future__ import annotations

import numpy as np

from evoprune._types import BoolArray, FloatArray, IntArray
from evoprune.errors import ConfigError
from evoprune.search._base import checked_values, succeeded


def ranking(genomes: BoolArray, values: FloatArray, maximize: tuple[bool, ...]) -> IntArray:
    """Row numbers `[P]`, the best first.

    Equal values are ordered by fewer ones, and then as they came. Failed evaluations (not
    finite) come last.

    Args:
        genomes: `[P, L]`.
        values: `[P, 1]`, in natural sign.
        maximize: one direction, True where larger is better.

    Raises:
        ConfigError: there is more than one objective, or the shapes do not fit.
    """
    if len(maximize) != 1:
        raise ConfigError(
            f"{len(maximize)} objectives have no single best genome; "
            "rank by one of them, or take the front with non_dominated"
        )
    values = checked_values(values, len(genomes), maximize)
    cost = np.where(succeeded(values), -values[:, 0] if maximize[0] else values[:, 0], np.inf)
    ones = np.count_nonzero(genomes, axis=1)
    return np.lexsort((ones, cost)).astype(np.int64)


def best_index(genomes: BoolArray, values: FloatArray, maximize: tuple[bool, ...]) -> int | None:
    """Row number of the best genome, or None where every evaluation failed.

    Args:
        genomes: `[P, L]`.
        values: `[P, 1]`, in natural sign.
        maximize: one direction, True where larger is better.

    Raises:
        ConfigError: there is more than one objective, or the shapes do not fit.
    """
    order = ranking(genomes, values, maximize)
    if not len(order) or not np.isfinite(values[order[0]]).all():
        return None
    return int(order[0])
