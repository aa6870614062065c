"""Halves and even draws: quotas are exact, whatever the sets and classes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evoprune.data import even_quotas, sample_evenly, split_halves
from evoprune.errors import ConfigError

SEEDS = st.integers(0, 10_000)
CAPACITIES = st.lists(st.integers(0, 20), min_size=1, max_size=8)
SETS = st.lists(st.lists(st.integers(0, 4), max_size=25), min_size=1, max_size=5)


def generator(seed):
    return np.random.default_rng(seed)


def rows_of(sets):
    return [np.array(labels, dtype=np.int64) for labels in sets]


@given(st.lists(st.integers(0, 6), max_size=60), SEEDS)
def test_halves_are_equal_up_to_one_over_all_and_in_each_class(labels, seed):
    groups = np.array(labels, dtype=np.int64)
    search, report = split_halves(groups, range(len(groups)), seed)
    np.testing.assert_array_equal(np.sort(np.concatenate([search, report])), np.arange(len(groups)))
    assert np.array_equal(search, np.sort(search)) and np.array_equal(report, np.sort(report))
    assert abs(len(search) - len(report)) <= 1
    for group in set(labels):
        assert abs(np.count_nonzero(groups[search] == group) - np.count_nonzero(groups[report] == group)) <= 1


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 12)), min_size=1, max_size=60), SEEDS)
def test_equal_contents_stay_together_even_across_classes(rows, seed):
    groups, keys = np.array([group for group, _ in rows]), [key for _, key in rows]
    search, report = split_halves(groups, keys, seed)
    np.testing.assert_array_equal(np.sort(np.concatenate([search, report])), np.arange(len(rows)))
    in_search, in_report = {keys[row] for row in search}, {keys[row] for row in report}
    assert not in_search & in_report
    assert abs(len(in_search) - len(in_report)) <= 1


def test_the_seed_decides_the_halves():
    groups = np.repeat(np.arange(5), 8)
    halves = [split_halves(groups, range(40), seed)[0].tolist() for seed in (0, 0, 1, 2)]
    assert halves[0] == halves[1]
    assert len({tuple(half) for half in halves}) == 3


def test_classes_of_one_row_are_drawn_not_taken_in_order():
    taken = [tuple(split_halves(np.arange(10), range(10), seed)[0]) for seed in range(20)]
    assert len(set(taken)) > 10
    assert all(len(half) == 5 for half in taken)


def test_either_half_gets_the_odd_row():
    sizes = {len(split_halves(np.zeros(5, dtype=np.int64), range(5), seed)[0]) for seed in range(20)}
    assert sizes == {2, 3}


def test_a_negative_seed_is_refused():
    with pytest.raises(ConfigError, match="seed=-1 is negative"):
        split_halves(np.zeros(2, dtype=np.int64), range(2), -1)


def dealt_one_by_one(capacities, total):
    """Quotas by giving one at a time to whoever has least and is not full."""
    quotas = [0] * len(capacities)
    for _ in range(total):
        open_ = [n for n, capacity in enumerate(capacities) if quotas[n] < capacity]
        if open_:
            quotas[min(open_, key=lambda n: quotas[n])] += 1
    return quotas


@given(CAPACITIES, st.integers(0, 120), SEEDS)
def test_quotas_are_those_of_dealing_one_by_one(capacities, total, seed):
    quotas = even_quotas(np.array(capacities), total, generator(seed))
    assert sorted(quotas) == sorted(dealt_one_by_one(capacities, total))
    assert (quotas >= 0).all() and (quotas <= capacities).all()
    assert quotas.sum() == min(total, sum(capacities))


@given(CAPACITIES, st.integers(0, 120), SEEDS)
def test_quotas_differ_by_one_at_most_unless_one_is_too_small(capacities, total, seed):
    quotas = even_quotas(np.array(capacities), total, generator(seed))
    free = [quota for quota, capacity in zip(quotas, capacities, strict=True) if quota < capacity]
    if free:
        assert max(quotas) - min(free) <= 1


def test_a_small_one_gives_all_and_the_others_share_its_part():
    assert even_quotas(np.array([2, 100, 100]), 42, generator(0)).tolist() == [2, 20, 20]
    assert even_quotas(np.array([100, 3, 0, 7]), 50, generator(0)).tolist() == [40, 3, 0, 7]


def test_who_gets_the_remaining_one_is_drawn():
    extra = [int(even_quotas(np.array([9, 9, 9]), 10, generator(seed)).argmax()) for seed in range(300)]
    assert np.bincount(extra, minlength=3).min() > 60


@pytest.mark.parametrize(("capacities", "total"), [([1, -1], 1), ([1, 2], -1)])
def test_negative_numbers_are_refused(capacities, total):
    with pytest.raises(ConfigError, match="cannot be shared out over"):
        even_quotas(np.array(capacities), total, generator(0))


@given(SETS, st.integers(0, 100), SEEDS)
def test_draws_are_even_over_sets_and_over_the_classes_of_each(sets, count, seed):
    groups = rows_of(sets)
    drawn = sample_evenly(groups, count, generator(seed))
    sizes = [len(rows) for rows in drawn]
    assert sorted(sizes) == sorted(dealt_one_by_one([len(labels) for labels in sets], count))
    for labels, rows in zip(groups, drawn, strict=True):
        assert np.array_equal(rows, np.unique(rows)) and (len(rows) == 0 or rows[-1] < len(labels))
        present, capacities = np.unique(labels, return_counts=True)
        taken = [np.count_nonzero(labels[rows] == group) for group in present]
        assert sorted(taken) == sorted(dealt_one_by_one(capacities.tolist(), len(rows)))


@given(SETS, SEEDS)
def test_all_are_taken_where_there_are_too_few(sets, seed):
    groups = rows_of(sets)
    drawn = sample_evenly(groups, 1000, generator(seed))
    assert [rows.tolist() for rows in drawn] == [list(range(len(labels))) for labels in sets]


def test_classes_with_quota_zero_give_nothing():
    groups = [np.arange(50), np.arange(50)]
    drawn = sample_evenly(groups, 6, generator(0))
    assert [len(rows) for rows in drawn] == [3, 3]


def test_every_row_may_be_drawn_and_the_generator_decides():
    groups = [np.array([0, 0, 0, 1, 1, 1])]
    seen = [tuple(sample_evenly(groups, 2, generator(seed))[0]) for seed in range(200)]
    assert {row for rows in seen for row in rows} == set(range(6))
    assert seen == [tuple(sample_evenly(groups, 2, generator(seed))[0]) for seed in range(200)]
