"""Hypervolume: how much of the objective space a set of solutions dominates."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from evoprune._types import BoolArray, FloatArray
from evoprune.errors import ConfigError
from evoprune.search._base import checked_values, succeeded
from evoprune.search._front import costs


def hypervolume(values: FloatArray, maximize: tuple[bool, ...], reference: FloatArray) -> float:
    """Volume of the space that the values dominate, as far as the reference (Zitzler and Thiele, 1999).

    Args:
        values: objective values `[P, M]`, in natural sign. Failed evaluations (not finite) and
            rows that are not better than the reference in every objective add nothing.
        maximize: M directions, True where larger is better.
        reference: the point `[M]` from which the volume is measured, in natural sign; as a rule
            the worst value of each objective.

    Returns:
        The volume, in the product of the objectives' units; larger is better, 0.0 where nothing adds.

    Raises:
        ConfigError: the values or the reference have another number of columns than there are
            directions, or the reference is not finite.
    """
    points, adding, volume_of = _prepared(values, maximize, reference)
    return volume_of(points[adding])


def hypervolume_trace(values: FloatArray, maximize: tuple[bool, ...], reference: FloatArray) -> FloatArray:
    """Hypervolume of the first 1, 2, .. P evaluations.

    It is counted anew only where an evaluation changes the front.

    Args:
        values: objective values `[P, M]` in the order of evaluation, in natural sign.
        maximize: M directions, True where larger is better.
        reference: as in `hypervolume`, `[M]`.

    Returns:
        `[P]`, which never falls; the last is `hypervolume` of all values, up to rounding.

    Raises:
        ConfigError: as in `hypervolume`.
    """
    points, adding, volume_of = _prepared(values, maximize, reference)
    front = np.zeros((0, len(maximize)))
    volume = 0.0
    trace = np.zeros(len(points))
    for row, point in enumerate(points):
        if adding[row] and not (front <= point).all(axis=1).any():
            front = np.vstack([front[(front < point).any(axis=1)], point])
            # A changed front is added up in another order, and could lose the last digit.
            volume = max(volume, volume_of(front))
        trace[row] = volume
    return trace


def _prepared(
    values: FloatArray, maximize: tuple[bool, ...], reference: FloatArray
) -> tuple[FloatArray, BoolArray, Callable[[FloatArray], float]]:
    """Costs `[P, M]`, which of them have a volume `[P]`, and what counts the volume of such costs."""
    from pymoo.indicators.hv import HV  # noqa: PLC0415

    values = checked_values(values, len(values), maximize)
    reference = np.asarray(reference, dtype=np.float64)
    if reference.shape != (len(maximize),) or not np.isfinite(reference).all():
        raise ConfigError(
            f"hypervolume reference {reference.tolist()} does not fit; "
            f"give one finite number for each of the {len(maximize)} objective(s)"
        )
    points, corner = costs(values, maximize), costs(reference, maximize)
    indicator = HV(ref_point=corner)
    adding = succeeded(values) & (points < corner).all(axis=1)
    return points, adding, lambda front: float(indicator(front)) if len(front) else 0.0
