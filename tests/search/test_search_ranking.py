"""The best genome and the Pareto front, against brute force and pymoo."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymoo.util.nds.non_dominated_sorting import NonDominatedSorting

from evoprune.errors import ConfigError
from evoprune.search import best_index, non_dominated, ranking

NAN = float("nan")


@st.composite
def _tables(draw, most=4):
    columns = draw(st.integers(1, most))
    # Few different values, so that ties and equal rows are common.
    cell = st.sampled_from([-1.0, 0.0, 0.5, 1.0, NAN]) if draw(st.booleans()) else st.sampled_from([0.0, 1.0, 2.0])
    rows = draw(st.lists(st.lists(cell, min_size=columns, max_size=columns), max_size=14))
    maximize = tuple(draw(st.lists(st.booleans(), min_size=columns, max_size=columns)))
    return np.array(rows).reshape(len(rows), columns), maximize


def _dominates(a, b, maximize):
    better = [x > y if up else x < y for x, y, up in zip(a, b, maximize, strict=True)]
    worse = [x < y if up else x > y for x, y, up in zip(a, b, maximize, strict=True)]
    return any(better) and not any(worse)


@settings(deadline=None)
@given(_tables())
def test_front_equals_brute_force(table):
    values, maximize = table
    alive = ~np.isnan(values).any(axis=1)
    expected = [
        bool(alive[i]) and not any(alive[j] and _dominates(values[j], row, maximize) for j in range(len(values)))
        for i, row in enumerate(values)
    ]
    assert non_dominated(values, maximize).tolist() == expected


@pytest.mark.parametrize("objectives", [2, 3])
def test_front_equals_pymoo(objectives):
    values = np.random.default_rng(0).random((200, objectives))
    maximize = (True, False, True)[:objectives]
    signed = values * np.where(maximize, -1, 1)
    expected = NonDominatedSorting().do(signed, only_non_dominated_front=True)
    assert np.flatnonzero(non_dominated(values, maximize)).tolist() == sorted(expected)


def test_front_needs_a_direction_for_every_column():
    with pytest.raises(ConfigError, match="2 objective"):
        non_dominated(np.zeros((3, 3)), (True, False))


@settings(deadline=None)
@given(_tables(1), st.integers(0, 99))
def test_ranking_equals_sorting_by_value_then_ones_then_place(table, seed):
    values, maximize = table
    genomes = np.random.default_rng(seed).random((len(values), 4)) < 0.5
    sign = -1 if maximize[0] else 1

    def key(row):
        value = values[row, 0]
        return (np.isnan(value), 0 if np.isnan(value) else sign * value, genomes[row].sum(), row)

    expected = sorted(range(len(values)), key=key)
    assert ranking(genomes, values, maximize).tolist() == expected
    best = best_index(genomes, values, maximize)
    assert best == (None if np.isnan(values).all() else expected[0])


def test_of_equal_fitness_the_genome_with_fewer_ones_is_best():
    genomes = np.array([[1, 1, 1], [0, 1, 0], [1, 0, 0], [0, 0, 0]], dtype=np.bool_)
    values = np.array([[0.9], [0.9], [0.9], [0.8]])
    assert best_index(genomes, values, (True,)) == 1
    assert best_index(genomes, values, (False,)) == 3


def test_several_objectives_have_no_best():
    with pytest.raises(ConfigError, match="non_dominated"):
        best_index(np.zeros((1, 2), dtype=np.bool_), np.zeros((1, 2)), (True, True))
