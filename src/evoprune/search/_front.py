"""Which solutions are on the Pareto front."""

from __future__ import annotations

import numpy as np

from evoprune._types import BoolArray, FloatArray
from evoprune.search._base import checked_values, succeeded


def costs(values: FloatArray, maximize: tuple[bool, ...]) -> FloatArray:
    """Objective values `[P, M]` with the sign turned where larger is better, so that all are minimised."""
    return np.where(np.array(maximize), -values, values)


def non_dominated(values: FloatArray, maximize: tuple[bool, ...]) -> BoolArray:
    """Which rows no other row dominates: as good in every objective and better in one.

    Equal rows do not dominate each other. Failed evaluations (not finite) are never on the front.

    Args:
        values: objective values `[P, M]`, in natural sign.
        maximize: M directions, True where larger is better.

    Returns:
        `[P]`, True on the front.

    Raises:
        ConfigError: the values have another number of columns than there are directions.
    """
    from pymoo.util.nds.non_dominated_sorting import NonDominatedSorting  # noqa: PLC0415

    values = checked_values(values, len(values), maximize)
    rows = np.flatnonzero(succeeded(values))
    front = np.zeros(len(values), dtype=np.bool_)
    sorting = NonDominatedSorting()
    front[rows[sorting.do(costs(values[rows], maximize), only_non_dominated_front=True)]] = True
    return front
