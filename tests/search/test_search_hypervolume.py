"""Hypervolume against boxes counted by hand, inclusion and exclusion, random points, and pymoo."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymoo.indicators.hv import HV

from evoprune.errors import ConfigError
from evoprune.search import hypervolume, hypervolume_trace

NAN = float("nan")


@st.composite
def _tables(draw):
    """Values on a coarse grid, so that ties and equal rows are common, with failures and a reference within."""
    columns = draw(st.integers(1, 4))
    cell = st.sampled_from([-1.0, 0.0, 0.25, 0.5, 1.0, 3.0, NAN])
    rows = draw(st.lists(st.lists(cell, min_size=columns, max_size=columns), max_size=9))
    maximize = tuple(draw(st.lists(st.booleans(), min_size=columns, max_size=columns)))
    reference = draw(st.lists(st.sampled_from([0.0, 0.5, 1.0]), min_size=columns, max_size=columns))
    return np.array(rows).reshape(len(rows), columns), maximize, np.array(reference)


def _inclusion_exclusion(values, maximize, reference) -> float:
    """The union of the boxes between each row and the reference, by all their intersections."""
    sign = np.where(maximize, 1.0, -1.0)
    sides = [side for side in (values - reference) * sign if (side > 0).all()]
    total = 0.0
    for size in range(1, len(sides) + 1):
        for chosen in itertools.combinations(sides, size):
            total += (-1) ** (size + 1) * float(np.prod(np.min(chosen, axis=0)))
    return total


@settings(deadline=None)
@given(_tables())
def test_equals_the_union_of_boxes(table):
    values, maximize, reference = table
    assert hypervolume(values, maximize, reference) == pytest.approx(
        _inclusion_exclusion(values, maximize, reference), abs=1e-12
    )


def test_boxes_counted_by_hand():
    values = np.array([[0.9, 0.5], [0.7, 0.2], [0.6, 0.4]])
    # Wide and flat 0.9 x 0.5, narrow and high 0.7 x 0.8, common 0.7 x 0.5; the third lies within.
    assert hypervolume(values, (True, False), np.array([0.0, 1.0])) == pytest.approx(0.45 + 0.56 - 0.35)
    assert hypervolume(values[:1], (True, False), np.array([0.5, 1.0])) == pytest.approx(0.4 * 0.5)


@pytest.mark.parametrize("maximize", [(True, False), (True, False, True), (False, False, True, True)])
def test_equals_pymoo_and_the_share_of_random_points(maximize):
    rng = np.random.default_rng(5)
    values = rng.random((60, len(maximize)))
    sign = np.where(maximize, -1.0, 1.0)
    reference = np.where(maximize, 0.1, 0.9)
    ours = hypervolume(values, maximize, reference)
    assert ours == pytest.approx(float(HV(ref_point=reference * sign)(values * sign)))
    probes = rng.random((100_000, len(maximize)))
    within = (probes * sign < reference * sign).all(axis=1)
    dominated = np.zeros(len(probes), dtype=np.bool_)
    for value in values:
        dominated |= (value * sign <= probes * sign).all(axis=1)
    assert ours == pytest.approx(float((within & dominated).mean()), abs=0.006)


@settings(deadline=None)
@given(_tables())
def test_trace_is_the_hypervolume_of_each_beginning_and_never_falls(table):
    values, maximize, reference = table
    trace = hypervolume_trace(values, maximize, reference)
    expected = [hypervolume(values[: row + 1], maximize, reference) for row in range(len(values))]
    assert trace == pytest.approx(expected, abs=1e-12)
    assert (np.diff(trace) >= 0).all()


def test_trace_does_not_fall_by_rounding_where_the_volume_does():
    directions, reference = (True,) * 3, np.zeros(3)
    falls = 0
    for seed in range(10):
        values = np.random.default_rng(seed).random((40, 3)) / 3
        # The second half is better than the first by the last digit.
        values = np.concatenate([values, np.nextafter(values, 1)])
        counted = [hypervolume(values[: row + 1], directions, reference) for row in range(80)]
        falls += int((np.diff(counted) < 0).any())
        trace = hypervolume_trace(values, directions, reference)
        assert (np.diff(trace) >= 0).all()
        assert trace == pytest.approx(counted)
    assert falls


def test_no_evaluation_or_none_that_counts_has_volume_0():
    reference = np.array([0.5, 0.5])
    assert hypervolume(np.zeros((0, 2)), (True, True), reference) == 0.0
    assert hypervolume_trace(np.zeros((0, 2)), (True, True), reference).shape == (0,)
    useless = np.array([[NAN, 1.0], [0.5, 1.0], [0.4, 0.9], [np.inf, 1.0]])
    assert hypervolume(useless, (True, True), reference) == 0.0
    assert hypervolume_trace(useless, (True, True), reference).tolist() == [0.0] * 4


def test_a_changed_array_is_not_a_side_effect():
    values, reference = np.random.default_rng(0).random((9, 2)), np.array([0.0, 1.0])
    before = values.copy(), reference.copy()
    hypervolume_trace(values, (True, False), reference)
    assert (values == before[0]).all()
    assert (reference == before[1]).all()


def test_the_volume_is_counted_only_where_the_front_changes(monkeypatch):
    """Ten thousand evaluations are affordable, because few of them change the front."""
    sizes = []

    class Counted(HV):
        def do(self, front, *args, **kwargs):
            sizes.append(len(front))
            return super().do(front, *args, **kwargs)

    rng = np.random.default_rng(1)
    # Rounded, so that ties and equal rows are common.
    values = np.round(rng.dirichlet((1.0, 1.0, 1.0), size=10_000) * rng.random((10_000, 1)), 2)
    directions, reference = (True, True, True), np.array([0.1, 0.1, 0.0])
    changes = 0
    front = np.zeros((0, 3))
    for value in values[(values > reference).all(axis=1)]:
        if not (front >= value).all(axis=1).any():
            changes += 1
            front = np.vstack([front[~(front <= value).all(axis=1)], value])
    monkeypatch.setattr("pymoo.indicators.hv.HV", Counted)
    trace = hypervolume_trace(values, directions, reference)
    assert len(sizes) == changes < 1000
    assert sizes[-1] == len(front) > 50
    assert trace[-1] == pytest.approx(hypervolume(values, directions, reference))


@pytest.mark.parametrize("function", [hypervolume, hypervolume_trace])
@pytest.mark.parametrize(
    ("values", "reference", "sentence"),
    [
        (np.zeros((2, 3)), np.zeros(2), "objective values have shape"),
        (np.zeros((2, 2)), np.zeros(3), r"reference \[0.0, 0.0, 0.0\] does not fit.*each of the 2"),
        (np.zeros((2, 2)), np.array([0.0, NAN]), "one finite number"),
        (np.zeros((2, 2)), 0.0, r"reference 0.0 does not fit"),
    ],
)
def test_refusals(function, values, reference, sentence):
    with pytest.raises(ConfigError, match=sentence):
        function(values, (True, False), reference)
