"""Selection, crossover and mutation, against their probabilities."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from evoprune.search._crossover import one_point_crossover, uniform_crossover
from evoprune.search._mutation import flip_one_bit_each
from evoprune.search._selection import negative_assortative_mating, roulette_wheel

TRIALS = 4000


def _staircase(count: int) -> np.ndarray:
    """Genomes whose Hamming distance is the difference of their row numbers."""
    return np.tri(count, count, -1, dtype=np.bool_)


def _fits(observed: np.ndarray, shares: np.ndarray) -> bool:
    return stats.chisquare(observed, shares / shares.sum() * observed.sum()).pvalue > 0.001


def test_nam_takes_the_most_distant_of_three_random_others():
    members, rng = _staircase(6), np.random.default_rng(0)
    merit = np.zeros(6)
    pairs = np.array([negative_assortative_mating(members, merit, rng) for _ in range(TRIALS)])
    assert _fits(np.bincount(pairs[:, 0], minlength=6), np.ones(6))
    # Given parent 0, distances rise with the row, so the largest of 3 of rows 1..5 is taken:
    # of the 10 subsets 1, 3 and 6 have their largest at 3, 4 and 5.
    partners = np.bincount(pairs[pairs[:, 0] == 0, 1], minlength=6)
    assert not partners[:3].any()
    assert _fits(partners[3:], np.array([1.0, 3.0, 6.0]))
    assert (pairs[:, 0] != pairs[:, 1]).all()


def test_roulette_is_proportional_to_merit_and_does_not_repeat_a_parent():
    members, rng = _staircase(4), np.random.default_rng(1)
    merit = np.array([0.1, 0.2, 0.3, 0.4])
    pairs = np.array([roulette_wheel(members, merit, rng) for _ in range(TRIALS)])
    assert _fits(np.bincount(pairs[:, 0], minlength=4), merit)
    second = np.bincount(pairs[pairs[:, 0] == 3, 1], minlength=4)
    assert second[3] == 0
    assert _fits(second[:3], merit[:3])


def test_roulette_shifts_negative_merit_so_that_the_worst_has_none():
    rng = np.random.default_rng(2)
    merit = np.array([-3.0, -1.0, -2.0])
    firsts = np.array([roulette_wheel(_staircase(3), merit, rng)[0] for _ in range(TRIALS)])
    counts = np.bincount(firsts, minlength=3)
    assert counts[0] == 0
    assert _fits(counts[1:], np.array([2.0, 1.0]))


def test_roulette_without_any_merit_is_uniform():
    rng = np.random.default_rng(3)
    firsts = np.array([roulette_wheel(_staircase(3), np.zeros(3), rng)[0] for _ in range(TRIALS)])
    assert _fits(np.bincount(firsts, minlength=3), np.ones(3))


def test_a_single_member_mates_with_itself():
    for select in (negative_assortative_mating, roulette_wheel):
        assert select(_staircase(1), np.ones(1), np.random.default_rng(4)) == (0, 0)


@settings(deadline=None)
@given(parents=arrays(np.bool_, st.tuples(st.just(2), st.integers(1, 60))), seed=st.integers(0, 999))
def test_children_are_complementary(parents, seed):
    for crossover in (uniform_crossover, one_point_crossover):
        children = crossover(parents[0], parents[1], np.random.default_rng(seed))
        assert children.shape == parents.shape
        assert children.dtype == np.bool_
        assert (np.sort(children, axis=0) == np.sort(parents, axis=0)).all()


def test_uniform_crossover_takes_each_bit_from_either_parent_equally():
    rng = np.random.default_rng(7)
    zeros, ones = np.zeros(50, dtype=np.bool_), np.ones(50, dtype=np.bool_)
    first = np.array([uniform_crossover(zeros, ones, rng)[0] for _ in range(TRIALS)])
    assert np.abs(first.mean(axis=0) - 0.5).max() < 0.04
    # Neighbouring bits are drawn independently: they agree in half of the children.
    assert np.abs((first[:, 1:] == first[:, :-1]).mean(axis=0) - 0.5).max() < 0.04


def test_one_point_crossover_cuts_at_every_inner_place_equally():
    rng = np.random.default_rng(8)
    zeros, ones = np.zeros(6, dtype=np.bool_), np.ones(6, dtype=np.bool_)
    first = np.array([one_point_crossover(zeros, ones, rng)[0] for _ in range(TRIALS)])
    assert (np.diff(first.astype(int), axis=1) >= 0).all()
    assert _fits(np.bincount(6 - first.sum(axis=1), minlength=6)[1:], np.ones(5))


@settings(deadline=None)
@given(children=arrays(np.bool_, st.tuples(st.just(2), st.integers(1, 40))), seed=st.integers(0, 999))
def test_mutation_flips_one_bit_in_each_child_or_nothing(children, seed):
    rng = np.random.default_rng(seed)
    kept = children.copy()
    assert (flip_one_bit_each(children, 0.0, rng) == children).all()
    mutated = flip_one_bit_each(children, 1.0, rng)
    assert ((mutated != children).sum(axis=1) == 1).all()
    assert (children == kept).all()


def test_mutation_is_decided_once_for_the_pair():
    rng, children = np.random.default_rng(9), np.zeros((2, 10), dtype=np.bool_)
    flips = np.array([flip_one_bit_each(children, 0.07, rng) for _ in range(TRIALS)])
    per_child = flips.sum(axis=2)
    assert (per_child[:, 0] == per_child[:, 1]).all()
    assert stats.binomtest(int(per_child[:, 0].sum()), TRIALS, 0.07).pvalue > 0.001
    assert _fits(flips[:, 0].sum(axis=0), np.ones(10))
    # The two bits are drawn independently, so they mostly differ.
    mutated = per_child[:, 0] == 1
    assert (flips[mutated, 0] & flips[mutated, 1]).any(axis=1).mean() < 0.25
