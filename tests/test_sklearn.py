"""The estimators keep scikit-learn's contract and work with its tools."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from evoprune.errors import ConfigError
from evoprune.sklearn import EvoPruneClassifier, EvoPruneSelector
from evoprune.training import FAST

RECIPE = FAST.model_copy(
    update={"epochs": 6, "batch_size": 32, "learning_rate": 1e-2, "input_dropout": 0.0, "hidden_dropout": 0.0}
)
SMALL = {"hidden": (16,), "evaluations": 32, "recipe": RECIPE, "random_state": 0}


@parametrize_with_checks([EvoPruneClassifier(**SMALL), EvoPruneSelector(**SMALL)])
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def rows():
    """Three classes told apart by features 0..3; features 4..11 are noise."""
    rng = np.random.default_rng(0)
    y = np.array(["ash", "elm", "oak"])[np.arange(180) % 3]
    X = rng.normal(size=(180, 12))
    X[:, :4] += 2.0 * rng.normal(size=(3, 4))[np.arange(180) % 3]
    return X, y


def test_predictions_are_labels_and_probabilities_sum_to_one(rows):
    X, y = rows
    classifier = EvoPruneClassifier(**SMALL).fit(X, y)
    assert list(classifier.classes_) == ["ash", "elm", "oak"]
    probabilities = classifier.predict_proba(X)
    assert probabilities.shape == (180, 3)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0)
    assert (classifier.classes_[probabilities.argmax(axis=1)] == classifier.predict(X)).all()
    assert classifier.score(X, y) > 0.8


def test_features_that_are_off_are_not_read(rows):
    X, y = rows
    classifier = EvoPruneClassifier(**SMALL).fit(X, y)
    off = ~classifier.support_
    assert off.any()
    changed = X.copy()
    changed[:, off] = 1e6
    np.testing.assert_array_equal(classifier.predict_proba(changed), classifier.predict_proba(X))


def test_hidden_units_can_be_pruned_instead(rows):
    X, y = rows
    classifier = EvoPruneClassifier(**{**SMALL, "encoding": "first"}).fit(X, y)
    assert classifier.genome_.shape == (16,)
    assert classifier.support_.all()
    assert classifier.model_.head.matrices[0].shape[1] == classifier.genome_.sum()


def test_the_history_has_every_evaluation_and_its_best_was_chosen(rows):
    classifier = EvoPruneClassifier(**{**SMALL, "objective": "loss"}).fit(*rows)
    assert classifier.history_.shape == (32,)
    assert np.isfinite(classifier.history_).all()
    again = EvoPruneClassifier(**{**SMALL, "objective": "loss"}).fit(*rows)
    np.testing.assert_array_equal(again.history_, classifier.history_)
    np.testing.assert_array_equal(again.genome_, classifier.genome_)


def test_the_selector_keeps_what_it_says(rows):
    X, y = rows
    selector = EvoPruneSelector(**SMALL)
    reduced = selector.fit_transform(X, y)
    np.testing.assert_array_equal(reduced, X[:, selector.get_support()])
    names = np.array([f"leaf{i}" for i in range(12)])
    assert list(selector.get_feature_names_out(names)) == list(names[selector.get_support()])
    restored = selector.inverse_transform(reduced)
    np.testing.assert_array_equal(restored[:, selector.get_support()], reduced)
    assert (restored[:, ~selector.get_support()] == 0).all()


def test_set_output_gives_a_named_table(rows):
    pandas = pytest.importorskip("pandas")
    X, y = rows
    table = pandas.DataFrame(X, columns=[f"leaf{i}" for i in range(12)])
    selector = EvoPruneSelector(**SMALL).set_output(transform="pandas").fit(table, y)
    reduced = selector.transform(table)
    assert list(reduced.columns) == list(table.columns[selector.get_support()])
    pandas.testing.assert_frame_equal(reduced, table[reduced.columns])


def test_a_pipeline_of_scaler_selector_and_another_classifier(rows):
    X, y = rows
    pipeline = make_pipeline(StandardScaler(), EvoPruneSelector(**SMALL), LogisticRegression())
    assert pipeline.fit(X, y).score(X, y) > 0.8
    assert pipeline[-1].n_features_in_ == pipeline[1].get_support().sum()


def test_grid_search_over_its_parameters(rows):
    grid = GridSearchCV(EvoPruneClassifier(**SMALL), {"hidden": [(4,), (16,)], "encoding": ["features", "first"]}, cv=2)
    grid.fit(*rows)
    assert set(grid.best_params_) == {"hidden", "encoding"}
    assert grid.best_score_ > 0.6


def test_a_clone_has_the_parameters_and_is_not_fitted(rows):
    X, y = rows
    copy = clone(EvoPruneClassifier(**SMALL).fit(X, y))
    assert copy.get_params() == EvoPruneClassifier(**SMALL).get_params()
    with pytest.raises(NotFittedError):
        copy.predict(X)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"recipe": "fats"}, "did you mean 'fast'"),
        ({"encoding": "second"}, "needs two hidden layers"),
        ({"objective": "acuracy"}, "did you mean 'accuracy'"),
        ({"hidden": (0,)}, "head .* is not possible"),
    ],
)
def test_parameters_that_do_not_fit_are_refused(rows, change, sentence):
    with pytest.raises(ConfigError, match=sentence):
        EvoPruneClassifier(**{**SMALL, **change}).fit(*rows)
