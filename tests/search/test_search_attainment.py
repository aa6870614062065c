"""Empirical attainment against brute force and moocore."""

from __future__ import annotations

import moocore
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evoprune.errors import ConfigError
from evoprune.search import attainment, attainment_surface

NAN = float("nan")


@st.composite
def _runs(draw, most=3):
    columns = draw(st.integers(1, most)) if most != 2 else 2
    cell = st.sampled_from([-1.0, 0.0, 0.5, 1.0, 2.0, NAN])
    table = st.lists(st.lists(cell, min_size=columns, max_size=columns), max_size=6)
    fronts = [np.array(rows).reshape(len(rows), columns) for rows in draw(st.lists(table, min_size=1, max_size=5))]
    maximize = tuple(draw(st.lists(st.booleans(), min_size=columns, max_size=columns)))
    return fronts, maximize


def _brute_force(fronts, point, maximize) -> float:
    def attains(member) -> bool:
        return not np.isnan(member).any() and all(
            x >= p if up else x <= p for x, p, up in zip(member, point, maximize, strict=True)
        )

    return sum(any(attains(member) for member in front) for front in fronts) / len(fronts)


def _grid(columns: int) -> np.ndarray:
    ticks = [-1.5, -1.0, 0.0, 0.25, 0.5, 1.0, 2.0, 2.5]
    return np.stack(np.meshgrid(*[ticks] * columns), axis=-1).reshape(-1, columns)


@settings(deadline=None)
@given(_runs())
def test_share_of_runs_equals_brute_force(runs):
    fronts, maximize = runs
    points = _grid(len(maximize))
    expected = [_brute_force(fronts, point, maximize) for point in points]
    assert attainment(fronts, points, maximize).tolist() == expected


@settings(deadline=None)
@given(_runs(most=2), st.sampled_from([0.01, 0.2, 0.25, 1 / 3, 0.5, 0.75, 1.0]))
def test_surface_bounds_exactly_what_the_share_of_runs_attains(runs, share):
    fronts, maximize = runs
    surface = attainment_surface(fronts, maximize, share)
    points = _grid(2)
    attained = attainment(fronts, points, maximize) >= share - 1e-9
    assert (attainment([surface], points, maximize) == attained).all()
    assert (np.diff(surface[:, 0]) > 0).all()
    # No corner is weakly dominated by another: the second objective worsens where the first gets better.
    towards = 1 if maximize[0] == maximize[1] else -1
    assert (np.diff(surface[:, 1]) * towards < 0).all()


@pytest.mark.parametrize("maximize", [(True, True), (True, False), (False, True), (False, False)])
@pytest.mark.parametrize("percent", [10, 30, 50, 70, 100])
def test_surface_equals_moocore(maximize, percent):
    rng = np.random.default_rng(3)
    fronts = [np.round(rng.random((rng.integers(3, 20), 2)), 2) for _ in range(10)]
    sign = np.where(maximize, -1.0, 1.0)
    table = np.concatenate([front * sign for front in fronts])
    sets = np.repeat(np.arange(1, 11), [len(front) for front in fronts])
    corners = moocore.eaf(table, sets, percentiles=[percent])[:, :2] * sign
    expected = np.unique(corners, axis=0)
    assert np.allclose(attainment_surface(fronts, maximize, percent / 100), expected)


@pytest.mark.parametrize("runs", range(1, 31))
def test_a_share_that_is_a_number_of_runs_means_that_number(runs):
    """0.7 * 10 is a little more than 7, and still asks for 7 runs."""
    fronts = [np.array([[float(run), 0.0]]) for run in range(runs)]
    for needed in range(1, runs + 1):
        surface = attainment_surface(fronts, (True, True), needed / runs)
        # At least `needed` runs reach what the one with that many at or above it reaches.
        assert surface.tolist() == [[runs - needed, 0.0]]


def test_a_run_without_success_attains_nothing_but_counts():
    fronts = [np.array([[0.9, 0.2]]), np.full((3, 2), NAN), np.zeros((0, 2))]
    assert attainment(fronts, np.array([[0.9, 0.2], [0.95, 0.2]]), (True, False)).tolist() == [1 / 3, 0.0]
    assert attainment_surface(fronts, (True, False), 0.3).tolist() == [[0.9, 0.2]]
    assert attainment_surface(fronts, (True, False), 0.5).shape == (0, 2)
    assert attainment_surface(fronts[1:], (True, False), 0.5).shape == (0, 2)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: attainment([], np.zeros((1, 2)), (True, True)), "no run is given"),
        (lambda: attainment_surface([], (True, True), 0.5), "no run is given"),
        (lambda: attainment([np.zeros((1, 3))], np.zeros((1, 2)), (True, True)), "2 objective"),
        (lambda: attainment([np.zeros((1, 2))], np.zeros((1, 3)), (True, True)), "2 objective"),
        (lambda: attainment_surface([np.zeros((1, 3))], (True,) * 3, 0.5), "drawn for two objectives, but 3"),
        (lambda: attainment_surface([np.zeros((1, 2))], (True, True), 0.0), "share 0.0 of the runs"),
        (lambda: attainment_surface([np.zeros((1, 2))], (True, True), 1.1), "share 1.1 of the runs"),
        (lambda: attainment_surface([np.zeros((1, 2))], (True, True), NAN), "share nan of the runs"),
    ],
)
def test_refusals(call, sentence):
    with pytest.raises(ConfigError, match=sentence):
        call()
