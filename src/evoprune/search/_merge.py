"""The fronts of several runs as one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from evoprune._types import FloatArray, IntArray
from evoprune.search._base import checked_values
from evoprune.search._front import non_dominated


def merge_fronts(values: Sequence[FloatArray], maximize: tuple[bool, ...]) -> tuple[IntArray, IntArray]:
    """The super Pareto front of several runs (MO-EvoPruneDeepTL, section 5): what no run dominates.

    Equal rows do not dominate each other, so all are members, of whichever run they are. Failed
    evaluations (not finite) are none.

    Args:
        values: of each run the objective values `[P, M]`, in natural sign; P may differ.
        maximize: M directions, True where larger is better.

    Returns:
        Run number and row within that run of each member, `[N]` each, in the order of runs and rows.

    Raises:
        ConfigError: a run has another number of columns than there are directions.
    """
    tables = [checked_values(table, len(table), maximize) for table in values]
    # What its own run dominates cannot be a member, and large runs are sorted one at a time.
    fronts = [np.flatnonzero(non_dominated(table, maximize)) for table in tables]
    runs = np.repeat(np.arange(len(tables)), [len(front) for front in fronts])
    rows = np.concatenate([np.zeros(0, dtype=np.int64), *fronts])
    candidates = np.concatenate(
        [np.zeros((0, len(maximize))), *(table[front] for table, front in zip(tables, fronts, strict=True))]
    )
    members = non_dominated(candidates, maximize)
    return runs[members], rows[members]
