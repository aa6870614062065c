"""Statistics against SciPy, the standard library, counting by hand, and figures that Demsar (2006) prints."""

from __future__ import annotations

import itertools
import math
import statistics

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from evoprune.analysis import (
    cliques,
    compare_all,
    critical_difference,
    friedman,
    holm,
    spearman_with_interval,
    summary,
    vargha_delaney,
    wilcoxon,
)
from evoprune.errors import ConfigError

NAN = float("nan")

# AUC of four variants of C4.5 on 14 data sets (Demsar, 2006, table 6). The last but one row ends in two equal numbers
# as printed, but its ranks there are 2 and 3.
DEMSAR = np.array(
    [
        [0.763, 0.768, 0.771, 0.798],
        [0.599, 0.591, 0.590, 0.569],
        [0.954, 0.971, 0.968, 0.967],
        [0.628, 0.661, 0.654, 0.657],
        [0.882, 0.888, 0.886, 0.898],
        [0.936, 0.931, 0.916, 0.931],
        [0.661, 0.668, 0.609, 0.685],
        [0.583, 0.583, 0.563, 0.625],
        [0.775, 0.838, 0.866, 0.875],
        [1.000, 1.000, 1.000, 1.000],
        [0.940, 0.962, 0.965, 0.962],
        [0.619, 0.666, 0.614, 0.669],
        [0.972, 0.981, 0.975, 0.9749],
        [0.957, 0.978, 0.946, 0.970],
    ]
)


def columns(n_from=1, n_to=9):
    """Pairs of columns with many equal values."""
    cell = st.integers(0, 6).map(lambda tenth: tenth / 10)
    return st.integers(n_from, n_to).flatmap(
        lambda n: st.tuples(*[st.lists(cell, min_size=n, max_size=n).map(np.array)] * 2)
    )


# Summary


@given(st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=20), st.integers(0, 3))
def test_mean_and_deviation_are_those_of_what_is_there(values, missing):
    found = summary(np.array([*values, *[NAN] * missing]))
    assert found.mean == pytest.approx(statistics.mean(values), abs=1e-9)
    assert found.std == pytest.approx(statistics.stdev(values), rel=1e-6, abs=1e-6)
    assert (found.n, found.missing) == (len(values), missing)


def test_one_value_has_no_deviation_and_none_no_mean():
    one, none = summary(np.array([0.5, np.inf])), summary(np.array([NAN]))
    assert (one.mean, one.n, one.missing) == (0.5, 1, 1)
    assert (none.n, none.missing) == (0, 1)
    assert np.isnan([one.std, none.mean, none.std]).all()
    with pytest.raises(ConfigError, match=r"shape \(2, 2\) are no column"):
        summary(np.zeros((2, 2)))


# Wilcoxon


@settings(deadline=None)
@given(st.integers(2, 50), st.integers(0, 10_000))
def test_the_signed_rank_test_is_scipys_where_no_values_are_tied(n, seed):
    a, b = np.random.default_rng(seed).normal(size=(2, n))
    found, expected = wilcoxon(a, b), stats.wilcoxon(a, b, method="exact")
    assert found.p == pytest.approx(expected.pvalue)
    assert found.statistic == expected.statistic
    assert (found.n, found.zeros, found.missing, found.method, found.reason) == (n, 0, 0, "exact", None)


@settings(deadline=None)
@given(columns(2, 8))
def test_with_ties_all_signs_are_counted_out(pair):
    a, b = (np.round(10 * column) for column in pair)
    gaps = a - b
    if not gaps.any():
        return
    # Pratt: equal pairs take the lowest ranks, which then count for neither side.
    ranks = stats.rankdata(np.abs(gaps))[gaps != 0]
    observed = ranks @ np.sign(gaps[gaps != 0])
    sums = [ranks @ signs for signs in itertools.product([-1, 1], repeat=len(ranks))]
    expected = min(1.0, 2 * min(np.mean(np.array(sums) <= observed), np.mean(np.array(sums) >= observed)))
    found = wilcoxon(*pair)
    assert found.method == "exact"
    assert found.p == pytest.approx(expected)
    assert found.effect == pytest.approx(observed / ranks.sum())
    assert found.zeros == (gaps == 0).sum()


def test_tied_pairs_are_counted_out_up_to_13_and_others_up_to_50():
    ties = np.array([1.0, 1.0, *range(2, 60)])
    for values, most in ((ties, 13), (np.arange(1.0, 60.0), 50)):
        methods = [wilcoxon(values[:n], np.zeros(n)).method for n in (most, most + 1)]
        assert methods == ["exact", "normal"]


def test_many_tied_pairs_are_approximated_as_in_scipy():
    a, b = np.random.default_rng(0).integers(0, 9, size=(2, 40)) * 1.0
    found = wilcoxon(a, b)
    assert found.method == "normal"
    assert found.p == pytest.approx(stats.wilcoxon(a - b, zero_method="pratt", method="asymptotic").pvalue)


def test_demsars_example_of_the_signed_rank_test():
    found = wilcoxon(DEMSAR[:, 1], DEMSAR[:, 0])
    # He gives half of the ranks of the two equal pairs, 1.5, to each side: 12 and 93.
    assert (found.statistic, found.zeros) == (12 - 1.5, 2)
    assert found.effect == pytest.approx((93 - 12) / (105 - 3))
    assert found.p < 0.05


@settings(deadline=None)
@given(st.integers(2, 20), st.integers(0, 1000))
def test_the_effect_counts_walsh_averages(n, seed):
    """Without ties, the sum of positive ranks is the number of pairs (i <= j) whose mean difference is positive."""
    a, b = np.random.default_rng(seed).normal(size=(2, n))
    gaps = a - b
    signs = [np.sign(gaps[i] + gaps[j]) for i in range(n) for j in range(i, n)]
    found = wilcoxon(a, b)
    assert found.effect == pytest.approx(np.mean(signs))
    assert wilcoxon(b, a).effect == pytest.approx(-found.effect)


def test_differences_that_only_rounding_tells_apart_are_tied():
    a, b = np.array([0.9, 0.8, 0.7, 0.5]), np.array([0.8, 0.7, 0.8, 0.5 + 1e-16])
    assert len(np.unique(np.abs(a - b))) > 2
    assert wilcoxon(a, b) == wilcoxon(np.array([9.0, 8.0, 7.0, 5.0]), np.array([8.0, 7.0, 8.0, 5.0]))


def test_pairs_of_zeros_do_not_make_rounding_count():
    a, b = np.array([0.0, 0.0, 0.0, 0.3, 0.1]), np.array([0.0, 0.0, 0.0, 0.2, 0.2])
    assert wilcoxon(a, b).effect == 0
    assert wilcoxon(a, b).p == 1


def test_one_value_far_out_makes_no_others_equal():
    a, b = np.array([0.9, 0.8, 0.7, 1e30, 0.5]), np.array([0.8, 0.6, 0.9, 0.6, 0.1])
    assert wilcoxon(a, b).zeros == 0
    assert spearman_with_interval(a, b, seed=0).rho == pytest.approx(stats.spearmanr(a, b).statistic)


def test_what_cannot_be_tested_says_why():
    one = wilcoxon(np.array([1.0, NAN, 2.0]), np.array([0.5, 1.0, np.inf]))
    equal = wilcoxon(np.array([0.1 + 0.2, 0.5]), np.array([0.3, 0.5]))
    assert (one.n, one.missing, one.method, one.reason) == (1, 2, "none", "fewer than 2 pairs")
    assert (equal.n, equal.zeros, equal.method, equal.reason) == (2, 2, "none", "all 2 pairs are equal")
    assert np.isnan([one.p, one.effect, one.statistic, equal.p, equal.effect, equal.statistic]).all()


def test_a_missing_value_takes_its_partner_along_and_is_counted():
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(2, 9))
    holed = a.copy()
    holed[4] = NAN
    found, expected = wilcoxon(holed, b), wilcoxon(np.delete(a, 4), np.delete(b, 4))
    assert (found.p, found.effect, found.n, found.missing) == (expected.p, expected.effect, 8, 1)


def test_columns_that_are_no_pairs_are_refused():
    with pytest.raises(ConfigError, match=r"shapes \(3,\) and \(4,\) are no pairs; give two columns \[n\]"):
        wilcoxon(np.zeros(3), np.zeros(4))


# Holm


@given(st.lists(st.sampled_from([0.0, 1e-4, 0.01, 0.012, 0.02, 0.05, 0.3, 0.7, 1.0]), max_size=7))
def test_holm_is_bonferroni_closed_over_all_subsets(p):
    """A hypothesis is rejected where Bonferroni rejects every set of hypotheses that holds it (Marcus et al., 1976)."""
    sets = [s for size in range(1, len(p) + 1) for s in itertools.combinations(range(len(p)), size)]
    expected = [max(min(1.0, len(s) * min(p[j] for j in s)) for s in sets if i in s) for i in range(len(p))]
    assert holm(np.array(p)) == pytest.approx(expected)


def test_tests_that_were_not_made_are_not_counted():
    found = holm(np.array([0.04, NAN, 0.01]))
    assert np.array_equal(found, [0.04, NAN, 0.02], equal_nan=True)
    with pytest.raises(ConfigError, match=r"1\.2 is no p-value"):
        holm(np.array([0.5, 1.2]))
    with pytest.raises(ConfigError, match=r"shape \(1, 2\) are no column"):
        holm(np.zeros((1, 2)))


# Vargha and Delaney


@settings(deadline=None)
@given(columns(), columns())
def test_a12_is_the_chance_of_being_larger(first, second):
    a, b = first[0], second[0]
    pairs = [(x > y) + 0.5 * (x == y) for x, y in itertools.product(a, b)]
    assert vargha_delaney(a, b) == pytest.approx(np.mean(pairs))
    assert vargha_delaney(a, b) == pytest.approx(stats.mannwhitneyu(a, b).statistic / (len(a) * len(b)))


def test_a12_of_a_missing_value_is_missing():
    assert math.isnan(vargha_delaney(np.array([1.0, NAN]), np.array([0.5])))
    assert vargha_delaney(np.array([np.inf, 1.0]), np.array([0.5])) == 1.0
    with pytest.raises(ConfigError, match=r"shapes \(0,\) and \(2,\) cannot be compared"):
        vargha_delaney(np.zeros(0), np.zeros(2))


# Spearman


@settings(deadline=None, max_examples=30)
@given(columns(4, 30), st.integers(0, 3))
def test_the_rank_correlation_is_scipys(pair, missing):
    x, y = (np.concatenate([column, np.full(missing, fill)]) for column, fill in zip(pair, (NAN, 0.5), strict=True))
    found = spearman_with_interval(x, y, seed=0)
    assert (found.n, found.missing) == (len(pair[0]), missing)
    if min(np.ptp(column) for column in pair) == 0:
        assert np.isnan([found.rho, found.low, found.high]).all()
        assert found.reason == "all values of a column are equal"
    else:
        assert found.rho == pytest.approx(stats.spearmanr(*pair).statistic)
        assert -1 <= found.low <= found.high <= 1


def test_the_interval_is_that_of_scipys_bootstrap():
    rng = np.random.default_rng(3)
    x = rng.normal(size=60)
    y = x + rng.normal(size=60)
    found = spearman_with_interval(x, y, 0.9, seed=1)
    expected = stats.bootstrap(
        (x, y),
        lambda a, b: stats.spearmanr(a, b).statistic,
        paired=True,
        vectorized=False,
        method="percentile",
        confidence_level=0.9,
        n_resamples=2000,
        rng=np.random.default_rng(2),
    ).confidence_interval
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=0.02)
    assert found == spearman_with_interval(x, y, 0.9, seed=1)
    assert found != spearman_with_interval(x, y, 0.9, seed=2)


def test_the_interval_holds_the_true_correlation_as_often_as_it_says():
    rng = np.random.default_rng(0)
    true = 6 / np.pi * np.arcsin(0.6 / 2)  # of a normal distribution with Pearson correlation 0.6
    held = 0
    for draw in range(80):
        x, y = rng.multivariate_normal([0, 0], [[1, 0.6], [0.6, 1]], size=40).T
        found = spearman_with_interval(x, y, 0.8, seed=draw)
        held += found.low <= true <= found.high
    assert 0.67 <= held / 80 <= 0.92


def test_few_pairs_have_no_interval():
    three = spearman_with_interval(np.arange(3.0), np.arange(3.0) ** 2, seed=0)
    assert (three.rho, three.reason) == (1.0, "3 pairs are too few for an interval")
    assert np.isnan([three.low, three.high]).all()
    one = spearman_with_interval(np.array([1.0, NAN]), np.ones(2), seed=0)
    assert (one.n, one.missing, one.reason) == (1, 1, "fewer than 2 pairs")
    with pytest.raises(ConfigError, match="level=1 is no share of intervals"):
        spearman_with_interval(np.arange(5.0), np.arange(5.0), 1, seed=0)


# Friedman and Nemenyi


def test_demsars_example_of_average_ranks():
    found = friedman(DEMSAR)
    assert found.average_ranks == pytest.approx([3.143, 2.000, 2.893, 1.964], abs=5e-4)
    assert (found.datasets, found.missing, found.reason) == (14, 0, None)
    # He prints 9.28, without the correction for ties, which divides by 1 - sum(t^3 - t) / N k (k^2 - 1).
    tied = sum((count**3 - count) for row in DEMSAR for count in np.unique(row, return_counts=True)[1])
    assert found.statistic * (1 - tied / (14 * 4 * 15)) == pytest.approx(9.28, abs=0.02)
    assert found.p == pytest.approx(stats.chi2.sf(found.statistic, 3))
    of = dict(zip(["plain", "m", "cf", "m+cf"], found.average_ranks, strict=True))
    strict, loose = critical_difference(4, 14), critical_difference(4, 14, alpha=0.10)
    assert (strict, loose) == pytest.approx((1.25, 1.12), abs=5e-3)
    # At 5 % he finds no difference; at 10 % two groups (figure 1a).
    assert cliques(of, strict) == [("m+cf", "m", "cf", "plain")]
    assert cliques(of, loose) == [("m+cf", "m", "cf"), ("cf", "plain")]


@settings(deadline=None)
@given(st.integers(2, 12), st.integers(3, 7), st.integers(0, 1000), st.booleans())
def test_friedmans_test_is_scipys(datasets, methods, seed, maximize):
    table = np.random.default_rng(seed).integers(0, 5, size=(datasets, methods)) / 7
    expected = stats.friedmanchisquare(*table.T) if np.ptp(table, axis=1).any() else None
    found = friedman(table, maximize=maximize)
    ranks = np.array([[1 + (row > x).sum() + ((row == x).sum() - 1) / 2 for x in row] for row in table])
    assert found.average_ranks == pytest.approx((ranks if maximize else methods + 1 - ranks).mean(axis=0))
    if expected is not None:
        assert (found.statistic, found.p) == pytest.approx((expected.statistic, expected.pvalue))


def test_data_sets_with_a_gap_are_left_out_and_counted():
    holed = DEMSAR.copy()
    holed[3, 1] = NAN
    found, expected = friedman(holed), friedman(np.delete(DEMSAR, 3, axis=0))
    assert (found.datasets, found.missing, found.p) == (13, 1, expected.p)
    assert np.array_equal(found.average_ranks, expected.average_ranks)


@pytest.mark.parametrize(
    ("table", "reason", "ranks"),
    [
        (np.full((2, 3), NAN), "no complete data set", [NAN] * 3),
        (np.array([[0.1, 0.3, 0.2]]), "only 1 complete data set", [3, 1, 2]),
        (np.array([[0.3, 0.1 + 0.2, 0.3], [0.5] * 3]), "all methods are equal on every data set", [2, 2, 2]),
    ],
)
def test_a_table_that_cannot_be_tested_says_why(table, reason, ranks):
    found = friedman(table)
    assert found.reason == reason
    assert np.isnan([found.statistic, found.p]).all()
    assert np.array_equal(found.average_ranks, ranks, equal_nan=True)


def test_two_methods_are_no_table():
    with pytest.raises(ConfigError, match=r"shape \(5, 2\) cannot be ranked; .* or compare two by wilcoxon"):
        friedman(np.zeros((5, 2)))


@pytest.mark.parametrize(
    ("alpha", "printed"),
    [
        (0.05, [1.960, 2.343, 2.569, 2.728, 2.850, 2.949, 3.031, 3.102, 3.164]),
        (0.10, [1.645, 2.052, 2.291, 2.459, 2.589, 2.693, 2.780, 2.855, 2.920]),
    ],
)
def test_critical_differences_are_those_of_demsars_table(alpha, printed):
    # The table holds q, without the root, and is cut off after three digits.
    found = [critical_difference(k, 10, alpha) * math.sqrt(60 / (k * (k + 1))) for k in range(2, 11)]
    assert found == pytest.approx(printed, abs=1e-3)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [((1, 5), r"1 method\(s\) on 5"), ((3, 0), r"on 0 data set\(s\)"), ((3, 5, 1.0), r"alpha=1\.0 is no chance")],
)
def test_a_critical_difference_out_of_range_is_refused(arguments, sentence):
    with pytest.raises(ConfigError, match=sentence):
        critical_difference(*arguments)


@given(st.lists(st.integers(2, 16).map(lambda half: half / 2), max_size=7), st.sampled_from([0.25, 0.5, 1.0, 2.3, 9]))
def test_cliques_are_the_largest_sets_whose_ranks_lie_close(ranks, cd):
    of = {f"m{i}": rank for i, rank in enumerate(ranks)}
    close = [
        set(names)
        for size in range(2, len(of) + 1)
        for names in itertools.combinations(of, size)
        if max(of[n] for n in names) - min(of[n] for n in names) < cd
    ]
    largest = [names for names in close if not any(names < other for other in close)]
    found = cliques(of, cd)
    assert sorted(map(sorted, found)) == sorted(map(sorted, largest))
    assert all([of[n] for n in group] == sorted(of[n] for n in group) for group in found)
    assert [of[group[0]] for group in found] == sorted(of[group[0]] for group in found)


def test_a_method_without_a_rank_is_refused():
    with pytest.raises(ConfigError, match="no average rank is known of b; leave these out"):
        cliques({"a": 1.0, "b": NAN}, 1.0)


# Comparisons


def test_one_method_is_compared_with_each_other():
    rng = np.random.default_rng(0)
    base = rng.normal(size=12)
    table = {
        "filter": base + 0.1,
        "ours": base,
        "random": np.where(np.arange(12) < 2, NAN, base - 0.5 + 0.1 * rng.normal(size=12)),
        "same": base.copy(),
    }
    found = compare_all(table, "ours")
    assert [(c.method, c.other) for c in found] == [("ours", "filter"), ("ours", "random"), ("ours", "same")]
    assert [(c.wins, c.ties, c.losses, c.test.missing) for c in found] == [(0, 0, 12, 0), (10, 0, 0, 2), (0, 12, 0, 0)]
    assert [c.test for c in found] == [wilcoxon(base, table[c.other]) for c in found]
    assert found[0].mean_difference == pytest.approx(-0.1)
    assert found[1].mean_difference == pytest.approx((base - table["random"])[2:].mean())
    assert [c.test.effect for c in found[:2]] == [-1, 1]
    # Of three tests two could be made.
    assert found[0].adjusted == pytest.approx(2 * found[0].test.p)
    assert found[1].adjusted == pytest.approx(max(found[0].adjusted, found[1].test.p))
    assert math.isnan(found[2].adjusted)
    assert found[2].test.reason == "all 12 pairs are equal"


def test_where_smaller_is_better_wins_turn_and_signs_do_not():
    table = {"a": np.array([0.1, 0.2, 0.5]), "b": np.array([0.3, 0.4, 0.4])}
    (up,), (down,) = compare_all(table, "a"), compare_all(table, "a", maximize=False)
    assert (up.wins, up.losses, down.wins, down.losses) == (1, 2, 2, 1)
    assert up.mean_difference == down.mean_difference < 0
    assert up.test == down.test


def test_a_method_without_any_pair_is_shown_as_such():
    (found,) = compare_all({"a": np.array([0.1, 0.2]), "b": np.array([NAN, NAN])}, "a")
    assert (found.test.n, found.test.missing, found.test.reason) == (0, 2, "fewer than 2 pairs")
    assert np.isnan([found.mean_difference, found.adjusted]).all()


def test_a_method_that_is_not_in_the_table_is_refused():
    with pytest.raises(ConfigError, match="'c' cannot be compared within a, b"):
        compare_all({"a": np.zeros(2), "b": np.zeros(2)}, "c")
    with pytest.raises(ConfigError, match="'a' cannot be compared within a; give both"):
        compare_all({"a": np.zeros(2)}, "a")
