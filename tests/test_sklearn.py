"""The estimators keep scikit-learn's contract and work with its tools."""

from __future__ import annotations

import importlib

import joblib
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from evoprune.guidance import _gates
from evoprune.sklearn import EvoPruneClassifier, EvoPruneRegressor, EvoPruneSelector
from evoprune.training import FAST, Recipe

RECIPE = FAST.model_copy(
    update={"epochs": 6, "batch_size": 32, "learning_rate": 1e-2, "input_dropout": 0.0, "hidden_dropout": 0.0}
)
PUBLISHED = {"algorithm": "genetic", "hidden": (16,), "evaluations": 32, "recipe": RECIPE, "random_state": 0}
NAMES = [f"leaf{i}" for i in range(12)]


CHECKED = {**PUBLISHED, "recipe": "fast", "evaluations": 8}
GUIDED_CHECKED = {**CHECKED, "algorithm": "guided", "evaluations": 16}
"""Short searches: the contract does not depend on how long they are."""


def by_nature(estimator):
    """Checks that cannot hold of minibatches: a row of weight 2 is in one batch of an epoch, two rows are in two."""
    return {"check_sample_weight_equivalence_on_dense_data": "weighted and repeated rows come in other batches"}


@parametrize_with_checks(
    [EvoPruneClassifier(**CHECKED), EvoPruneSelector(**CHECKED), EvoPruneRegressor(**CHECKED)],
    expected_failed_checks=by_nature,
)
def test_scikit_learn_checks_of_the_published_search(estimator, check):
    check(estimator)


@pytest.mark.slow
@parametrize_with_checks(
    [
        EvoPruneClassifier(**GUIDED_CHECKED),
        EvoPruneSelector(**GUIDED_CHECKED, n_features_to_select=1),
        EvoPruneRegressor(**GUIDED_CHECKED),
    ],
    expected_failed_checks=by_nature,
)
def test_scikit_learn_checks_of_the_guided_search(estimator, check, monkeypatch):
    # Gates are trained for two steps: the contract does not depend on how well they rank.
    monkeypatch.setattr(_gates, "FEWEST_STEPS", 2)
    monkeypatch.setattr(_gates, "EPOCHS", 1)
    check(estimator)


@pytest.fixture(scope="module")
def rows():
    """Three classes told apart by features 0..3; features 4..11 are noise."""
    rng = np.random.default_rng(0)
    y = np.array(["ash", "elm", "oak"])[np.arange(180) % 3]
    X = rng.normal(size=(180, 12))
    X[:, :4] += 2.0 * rng.normal(size=(3, 4))[np.arange(180) % 3]
    return X, y


@pytest.fixture(scope="module")
def classifier(rows):
    return EvoPruneClassifier(**PUBLISHED).fit(*rows)


@pytest.fixture(scope="module")
def selector(rows):
    return EvoPruneSelector(**PUBLISHED).fit(*rows)


def test_predictions_are_labels_and_probabilities_sum_to_one(rows, classifier):
    X, y = rows
    assert list(classifier.classes_) == ["ash", "elm", "oak"]
    probabilities = classifier.predict_proba(X)
    assert probabilities.shape == (180, 3)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0)
    assert (classifier.classes_[probabilities.argmax(axis=1)] == classifier.predict(X)).all()
    assert classifier.score(X, y) > 0.8


def test_features_that_are_off_are_not_read(rows, classifier):
    off = ~classifier.support_
    assert off.any()
    changed = rows[0].copy()
    changed[:, off] = 1e6
    np.testing.assert_array_equal(classifier.predict_proba(changed), classifier.predict_proba(rows[0]))


def test_hidden_units_can_be_pruned_instead(rows):
    classifier = EvoPruneClassifier(**PUBLISHED, encoding="first").fit(*rows)
    assert classifier.genome_.shape == (16,)
    assert classifier.support_.all()
    assert classifier.model_.head.matrices[0].shape[1] == classifier.genome_.sum()


@pytest.mark.parametrize(("encoding", "shared"), [("connections", True), ("features", False)])
def test_connections_are_searched_and_trained_from_the_same_initial_weights(rows, monkeypatch, encoding, shared):
    recipes = []
    for place in ("evoprune.sklearn._estimator.Problem", "evoprune.sklearn._estimator.train_population"):
        module, name = place.rsplit(".", 1)
        original = getattr(importlib.import_module(module), name)

        def seen(*arguments, original=original, **named):
            recipes.extend(a for a in (*arguments, *named.values()) if isinstance(a, Recipe))
            return original(*arguments, **named)

        monkeypatch.setattr(place, seen)
    found = EvoPruneClassifier(hidden=(4,), evaluations=8, random_state=0, encoding=encoding).fit(*rows)
    assert len(recipes) == 2
    assert {recipe.initial_seed for recipe in recipes} == {found.seed_ if shared else None}


def test_support_of_pruned_connections_is_what_the_head_reads(rows):
    X, y = rows
    change = {"encoding": "connections", "hidden": (2,), "max_share": 0.2}
    classifier = EvoPruneClassifier(**{**PUBLISHED, **change}).fit(X, y)
    off = ~classifier.support_
    assert off.any()
    np.testing.assert_array_equal(
        classifier.predict_proba(np.where(off, 1e6, X)), classifier.predict_proba(np.where(off, 0.0, X))
    )


def test_the_selector_keeps_what_it_says(rows, selector):
    X, _ = rows
    reduced = selector.transform(X)
    np.testing.assert_array_equal(reduced, X[:, selector.get_support()])
    assert list(selector.get_support(indices=True)) == list(np.flatnonzero(selector.get_support()))
    assert list(selector.get_feature_names_out(NAMES)) == list(np.array(NAMES)[selector.get_support()])
    restored = selector.inverse_transform(reduced)
    np.testing.assert_array_equal(restored[:, selector.get_support()], reduced)
    assert (restored[:, ~selector.get_support()] == 0).all()


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_tables_go_in_and_named_tables_come_out(rows, library):
    tables = pytest.importorskip(library)
    X, y = rows
    table = tables.DataFrame({name: X[:, i] for i, name in enumerate(NAMES)})
    if not hasattr(StandardScaler().fit(table), "feature_names_in_"):
        pytest.skip(f"this version of scikit-learn does not see the column names of this version of {library}")
    selector = EvoPruneSelector(**PUBLISHED).set_output(transform=library).fit(table, tables.Series(y))
    assert list(selector.feature_names_in_) == NAMES
    assert selector.n_features_in_ == 12
    reduced = selector.transform(table)
    assert type(reduced) is type(table)
    assert list(reduced.columns) == list(np.array(NAMES)[selector.get_support()])
    np.testing.assert_array_equal(reduced.to_numpy(), X[:, selector.get_support()])
    classifier = EvoPruneClassifier(**PUBLISHED).fit(table, tables.Series(y))
    np.testing.assert_array_equal(classifier.predict(table), EvoPruneClassifier(**PUBLISHED).fit(X, y).predict(X))
    with pytest.raises(ValueError, match="feature names"):
        classifier.predict(table[NAMES[::-1]])


def test_a_pipeline_of_scaler_selector_and_another_classifier(rows):
    X, y = rows
    pipeline = make_pipeline(StandardScaler(), EvoPruneSelector(**PUBLISHED), LogisticRegression())
    assert pipeline.fit(X, y).score(X, y) > 0.8
    assert pipeline[-1].n_features_in_ == pipeline[1].get_support().sum()


def test_grid_search_over_its_parameters(rows):
    choices = {"max_share": [0.1, 0.5], "encoding": ["features", "first"]}
    grid = GridSearchCV(EvoPruneClassifier(**PUBLISHED), choices, cv=2, error_score="raise").fit(*rows)
    assert set(grid.best_params_) == {"max_share", "encoding"}
    assert grid.best_score_ > 0.6


@pytest.mark.slow
def test_cross_validation_in_several_processes_gives_what_one_gives(rows):
    alone = cross_val_score(EvoPruneClassifier(**PUBLISHED), *rows, cv=2)
    assert (alone > 0.6).all()
    np.testing.assert_array_equal(cross_val_score(EvoPruneClassifier(**PUBLISHED), *rows, cv=2, n_jobs=2), alone)


def test_a_clone_has_the_parameters_and_is_not_fitted(rows, classifier):
    copy = clone(classifier)
    assert copy.get_params() == EvoPruneClassifier(**PUBLISHED).get_params()
    with pytest.raises(NotFittedError):
        copy.predict(rows[0])


@pytest.mark.parametrize("kind", [EvoPruneClassifier, EvoPruneSelector])
def test_a_fitted_estimator_survives_joblib(rows, kind, tmp_path):
    X, y = rows
    fitted = kind(**PUBLISHED, warm_start=True).fit(X, y)
    joblib.dump(fitted, tmp_path / "fitted.joblib")
    loaded = joblib.load(tmp_path / "fitted.joblib")
    use = "predict_proba" if kind is EvoPruneClassifier else "transform"
    np.testing.assert_array_equal(getattr(loaded, use)(X), getattr(fitted, use)(X))
    # What it has evaluated came with it: the search goes on.
    longer = loaded.set_params(evaluations=40).fit(X, y)
    np.testing.assert_array_equal(longer.history_["accuracy"][:32], fitted.history_["accuracy"])
