"""Alignment against its definitions by traces, and Hamming distances against SciPy's."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.distance import cdist
from scipy.spatial.distance import hamming as scipy_hamming
from scipy.stats import ortho_group

from evoprune.analysis import closest, hamming, linear_cka, pairwise_hamming, rbf_cka
from evoprune.errors import ConfigError

FORMS = [
    pytest.param(function, unbiased, id=f"{function.__name__}-{'unbiased' if unbiased else 'plain'}")
    for function in (linear_cka, rbf_cka)
    for unbiased in (False, True)
]


def related(seed=0, n=30, p=12, q=7):
    """Two representations with something in common, neither centred nor of the same size."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p)) + 3
    return X, X[:, :4] @ rng.normal(size=(4, q)) + rng.normal(size=(n, q)) - 50


def rbf_kernel(X, sigma):
    squared = cdist(X, X, "sqeuclidean")
    width = sigma * math.sqrt(np.median(squared[squared > 0]))
    return np.exp(-squared / (2 * width**2))


def hsic_plain(K, L):
    n = len(K)
    H = np.eye(n) - np.ones((n, n)) / n
    return np.trace(K @ H @ L @ H) / (n - 1) ** 2


def hsic_unbiased(K, L):
    """Song et al. (2012): the estimator written out."""
    n, one = len(K), np.ones(len(K))
    K, L = K - np.diag(np.diag(K)), L - np.diag(np.diag(L))
    return (
        np.trace(K @ L) + (one @ K @ one) * (one @ L @ one) / ((n - 1) * (n - 2)) - 2 / (n - 2) * (one @ K @ L @ one)
    ) / (n * (n - 3))


def aligned(hsic, K, L):
    return hsic(K, L) / math.sqrt(hsic(K, K) * hsic(L, L))


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 1000), st.integers(4, 40), st.integers(1, 60), st.integers(1, 9))
def test_linear_alignment_is_its_definition_over_columns(seed, n, p, q):
    X, Y = np.random.default_rng(seed).normal(size=(n, p)) + 2, np.random.default_rng(seed + 1).normal(size=(n, q))
    A, B = X - X.mean(axis=0), Y - Y.mean(axis=0)
    expected = np.linalg.norm(B.T @ A) ** 2 / (np.linalg.norm(A.T @ A) * np.linalg.norm(B.T @ B))
    assert linear_cka(X, Y) == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize(("unbiased", "hsic"), [(False, hsic_plain), (True, hsic_unbiased)])
@pytest.mark.parametrize("seed", range(5))
def test_alignment_is_the_quotient_of_hsic_written_out(unbiased, hsic, seed):
    X, Y = related(seed)
    assert linear_cka(X, Y, unbiased=unbiased) == pytest.approx(aligned(hsic, X @ X.T, Y @ Y.T), abs=1e-9)
    for sigma in (0.3, 1.0, 2.0):
        expected = aligned(hsic, rbf_kernel(X, sigma), rbf_kernel(Y, sigma))
        assert rbf_cka(X, Y, sigma, unbiased=unbiased) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(("cka", "unbiased"), FORMS)
def test_alignment_with_itself_is_one(cka, unbiased):
    X, _ = related()
    assert cka(X, X, unbiased=unbiased) == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize(("cka", "unbiased"), FORMS)
def test_rotation_scale_and_shift_change_nothing(cka, unbiased):
    X, Y = related()
    moved = 0.01 * X @ ortho_group.rvs(X.shape[1], random_state=0) + 7
    assert cka(X, moved, unbiased=unbiased) == pytest.approx(1, abs=1e-9)
    value = cka(X, Y, unbiased=unbiased)
    assert 0.1 < value < 0.95
    assert cka(moved, Y, unbiased=unbiased) == pytest.approx(value, abs=1e-9)
    assert cka(Y, X, unbiased=unbiased) == pytest.approx(value, abs=1e-12)


@pytest.mark.parametrize(("cka", "unbiased"), FORMS)
def test_alignment_tells_more_from_less_alike(cka, unbiased):
    rng = np.random.default_rng(0)
    X, noise = rng.normal(size=(2, 40, 10))
    values = [cka(X, X + share * noise, unbiased=unbiased) for share in (0.1, 0.5, 1.0, 2.0)]
    assert values == sorted(values, reverse=True)
    # A map that is no rotation does change it.
    assert cka(X, X * np.logspace(0, 2, 10), unbiased=unbiased) < 0.9


@pytest.mark.parametrize("cka", [linear_cka, rbf_cka])
def test_only_the_unbiased_form_is_zero_for_independent_data(cka):
    rng = np.random.default_rng(0)
    draws = [rng.normal(size=(2, 32, 64)) for _ in range(200)]
    unbiased = np.array([cka(X, Y, unbiased=True) for X, Y in draws])
    plain = np.array([cka(X, Y) for X, Y in draws])
    assert abs(unbiased.mean()) < 4 * unbiased.std() / math.sqrt(200)
    assert abs(unbiased.mean()) < 0.02
    assert plain.mean() > 0.5


@pytest.mark.parametrize(("cka", "unbiased"), FORMS)
@pytest.mark.parametrize("value", [0.0, 0.1, 1e8])
def test_what_is_constant_or_not_finite_has_no_alignment(cka, unbiased, value):
    X, Y = related()
    assert math.isnan(cka(np.full_like(X, value), Y, unbiased=unbiased))
    assert math.isnan(cka(Y, np.full_like(X, value), unbiased=unbiased))
    X[2, 3] = np.inf
    assert math.isnan(cka(X, Y, unbiased=unbiased))


def test_a_single_row_that_differs_is_nothing_the_unbiased_form_could_measure():
    X = np.zeros((8, 3))
    X[2] = 0.7
    assert linear_cka(X, X) == pytest.approx(1)
    assert math.isnan(linear_cka(X, X, unbiased=True))


def test_equal_rows_do_not_narrow_the_kernel():
    """Rows of weights of inputs that are off are all 0; with them in the median the width could be 0."""
    X, Y = related(n=20)
    X[:15] = 0
    assert np.median(cdist(X, X)) == 0
    assert rbf_cka(X, Y) == pytest.approx(aligned(hsic_plain, rbf_kernel(X, 1), rbf_kernel(Y, 1)), abs=1e-9)


def test_single_precision_is_counted_in_double():
    X, Y = (matrix.astype(np.float32) for matrix in related())
    assert linear_cka(X, Y) == linear_cka(X.astype(np.float64), Y.astype(np.float64))


@pytest.mark.parametrize("cka", [linear_cka, rbf_cka])
def test_representations_that_cannot_be_compared_are_refused(cka):
    with pytest.raises(ConfigError, match=r"shapes \(5, 2\) and \(6, 2\) are not of the same samples"):
        cka(np.zeros((5, 2)), np.zeros((6, 2)))
    with pytest.raises(ConfigError, match=r"3 sample\(s\) are too few for the unbiased alignment; give 4 or more"):
        cka(np.zeros((3, 2)), np.zeros((3, 2)), unbiased=True)
    with pytest.raises(ConfigError, match=r"1 sample\(s\) are too few for an alignment; give 2 or more"):
        cka(np.zeros((1, 2)), np.zeros((1, 2)))


@pytest.mark.parametrize("sigma", [0.0, -1.0, math.inf, math.nan])
def test_a_kernel_without_width_is_refused(sigma):
    with pytest.raises(ConfigError, match="is no width of a kernel"):
        rbf_cka(*related(), sigma)


@given(arrays(bool, st.tuples(st.integers(1, 8), st.integers(1, 30))))
def test_distances_are_scipys(genomes):
    found = pairwise_hamming(genomes)
    assert np.array_equal(found, cdist(genomes, genomes, "hamming"))
    assert hamming(genomes[0], genomes[-1]) == scipy_hamming(genomes[0], genomes[-1])


@given(arrays(bool, st.tuples(st.integers(2, 8), st.integers(1, 5))), st.data())
def test_the_closest_is_the_first_of_the_nearest_that_are_no_copies(genomes, data):
    row = data.draw(st.integers(0, len(genomes) - 1))
    others = [(hamming(genomes[row], other), i) for i, other in enumerate(genomes) if (other != genomes[row]).any()]
    if others:
        assert closest(genomes, row) == min(others)[1]
    else:
        with pytest.raises(ConfigError, match=f"genomes differs from genome {row}; give others"):
            closest(genomes, row)


def test_genomes_that_do_not_fit_are_refused():
    with pytest.raises(ConfigError, match=r"shapes \(3,\) and \(4,\) have no distance"):
        hamming(np.zeros(3, dtype=bool), np.zeros(4, dtype=bool))
    with pytest.raises(ConfigError, match=r"shape \(3,\) have no distances"):
        pairwise_hamming(np.zeros(3, dtype=bool))
    with pytest.raises(ConfigError, match=r"shape \(3,\) have no rows"):
        closest(np.zeros(3, dtype=bool), 0)
    with pytest.raises(ConfigError, match="no genome 2 among 2; rows count from 0"):
        closest(np.eye(2, dtype=bool), 2)
