"""Choosing one member of a Pareto front."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from evoprune._types import FloatArray, IntArray
from evoprune.errors import ConfigError
from evoprune.search._base import checked_values
from evoprune.search._front import costs, non_dominated

DIGITS = 12
"""Decimal places to which members are compared, so that rounding does not decide between equals."""


def knee(values: FloatArray, maximize: tuple[bool, ...]) -> int:
    """The member of the front that bulges most towards the ideal, where any gain begins to cost much.

    Each objective is scaled to 0..1 over the front (one with a single value to 0 everywhere). The
    hyperplane through the best members of each objective cuts off the ideal point; the knee is the
    member farthest from it on the side of the ideal (normal-boundary intersection: Das, 1999; other
    definitions are in Branke et al., 2004). Where no member lies on that side, it is one of the
    ends. Of several members best in an objective, the end is the one with the best sum of the others.

    Where fewer than M different ends, or ends in line, do not fix such a plane, it is the member
    nearest to the ideal point, the best of each objective.

    Args:
        values: objective values `[P, M]`, M >= 2, in natural sign. Rows that are not on their
            front, and failed evaluations (not finite), are passed over.
        maximize: M directions, True where larger is better.

    Returns:
        The row; of equals the lowest.

    Raises:
        ConfigError: there is one objective, no evaluation that succeeded, or another number of
            columns than there are directions.
    """
    if len(maximize) < 2:
        raise ConfigError("a front of one objective has no knee; take the best with best_index, or add an objective")
    rows, scaled = _scaled_front(values, maximize)
    others = scaled.sum(axis=1)
    ends = scaled[[np.lexsort((others, column))[0] for column in scaled.T]]
    if np.linalg.matrix_rank(ends) == len(maximize):
        normal = np.linalg.solve(ends, np.ones(len(maximize)))
        merit = (1.0 - scaled @ normal) / np.linalg.norm(normal)
    else:
        merit = -np.linalg.norm(scaled, axis=1)
    return int(rows[np.round(merit, DIGITS).argmax()])


def weighted(values: FloatArray, maximize: tuple[bool, ...], weights: Sequence[float]) -> int:
    """The member of the front with the best weighted sum of its objectives.

    Each objective is scaled to 0..1 over the front, so that a weight says how much the whole range
    that the front offers in it is worth.

    Args:
        values: objective values `[P, M]`, in natural sign. Rows that are not on their front, and
            failed evaluations (not finite), are passed over.
        maximize: M directions, True where larger is better.
        weights: M numbers of at least 0, one of them larger; only their ratios matter.

    Returns:
        The row; of equals the lowest.

    Raises:
        ConfigError: the weights do not fit, no evaluation succeeded, or there is another number of
            columns than of directions.
    """
    shares = np.asarray(weights, dtype=np.float64)
    if shares.shape != (len(maximize),) or not np.isfinite(shares).all() or (shares < 0).any() or not shares.any():
        raise ConfigError(
            f"weights {list(weights)} do not fit; give {len(maximize)} number(s) of 0 or more, "
            "one for each objective and not all 0"
        )
    rows, scaled = _scaled_front(values, maximize)
    merit = -(scaled @ (shares / shares.max()))
    return int(rows[np.round(merit, DIGITS).argmax()])


def _scaled_front(values: FloatArray, maximize: tuple[bool, ...]) -> tuple[IntArray, FloatArray]:
    """Rows `[N]` of the front, and its objectives `[N, M]` from 0 (the best) to 1 (the worst of the front)."""
    values = checked_values(values, len(values), maximize)
    rows = np.flatnonzero(non_dominated(values, maximize))
    if not len(rows):
        raise ConfigError(
            f"none of {len(values)} evaluation(s) succeeded, so there is no front to choose from; give one that did"
        )
    front = costs(values[rows], maximize)
    distance = front - front.min(axis=0)
    extent = distance.max(axis=0)
    return rows, distance / np.where(extent > 0, extent, 1.0)
