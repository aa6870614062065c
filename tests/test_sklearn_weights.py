"""Row weights and class weights of the estimators."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from sklearn.metrics import recall_score
from sklearn.utils.class_weight import compute_class_weight

from evoprune.errors import DataError
from evoprune.sklearn import EvoPruneClassifier, EvoPruneRegressor, EvoPruneSelector
from evoprune.sklearn._weights import class_weights
from tests.test_sklearn import PUBLISHED

SMALL = {**PUBLISHED, "evaluations": 12}
KINDS = [EvoPruneClassifier, EvoPruneSelector, EvoPruneRegressor]


def output(fitted, X):
    for name in ("predict_proba", "predict", "transform"):
        if hasattr(fitted, name):
            return getattr(fitted, name)(X)
    raise AssertionError


@pytest.fixture(scope="module")
def rows():
    """Two classes that overlap, one of them rare, told apart by features 0 and 1 of 8; values besides."""
    rng = np.random.default_rng(0)
    y = (np.arange(200) % 8 == 0).astype(int)
    X = rng.normal(size=(200, 8))
    X[:, :2] += 1.2 * y[:, None]
    return X, y, X[:, 2] + 0.1 * rng.normal(size=200)


def target(kind, rows):
    return rows[2] if kind is EvoPruneRegressor else rows[1]


@pytest.mark.parametrize("kind", KINDS)
def test_equal_weights_are_no_weights(rows, kind):
    X, y = rows[0], target(kind, rows)
    plain = kind(**SMALL).fit(X, y)
    for weights in (np.ones(200), np.full(200, 0.3), [7] * 200):
        np.testing.assert_array_equal(output(kind(**SMALL).fit(X, y, sample_weight=weights), X), output(plain, X))


@pytest.mark.parametrize("kind", KINDS)
def test_rows_of_weight_0_are_left_out_altogether(rows, kind):
    X, y = rows[0], target(kind, rows)
    weights = np.where(np.arange(200) % 3 == 0, 0.0, 1.0 + np.arange(200) / 100)
    kept = weights > 0
    spoiled = np.where(kept[:, None], X, 1e3)
    one = kind(**SMALL).fit(spoiled, y, sample_weight=weights)
    other = kind(**SMALL).fit(X[kept], y[kept], sample_weight=weights[kept])
    assert (one.history_["genome"] == other.history_["genome"]).all()
    np.testing.assert_array_equal(output(one, X), output(other, X))


def test_a_class_whose_rows_all_weigh_0_is_not_known(rows):
    X, y = rows[0], np.arange(200) % 3
    fitted = EvoPruneClassifier(**SMALL).fit(X, y, sample_weight=(y != 1).astype(float))
    assert list(fitted.classes_) == [0, 2]
    with pytest.raises(ValueError, match="one class"):
        EvoPruneClassifier(**SMALL).fit(X, y, sample_weight=(y == 1).astype(float))


def test_weights_pull_as_strongly_as_repeated_rows(rows):
    X, y, _ = rows
    weights = np.where(y == 1, 6, 1)
    settings = {**SMALL, "evaluations": 1, "encoding": "first", "algorithm": "random"}
    plain, weighted = (EvoPruneClassifier(**settings).fit(X, y, sample_weight=w) for w in (None, weights))
    repeated = EvoPruneClassifier(**settings).fit(X.repeat(weights, axis=0), y.repeat(weights))
    rare = [fitted.predict_proba(X)[:, 1].mean() for fitted in (plain, weighted, repeated)]
    assert rare[1] > rare[0] + 0.1
    assert abs(rare[1] - rare[2]) < 0.5 * (rare[1] - rare[0])


def test_a_regression_goes_where_the_weight_is(rows):
    X, _, values = rows
    half = np.arange(200) < 100
    values = np.where(half, values, -values)
    weights = np.where(half, 1.0, 0.01)
    fitted = EvoPruneRegressor(**SMALL).fit(X, values, sample_weight=weights)
    assert fitted.score(X, values, sample_weight=weights) > 0.5
    assert fitted.score(X[~half], values[~half]) < 0


def test_fitness_counts_the_weights(rows):
    X, y, _ = rows
    settings = {**SMALL, "objectives": "accuracy", "algorithm": "random"}
    weights = np.where(y == 1, 50.0, 1.0)
    balanced = EvoPruneClassifier(**settings, class_weight={1: 50.0}).fit(X, y).history_["accuracy"]
    weighted = EvoPruneClassifier(**settings).fit(X, y, sample_weight=weights).history_["accuracy"]
    # The heads are the same, and trained alike; what is right of the rare class counts more in one.
    assert (weighted > balanced + 0.2).any()


def test_balanced_class_weights_find_more_of_a_rare_class(rows):
    X, y, _ = rows
    recalls = [
        recall_score(y, EvoPruneClassifier(**PUBLISHED, class_weight=weight).fit(X, y).predict(X))
        for weight in (None, "balanced", {0: 1.0, 1: 30.0})
    ]
    assert recalls[0] + 0.2 < recalls[1] <= recalls[2]


@pytest.mark.parametrize("weight", [None, "balanced", {"b": 3.0}, {"a": 0.5, "b": 2, "c": 1}])
def test_class_weights_are_scikit_learns(weight):
    classes, labels = np.array(["a", "b", "c"]), np.array([0, 0, 1, 2, 2, 2])
    found = class_weights(weight, classes, labels, None)
    expected = compute_class_weight(weight, classes=classes, y=classes[labels])
    np.testing.assert_allclose(np.ones(3) if found is None else found, expected)


def test_balanced_counts_rows_by_their_weights():
    labels, weights = np.array([0, 0, 1, 2]), np.array([1, 2, 3, 4])
    repeated = class_weights("balanced", np.arange(3), labels.repeat(weights), None)
    np.testing.assert_allclose(class_weights("balanced", np.arange(3), labels, weights.astype(float)), repeated)


@pytest.mark.parametrize(
    ("settings", "weights", "sentence"),
    [
        ({}, np.ones(199), r"sample_weight.shape"),
        ({}, -np.ones(200), "[Nn]egative"),
        ({}, np.full(200, np.nan), "NaN"),
        ({}, np.zeros(200), r"zero|is 0 for all rows"),
        ({"class_weight": "balance"}, None, "class_weight"),
        ({"class_weight": {7: 2.0}}, None, "class_weight"),
    ],
)
def test_weights_that_do_not_fit_are_refused(rows, settings, weights, sentence):
    X, y, _ = rows
    with pytest.raises(ValueError, match=sentence):
        EvoPruneClassifier(**SMALL, **settings).fit(X, y, sample_weight=weights)


def test_negative_class_weights_are_refused(rows):
    with pytest.raises(DataError, match="give finite weights of 0 or more"):
        EvoPruneClassifier(**SMALL, class_weight={1: -2.0}).fit(*rows[:2])


def test_other_weights_start_a_warm_search_anew(rows):
    X, y, _ = rows
    warm = EvoPruneSelector(**SMALL, warm_start=True).fit(X, y, sample_weight=np.arange(200) + 1.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warm.set_params(evaluations=14).fit(X, y, sample_weight=np.arange(200) + 1.0)
    with pytest.warns(UserWarning, match="starts anew"):
        warm.fit(X, y, sample_weight=np.arange(200) + 2.0)
    with pytest.warns(UserWarning, match="starts anew"):
        warm.set_params(class_weight="balanced").fit(X, y, sample_weight=np.arange(200) + 2.0)
