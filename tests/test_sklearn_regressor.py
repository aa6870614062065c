"""`EvoPruneRegressor`: what it predicts, chooses and tells, beside scikit-learn's own regressors."""

from __future__ import annotations

import joblib
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_diabetes, make_friedman1
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import RidgeCV
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV, cross_val_score, train_test_split
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from evoprune.errors import ConfigError, DataError
from evoprune.sklearn import EvoPruneClassifier, EvoPruneRegressor
from evoprune.sklearn._value_guide import ValueGuide
from evoprune.training import Recipe
from tests.test_sklearn import RECIPE

GENETIC = {"algorithm": "genetic", "hidden": (16,), "evaluations": 12, "random_state": 0}
GUIDED = {**GENETIC, "algorithm": "guided", "evaluations": 24, "folds": 2}


@pytest.fixture(scope="module")
def rows():
    """Values of features 0, 1 and 2 of 12, in units of their own."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(160, 12))
    return X, 500 + 40 * (X[:, 0] - X[:, 1] + X[:, 2] + 0.2 * rng.normal(size=160))


@pytest.fixture(scope="module")
def fitted(rows):
    return EvoPruneRegressor(**GUIDED).fit(*rows)


def test_the_features_that_matter_are_read_and_the_others_are_not(rows, fitted):
    assert {0, 1, 2} <= set(np.flatnonzero(fitted.support_))
    assert fitted.support_.sum() < 8
    changed = np.where(fitted.support_, rows[0], 1e6)
    np.testing.assert_array_equal(fitted.predict(changed), fitted.predict(rows[0]))


def test_predictions_are_in_the_units_of_the_values(rows, fitted):
    X, y = rows
    assert fitted.score(X, y) == pytest.approx(r2_score(y, fitted.predict(X)))
    assert fitted.score(X, y) > 0.8
    assert fitted.n_outputs_ == 1
    assert fitted.predict(X).shape == (160,)
    np.testing.assert_allclose(fitted.predict(X), fitted.head_.logits(X.astype(np.float32))[:, 0], rtol=1e-5)


def test_history_and_front_are_of_errors_in_the_square_of_the_units(rows, fitted):
    X, y = rows
    assert set(fitted.history_) == {"genome", "active", "mse"}
    assert fitted.history_["mse"].max() < 3 * y.var()
    chosen = (fitted.history_["genome"] == fitted.genome_).all(axis=1)
    assert fitted.history_["mse"][chosen].item() == fitted.history_["mse"].min()
    assert list(fitted.front_["mse"]) == sorted(fitted.front_["mse"], reverse=True)
    r2 = EvoPruneRegressor(**GENETIC, objectives="r2").fit(X, y)
    assert 0.5 < r2.history_["r2"].max() <= 1


def test_several_values_a_row_are_predicted_together(rows):
    X, y = rows
    both = np.column_stack([y, 3 * X[:, 3]])
    fitted = EvoPruneRegressor(**GUIDED).fit(X, both)
    assert fitted.predict(X).shape == (160, 2)
    assert (r2_score(both, fitted.predict(X), multioutput="raw_values") > 0.7).all()
    assert {0, 1, 2, 3} <= set(np.flatnonzero(fitted.support_))
    column, alone = (EvoPruneRegressor(**GENETIC).fit(X, values) for values in (y[:, None], y))
    np.testing.assert_array_equal(column.predict(X), alone.predict(X)[:, None])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["diabetes", "friedman"])
def test_it_is_better_than_the_mean_and_a_plain_network_and_near_ridge_or_better(name):
    X, y = load_diabetes(return_X_y=True) if name == "diabetes" else make_friedman1(400, 20, noise=1.0, random_state=0)
    train, test, seen, unseen = train_test_split(X, y, random_state=0)
    ours = EvoPruneRegressor(hidden=64, evaluations=40, random_state=0).fit(train, seen)
    ridge = make_pipeline(StandardScaler(), RidgeCV()).fit(train, seen).score(test, unseen)
    assert DummyRegressor().fit(train, seen).score(test, unseen) < 0.05
    network = make_pipeline(StandardScaler(), MLPRegressor(hidden_layer_sizes=64, max_iter=500, random_state=0))
    # Of its own kind it is the better one; where all is linear, as in diabetes, a linear model is best.
    assert ours.score(test, unseen) > network.fit(train, seen).score(test, unseen)
    assert ours.score(test, unseen) > ridge - 0.1
    if name == "friedman":
        assert ours.score(test, unseen) > ridge + 0.05
        assert set(np.flatnonzero(ours.support_)) >= {0, 1, 3}


def test_pipelines_grids_clones_and_joblib(rows, fitted, tmp_path):
    X, y = rows
    scores = cross_val_score(make_pipeline(StandardScaler(), EvoPruneRegressor(**GENETIC)), X, y, cv=2)
    assert (scores > 0.4).all()
    grid = GridSearchCV(EvoPruneRegressor(**GENETIC), {"max_share": [0.1, 0.5]}, cv=2, error_score="raise")
    assert grid.fit(X, y).best_params_ == {"max_share": 0.5}
    joblib.dump(fitted, tmp_path / "fitted.joblib")
    np.testing.assert_array_equal(joblib.load(tmp_path / "fitted.joblib").predict(X), fitted.predict(X))
    np.testing.assert_array_equal(clone(fitted).fit(X, y).predict(X), fitted.predict(X))


def test_a_warm_start_ends_where_one_longer_search_ends(rows, fitted):
    warm = EvoPruneRegressor(**{**GUIDED, "evaluations": 10}, warm_start=True).fit(*rows)
    warm.set_params(evaluations=24).fit(*rows)
    np.testing.assert_array_equal(warm.history_["mse"], fitted.history_["mse"])
    np.testing.assert_array_equal(warm.predict(rows[0]), fitted.predict(rows[0]))
    with pytest.warns(UserWarning, match="starts anew"):
        warm.fit(rows[0], rows[1] + 1)


def test_hidden_units_can_be_pruned_instead(rows):
    fitted = EvoPruneRegressor(**{**GUIDED, "encoding": "first"}).fit(*rows)
    assert fitted.genome_.shape == (16,)
    assert fitted.support_.all()


def test_the_fast_recipe_drops_no_inputs_of_a_regression():
    assert EvoPruneRegressor()._recipe(1000).input_dropout == 0
    own = Recipe(optimizer="adam", learning_rate=1e-3, batch_size=8, epochs=2, input_dropout=0.3)
    assert EvoPruneRegressor(recipe=own)._recipe(1000) is own
    assert EvoPruneClassifier()._recipe(1000).input_dropout == 0.5


@pytest.mark.parametrize(("rows", "epochs"), [(2, 150), (128, 150), (129, 75), (1153, 15), (100_000, 15)])
def test_few_rows_are_trained_for_more_epochs_by_the_fast_recipe(rows, epochs):
    for kind in (EvoPruneClassifier, EvoPruneRegressor):
        assert kind()._recipe(rows).epochs == epochs
        assert kind(recipe=RECIPE)._recipe(rows).epochs == RECIPE.epochs
        assert kind(recipe="paper")._recipe(rows).epochs == 600


@pytest.mark.parametrize(
    ("settings", "error", "sentence"),
    [
        ({"objectives": "accuracy"}, ConfigError, "'accuracy' judges classes, and these data have values to predict"),
        ({"folds": 161}, DataError, r"there are 160 row\(s\), too few for 161 inner folds"),
        ({"evaluations": 0}, ConfigError, "evaluations=0 is not possible"),
    ],
)
def test_what_does_not_fit_is_refused(rows, settings, error, sentence):
    with pytest.raises(error, match=sentence):
        EvoPruneRegressor(**{**GENETIC, **settings}).fit(*rows)


def test_a_classifier_refuses_objectives_of_values(rows):
    with pytest.raises(ConfigError, match="objective 'mse' judges values to predict, and these data have classes"):
        EvoPruneClassifier(**GENETIC, objectives="mse").fit(rows[0], rows[1] > 500)


def test_the_guide_ranks_what_is_linear_and_what_is_not():
    X, y = make_friedman1(300, 15, noise=0.5, random_state=0)
    X[:, 9] = 4.0
    guide = ValueGuide(X.astype(np.float32), y[:, None], seed=0)
    scores = guide.scores()
    assert scores.shape == (3, 15)
    assert np.isfinite(scores).all()
    for alone in scores:
        assert {0, 1, 3} <= set(np.argsort(-alone)[:5])
    # The third feature acts by the square of its distance from 0.5, which no linear model sees.
    assert 2 in np.argsort(-scores[2])[:5]
    pools = np.zeros((4, 15), dtype=bool)
    pools[:, [0, 3, 5, 9, 11]] = True
    children = guide.recombine(pools, 2, seed=1)
    assert (children.sum(axis=1) == 2).all()
    assert not (children & ~pools).any()
    assert children[:, [0, 3]].mean() > 0.8
    np.testing.assert_array_equal(children, guide.recombine(pools, 2, seed=1))
