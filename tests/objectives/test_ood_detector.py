"""Scores in feature space are pytorch-ood's, survive features without variation, and know their sign."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from sklearn.covariance import LedoitWolf

from evoprune.errors import ConfigError, DataError
from evoprune.heads import Head, compact_head, dense_structure, parse_encoding
from evoprune.objectives import OOD_SCORES, auroc, energy, fit_detector, get_ood_score
from evoprune.training import head_logits, penultimate

FEATURE_SCORES = ["mahalanobis", "knn"]


def make_head(hidden=10, width=6, seed=0):
    """A head with random weights, everything on, that takes raw features."""
    rng = np.random.default_rng(seed)
    matrices = tuple(rng.normal(size=shape).astype(np.float32) for shape in Head(hidden).shapes(width, 3))
    return compact_head(matrices, np.zeros(3, dtype=np.float32), dense_structure(Head(hidden), width))


def make_rows(count, seed):
    """Rows around three class centres, and their classes."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, size=count)
    return (4 * np.eye(6)[y] + rng.normal(size=(count, 6))).astype(np.float32), y


@pytest.fixture(scope="module")
def scene():
    """A head, training rows, rows like them, and rows unlike them."""
    outside = np.random.default_rng(5).normal(-3, 1, size=(200, 6)).astype(np.float32)
    return make_head(), make_rows(20_000, 1), make_rows(200, 2)[0], outside


def test_mahalanobis_is_pytorch_oods_up_to_shrinkage(pytorch_ood, scene):
    head, (X, y), inside, outside = scene
    features = [torch.from_numpy(penultimate(head, rows)).double() for rows in (X, inside, outside)]
    # In float64; its own matrices would be float32.
    theirs = pytorch_ood.detector.Mahalanobis(None)
    torch.set_default_dtype(torch.float64)
    try:
        theirs.fit_features(features[0], torch.from_numpy(y))
    finally:
        torch.set_default_dtype(torch.float32)
    detector = fit_detector("mahalanobis", head, X, y)
    for rows, z in zip((inside, outside), features[1:], strict=True):
        # It takes half the squared distance, and the sum over training rows for the covariance.
        expected = 2 * len(X) * theirs.predict_features(z).numpy()
        assert np.allclose(detector.score(rows), expected, rtol=0.03)
        assert spearmanr(detector.score(rows), expected).statistic > 0.999


def test_mahalanobis_is_scikit_learns_distance_to_the_nearest_mean(scene):
    head, (X, y), inside, _ = scene
    features = penultimate(head, X).astype(np.float64)
    means = np.stack([features[y == c].mean(axis=0) for c in range(3)])
    covariance = LedoitWolf(assume_centered=True).fit(features - means[y])
    expected = np.min([covariance.mahalanobis(penultimate(head, inside) - mean) for mean in means], axis=0)
    assert np.allclose(fit_detector("mahalanobis", head, X, y).score(inside), expected, rtol=1e-6)


def test_nearest_neighbours_are_pytorch_oods(pytorch_ood, scene):
    head, (X, y), inside, outside = scene
    theirs = pytorch_ood.detector.KNN(None, k=50)
    theirs.fit_features(torch.from_numpy(penultimate(head, X)).double(), torch.from_numpy(y))
    detector = fit_detector("knn", head, X, y)
    for rows in (inside, outside):
        expected = theirs.predict_features(torch.from_numpy(penultimate(head, rows)).double()).numpy()
        assert np.allclose(detector.score(rows), expected, atol=1e-7)


def test_with_small_classes_the_neighbour_that_counts_is_as_far_as_a_class_is_large(scene):
    head, (X, y), inside, _ = scene
    assert fit_detector("knn", head, X[:100], y[:100]).fitted.k == 33
    unit = [f / np.linalg.norm(f, axis=1, keepdims=True) for f in (penultimate(head, X[:8]), penultimate(head, inside))]
    distances = np.sort(np.linalg.norm(unit[1][:, None] - unit[0][None], axis=2), axis=1)
    assert len(set(y[:8])) == 3
    assert np.allclose(fit_detector("knn", head, X[:8], y[:8]).score(inside), distances[:, 1], atol=1e-6)


@pytest.mark.parametrize("name", OOD_SCORES)
def test_every_score_is_higher_far_from_the_training_rows(name):
    X, y = make_rows(600, 1)
    # Three inputs, one a class: a head that adds them up is sure of the classes' own rows alone.
    weights = 3 * np.eye(6, 3, dtype=np.float32)
    head = compact_head((np.eye(6, dtype=np.float32), weights), np.zeros(3, np.float32), dense_structure(Head(6), 6))
    outside = np.random.default_rng(5).normal(0, 1, size=(200, 6)).astype(np.float32)
    detector = fit_detector(name, head, X, y)
    assert auroc(detector.score(make_rows(200, 2)[0]), detector.score(outside)) > 0.8


def test_a_score_of_logits_needs_no_training_rows_and_equals_its_function(scene):
    head, (X, y), inside, _ = scene
    assert np.array_equal(fit_detector("energy", head, X, y).score(inside), energy(head_logits(head, inside)))
    assert not get_ood_score("energy").needs_features
    assert all(get_ood_score(name).needs_features for name in FEATURE_SCORES)


@pytest.mark.parametrize("name", FEATURE_SCORES)
def test_units_that_are_never_active_and_more_units_than_images_do_no_harm(name):
    X, y = make_rows(40, 1)
    head = make_head(hidden=120)
    first = head.matrices[0].copy()
    first[:, ::3] = 0
    # Every third unit is dead: its features are 0 in all rows.
    dead = compact_head((first, head.matrices[1]), np.zeros(3, np.float32), dense_structure(Head(120), 6))
    outside = np.random.default_rng(5).normal(-4, 2, size=(100, 6)).astype(np.float32)
    detector = fit_detector(name, dead, X, y)
    inside_scores, outside_scores = detector.score(make_rows(100, 2)[0]), detector.score(outside)
    assert np.isfinite(inside_scores).all()
    assert np.isfinite(outside_scores).all()
    assert auroc(inside_scores, outside_scores) > 0.8


@pytest.mark.parametrize("name", OOD_SCORES)
@pytest.mark.parametrize("encoding", ["features", "first"])
def test_a_head_with_nothing_on_tells_no_images_apart(name, encoding):
    plan = parse_encoding(encoding, Head(5), width=6, classes=3)
    structure = plan.decode(np.zeros(plan.length, dtype=bool))
    sizes = [int(layer.sum()) for layer in structure.layers(3)]
    matrices = tuple(np.zeros(shape, dtype=np.float32) for shape in pairwise(sizes))
    X, y = make_rows(60, 1)
    detector = fit_detector(name, compact_head(matrices, np.ones(3, np.float32), structure), X, y)
    assert len(np.unique(detector.score(make_rows(20, 2)[0]))) == 1
    assert np.isfinite(detector.score(X)).all()


@pytest.mark.parametrize("name", FEATURE_SCORES)
def test_images_that_are_all_alike_give_finite_scores(name):
    X = np.ones((30, 6), dtype=np.float32)
    assert np.isfinite(fit_detector(name, make_head(), X, np.arange(30) % 3).score(make_rows(9, 0)[0])).all()


@pytest.mark.parametrize("name", OOD_SCORES)
def test_weights_that_are_not_finite_give_nan(name):
    head = make_head()
    broken = compact_head(
        (np.full_like(head.matrices[0], np.nan), head.matrices[1]),
        np.zeros(3, np.float32),
        dense_structure(Head(10), 6),
    )
    X, y = make_rows(60, 1)
    assert np.isnan(fit_detector(name, broken, X, y).score(X)).all()


@pytest.mark.parametrize("name", FEATURE_SCORES)
def test_a_row_whose_features_overflow_is_nan_and_no_other(name, scene):
    head, (X, y), inside, _ = scene
    rows = inside.copy()
    rows[3] = 3e38
    with np.errstate(all="ignore"):
        scores = fit_detector(name, head, X, y).score(rows)
    assert np.flatnonzero(np.isnan(scores)).tolist() == [3]


def test_unknown_scores_are_refused_with_the_nearest_name(scene):
    head, (X, y), _, _ = scene
    with pytest.raises(ConfigError, match=r"OOD score 'mahalanobi' is unknown; did you mean 'mahalanobis'\? choose"):
        fit_detector("mahalanobi", head, X, y)
    with pytest.raises(ConfigError, match="choose among odin, msp, energy, maxlogit, mahalanobis, knn"):
        get_ood_score("zzz")


@pytest.mark.parametrize("name", OOD_SCORES)
def test_rows_of_another_width_are_refused(name, scene):
    head, (X, y), _, _ = scene
    with pytest.raises(DataError, match=r"shape \(9, 5\) do not fit a head made for 6 features"):
        fit_detector(name, head, X, y).score(np.zeros((9, 5), dtype=np.float32))
