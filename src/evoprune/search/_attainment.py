"""Empirical attainment: what a search reaches in which share of its runs."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from evoprune._types import FloatArray
from evoprune.errors import ConfigError
from evoprune.search._base import checked_values, succeeded
from evoprune.search._front import costs


def attainment(fronts: Sequence[FloatArray], points: FloatArray, maximize: tuple[bool, ...]) -> FloatArray:
    """Share of the runs that attain each point: have a member at least as good in every objective.

    The empirical attainment function of Grunert da Fonseca, Fonseca and Hall (2001).

    Args:
        fronts: of each run the objective values `[P, M]`, in natural sign. Dominated rows change
            nothing, failed evaluations (not finite) are left out, and a run that has no others
            attains nothing.
        points: where to ask, `[Q, M]`, in natural sign.
        maximize: M directions, True where larger is better.

    Returns:
        `[Q]`, each 0..1.

    Raises:
        ConfigError: there is no run, or an array has another number of columns than there are
            directions.
    """
    asked = costs(checked_values(points, len(points), maximize), maximize)
    runs = _members(fronts, maximize)
    attaining = np.zeros(len(asked))
    for members in runs:
        attained = np.zeros(len(asked), dtype=np.bool_)
        for member in members:
            attained |= (member <= asked).all(axis=1)
        attaining += attained
    return attaining / len(runs)


def attainment_surface(fronts: Sequence[FloatArray], maximize: tuple[bool, ...], share: float) -> FloatArray:
    """The best points of two objectives that at least a share of the runs attains, exactly.

    With share 0.5 it is the median front of the runs, with 1.0 what every run attains.

    Args:
        fronts: as in `attainment`, `[P, 2]` each.
        maximize: two directions, True where larger is better.
        share: above 0, at most 1.

    Returns:
        The corners `[K, 2]` of the staircase, in natural sign, sorted by the first objective:
        the points attained by that share of the runs that no other such point dominates. None
        where fewer runs attain anything.

    Raises:
        ConfigError: there are not two objectives, no run, a share out of range, or an array with
            another number of columns than two.
    """
    if len(maximize) != 2:
        raise ConfigError(
            f"an attainment surface is drawn for two objectives, but {len(maximize)} are given; "
            "choose two, or ask attainment for single points"
        )
    if not 0.0 < share <= 1.0:
        raise ConfigError(f"share {share} of the runs is out of range; give a number above 0 and up to 1")
    runs = _members(fronts, maximize)
    # Without the subtraction, 0.7 of 10 runs would be 8, as 0.7 * 10 is a little more than 7.
    needed = max(1, math.ceil(share * len(runs) - 1e-9))
    steps = np.unique(np.concatenate([members[:, 0] for members in runs]))
    heights = np.stack([_heights(members, steps) for members in runs])
    level = np.sort(heights, axis=0)[needed - 1]
    corner = level < np.concatenate([[np.inf], level[:-1]])
    surface = costs(np.column_stack([steps[corner], level[corner]]), maximize)
    return surface[::-1] if maximize[0] else surface


def _members(fronts: Sequence[FloatArray], maximize: tuple[bool, ...]) -> list[FloatArray]:
    """Costs `[N, M]` of the evaluations of each run that did not fail."""
    if not len(fronts):
        raise ConfigError("attainment is a share of runs, but no run is given; give the values of one or more")
    checked = [checked_values(values, len(values), maximize) for values in fronts]
    return [costs(values[succeeded(values)], maximize) for values in checked]


def _heights(members: FloatArray, steps: FloatArray) -> FloatArray:
    """Lowest second cost `[S]` among members `[N, 2]` whose first is at most each of the steps `[S]`, or inf."""
    ordered = members[np.argsort(members[:, 0], kind="stable")]
    lowest = np.concatenate([[np.inf], np.minimum.accumulate(ordered[:, 1])])
    return lowest[np.searchsorted(ordered[:, 0], steps, side="right")]
