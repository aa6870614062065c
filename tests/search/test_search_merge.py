"""The super Pareto front of several runs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evoprune.errors import ConfigError
from evoprune.search import merge_fronts, non_dominated

NAN = float("nan")


@st.composite
def _runs(draw):
    columns = draw(st.integers(1, 3))
    cell = st.sampled_from([-1.0, 0.0, 0.5, 1.0, NAN])
    table = st.lists(st.lists(cell, min_size=columns, max_size=columns), max_size=6)
    values = [np.array(rows).reshape(len(rows), columns) for rows in draw(st.lists(table, max_size=4))]
    return values, tuple(draw(st.lists(st.booleans(), min_size=columns, max_size=columns)))


@settings(deadline=None)
@given(_runs())
def test_every_row_of_every_run_is_weakly_dominated_by_a_member_and_no_member_by_a_row(table):
    values, maximize = table
    sign = np.where(maximize, -1.0, 1.0)
    runs, rows = merge_fronts(values, maximize)
    members = np.array([values[run][row] for run, row in zip(runs, rows, strict=True)]).reshape(-1, len(maximize))
    for table in values:
        for row in table[np.isfinite(table).all(axis=1)]:
            assert (members * sign <= row * sign).all(axis=1).any()
            better = (row * sign <= members * sign).all(axis=1) & (row != members).any(axis=1)
            assert not better.any()


@settings(deadline=None)
@given(_runs())
def test_members_are_the_front_of_all_rows_together_in_their_order(table):
    values, maximize = table
    together = np.concatenate([np.zeros((0, len(maximize))), *values])
    place = [(run, row) for run, table in enumerate(values) for row in range(len(table))]
    expected = [place[i] for i in np.flatnonzero(non_dominated(together, maximize))]
    runs, rows = merge_fronts(values, maximize)
    assert runs.dtype == rows.dtype == np.int64
    assert list(zip(runs.tolist(), rows.tolist(), strict=True)) == expected


def test_equal_rows_of_several_runs_are_all_kept():
    best = [0.9, 0.1]
    values = [np.array([best, [0.8, 0.2]]), np.array([[NAN, 0.0]]), np.array([[0.5, 0.05], best])]
    runs, rows = merge_fronts(values, (True, False))
    assert list(zip(runs.tolist(), rows.tolist(), strict=True)) == [(0, 0), (2, 0), (2, 1)]


def test_a_run_with_other_objectives_is_refused():
    with pytest.raises(ConfigError, match="2 objective"):
        merge_fronts([np.zeros((1, 2)), np.zeros((1, 3))], (True, False))
