"""The knee and the best weighted sum of a front."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from evoprune.errors import ConfigError
from evoprune.search import knee, non_dominated, weighted

NAN = float("nan")


@st.composite
def _tables(draw, most=4):
    number = draw(st.integers(2, most))
    cell = st.sampled_from([0.0, 0.1, 0.3, 0.35, 0.6, 1.0, 2.0, NAN])
    rows = draw(st.lists(st.lists(cell, min_size=number, max_size=number), min_size=1, max_size=12))
    maximize = tuple(draw(st.lists(st.booleans(), min_size=number, max_size=number)))
    values = np.array(rows)
    assume(np.isfinite(values).all(axis=1).any())
    return values, maximize


def test_knee_of_a_convex_front_is_its_corner():
    # Accuracy up, active share down: from the third on, accuracy costs much more.
    values = np.array([[0.50, 0.01], [0.80, 0.05], [0.90, 0.10], [0.91, 0.50], [0.92, 1.00]])
    assert knee(values, (True, False)) == 2
    assert knee(values[::-1], (True, False)) == 2
    assert knee(values * [1.0, 1000.0] + [0.0, 7.0], (True, False)) == 2


def test_knee_in_three_objectives_has_the_largest_distance_to_the_plane():
    # The plane through the unit vectors is x + y + z = 1.
    values = np.array(
        [[1, 0, 0], [0, 1, 0], [0, 0, 1], [0.3, 0.3, 0.3], [0.2, 0.2, 0.1], [0.05, 0.6, 0.1]], dtype=float
    )
    assert knee(values, (False, False, False)) == 4
    assert knee(1 - values, (True, True, True)) == 4


@settings(deadline=None)
@given(_tables(most=2))
def test_knee_of_two_objectives_is_farthest_from_the_line_between_the_ends(table):
    values, maximize = table
    front = np.flatnonzero(non_dominated(values, maximize))
    cost = values[front] * np.where(maximize, -1.0, 1.0)
    assume(len(np.unique(cost, axis=0)) > 1)
    low, high = cost.min(axis=0), cost.max(axis=0)
    x, y = ((cost - low) / (high - low)).T
    # Of a front of two objectives the ends are (0, 1) and (1, 0) after scaling.
    distance = (1 - x - y) / np.sqrt(2)
    chosen = np.flatnonzero(front == knee(values, maximize))
    assert len(chosen) == 1
    assert distance[chosen[0]] >= distance.max() - 1e-9
    assert (distance[: chosen[0]] < distance[chosen[0]] - 1e-13).all()


@settings(deadline=None)
@given(_tables())
def test_chosen_members_are_on_the_front(table):
    values, maximize = table
    front = non_dominated(values, maximize)
    assert front[knee(values, maximize)]
    assert front[weighted(values, maximize, [1.0] + [0.0] * (len(maximize) - 1))]


def test_a_straight_front_has_its_first_member_as_knee():
    share = np.linspace(0, 1, 7)
    assert knee(np.column_stack([share, 1 - share]), (True, True)) == 0
    assert knee(np.column_stack([share / 3, 0.7 * (1 - share) + 0.1]), (True, True)) == 0


def test_knee_of_a_front_without_a_bulge_is_one_of_its_ends():
    angle = np.linspace(0, np.pi / 2, 9)[::-1]
    concave = np.column_stack([np.cos(angle), np.sin(angle)])
    assert knee(concave, (False, False)) == 0


def _height_above(ends: np.ndarray, point: np.ndarray) -> float:
    """Signed distance of a point from the plane through three ends, positive on the origin's side."""
    normal = np.cross(ends[1] - ends[0], ends[2] - ends[0])
    normal = normal * np.sign(normal @ ends[0]) / np.linalg.norm(normal)
    return float((ends[0] - point) @ normal)


def test_of_several_best_in_an_objective_the_end_is_best_in_the_others():
    # Rows 0 and 1 are equally good in the first objective, and row 1 is better in the sum of the others.
    values = np.array([[0, 0.2, 1], [0, 0.9, 0.2], [1, 0, 0.5], [0.5, 1, 0], [0.1, 0.1, 0.7], [0.2, 0.8, 0.1]])
    by_first, by_second = ([_height_above(values[[end, 2, 3]], row) for row in values] for end in (0, 1))
    assert int(np.argmax(by_first)) == 4
    assert knee(values, (False,) * 3) == int(np.argmax(by_second)) == 5


def test_one_member_best_in_two_objectives_leaves_no_plane():
    values = np.array([[0.0, 0.0, 1.0], [1.0, 0.9, 0.0], [0.3, 0.3, 0.3]])
    assert non_dominated(values, (False,) * 3).all()
    assert knee(values, (False,) * 3) == int(np.linalg.norm(values, axis=1).argmin()) == 2


def test_without_a_plane_the_member_nearest_the_ideal_is_the_knee():
    constant = np.array([[0.9, 0.5, 1.0], [0.8, 0.1, 1.0], [0.2, 0.05, 1.0]])
    assert knee(constant, (True, False, True)) == 1
    assert knee(np.array([[0.3, 0.3]]), (True, False)) == 0
    assert knee(np.array([[0.3, 0.3], [0.3, 0.3]]), (True, False)) == 0


def test_dominated_and_failed_rows_do_not_move_the_scale():
    front = np.array([[0.50, 0.01], [0.90, 0.10], [0.92, 1.00]])
    others = np.array([[NAN, 0.0], [-50.0, 40.0], [0.4, 0.9]])
    assert knee(np.concatenate([others, front]), (True, False)) == 3 + knee(front, (True, False)) == 4
    assert weighted(np.concatenate([others, front]), (True, False), (1, 1)) == 3 + 1


def test_weights_weigh_the_scaled_objectives():
    values = np.array([[0.50, 10.0], [0.80, 100.0], [0.90, 1000.0]])
    assert weighted(values, (True, False), (1.0, 0.0)) == 2
    assert weighted(values, (True, False), (0.0, 1.0)) == 0
    assert weighted(values, (True, False), (1.0, 1.0)) == 1
    # Row 1 gives .75 of accuracy and 1 - 1/11 of the size, row 2 gives 1 and 0: even at .25 w = (10/11) v.
    assert weighted(values, (True, False), (3.6, 1.0)) == 1
    assert weighted(values, (True, False), (3.7, 1.0)) == 2


@settings(deadline=None)
@given(_tables(), st.lists(st.sampled_from([0.0, 0.5, 1.0, 3.0]), min_size=4, max_size=4))
def test_weighted_equals_brute_force(table, numbers):
    values, maximize = table
    weights = numbers[: len(maximize)]
    assume(any(weights))
    front = np.flatnonzero(non_dominated(values, maximize)).tolist()

    def score(row: int) -> float:
        total = 0.0
        for column, up, weight in zip(values.T, maximize, weights, strict=True):
            lowest, highest = min(column[front]), max(column[front])
            if highest > lowest:
                total += weight * (column[row] - lowest) / (highest - lowest) * (1 if up else -1)
        return total

    best = max(map(score, front))
    assert weighted(values, maximize, weights) == next(row for row in front if score(row) > best - 1e-9)


def test_only_the_ratio_of_weights_matters_and_equals_go_to_the_lowest_row():
    share = np.linspace(0, 1, 11)
    values = np.column_stack([share, 1 - share])
    for factor in (1e-300, 1e-9, 1.0, 1e9, 1.7e308):
        assert weighted(values, (True, True), (factor, factor)) == 0
        assert weighted(values, (True, True), (factor, factor / 2)) == 10


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: knee(np.zeros((2, 1)), (True,)), "one objective has no knee"),
        (lambda: knee(np.full((3, 2), NAN), (True, True)), r"none of 3 evaluation\(s\) succeeded"),
        (lambda: knee(np.zeros((0, 2)), (True, True)), r"none of 0 evaluation\(s\) succeeded"),
        (lambda: weighted(np.full((3, 2), NAN), (True, True), (1, 1)), "no front to choose from"),
        (lambda: knee(np.zeros((2, 3)), (True, True)), "objective values have shape"),
        (lambda: weighted(np.zeros((2, 2)), (True, True), (1,)), r"weights \[1\] do not fit; give 2 number"),
        (lambda: weighted(np.zeros((2, 2)), (True, True), (1, -1)), "of 0 or more"),
        (lambda: weighted(np.zeros((2, 2)), (True, True), (0, 0)), "not all 0"),
        (lambda: weighted(np.zeros((2, 2)), (True, True), (1, NAN)), "do not fit"),
    ],
)
def test_refusals(call, sentence):
    with pytest.raises(ConfigError, match=sentence):
        call()
