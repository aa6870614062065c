"""Errors of predicted values against scikit-learn's, and data that an objective cannot judge."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn import metrics

from evoprune.errors import ConfigError
from evoprune.heads import parse_encoding
from evoprune.objectives import OBJECTIVES, Evaluated, get_objectives, mean_squared_error, r2_score
from evoprune.problem import Problem
from evoprune.training import TrainedCandidate, TrainingSet, train_population
from tests.objectives.conftest import HEAD, RECIPE, make_data

DATA = make_data()
rng = np.random.default_rng(0)
VALUES = DATA.X[:, :2].astype(np.float64) * [1.0, 30.0] + rng.normal(size=(240, 2)) + 100
WEIGHTS = np.where(np.arange(240) % 5 == 0, 0.0, rng.gamma(1.0, size=240))
REGRESSION = TrainingSet.regression(DATA.X, VALUES, DATA.folds)
ORACLES = {"mse": metrics.mean_squared_error, "r2": metrics.r2_score}
SCORES = {"mse": mean_squared_error, "r2": r2_score}


@pytest.fixture(scope="module")
def trained() -> TrainedCandidate:
    plan = parse_encoding("features", HEAD, width=12, classes=2)
    structure = plan.decode(plan.dense_genome())
    (candidate,) = train_population(REGRESSION, [structure], head=HEAD, recipe=RECIPE, seeds=[0, 1])
    return candidate


def evaluated(trained, data=REGRESSION):
    return Evaluated(np.ones(12, dtype=bool), trained, data)


@pytest.mark.parametrize("name", ORACLES)
@pytest.mark.parametrize("weights", [None, WEIGHTS[:50]], ids=["alike", "weighted"])
def test_scores_are_scikit_learns(name, weights):
    for scale in (0.1, 1.0, 10.0):
        outputs = (VALUES[:50] + scale * rng.normal(size=(50, 2))).astype(np.float32)
        expected = ORACLES[name](VALUES[:50], outputs.astype(float), sample_weight=weights)
        assert SCORES[name](outputs, VALUES[:50], weights) == pytest.approx(expected, rel=1e-9)
    assert np.isnan(SCORES[name](np.full((50, 2), np.inf, dtype=np.float32), VALUES[:50]))


def test_a_value_that_never_changes_is_scikit_learns_as_well():
    values = np.column_stack([np.full(6, 4.0), np.arange(6.0)])
    exact, off = values.astype(np.float32), (values + 1).astype(np.float32)
    for outputs in (exact, off):
        assert r2_score(outputs, values) == pytest.approx(metrics.r2_score(values, outputs))


@pytest.mark.parametrize("name", ORACLES)
@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["alike", "weighted"])
def test_an_objective_is_the_mean_over_folds_and_seeds(trained, name, weights):
    expected = np.mean(
        [
            ORACLES[name](
                VALUES[fold.evaluate], outputs, sample_weight=None if weights is None else weights[fold.evaluate]
            )
            for fold, seeds in zip(DATA.folds, trained.logits, strict=True)
            for outputs in seeds
        ]
    )
    data = replace(REGRESSION, evaluation_weights=weights)
    assert OBJECTIVES[name].compute(evaluated(trained, data)) == pytest.approx(expected, rel=1e-5)


def test_the_direction_of_an_objective_is_that_of_its_values(trained):
    worse = TrainedCandidate(
        trained.heads, tuple(tuple(-outputs for outputs in fold) for fold in trained.logits), trained.epochs
    )
    for name in ORACLES:
        objective = OBJECTIVES[name]
        good, bad = (objective.compute(evaluated(candidate)) for candidate in (trained, worse))
        assert good > bad if objective.maximize else good < bad
        assert objective.lower <= bad < np.inf
        assert good <= objective.upper


def problem_of(data, names):
    plan = parse_encoding("features", HEAD, width=12, classes=data.classes)
    return Problem(data, plan, RECIPE, get_objectives(names))


def test_a_regression_is_a_problem_like_any_other():
    genomes = np.random.default_rng(1).random((3, 12)) < 0.5
    values = problem_of(REGRESSION, ["mse", "r2", "active", "parameters", "flops"]).evaluate(genomes)
    assert np.isfinite(values).all()
    assert (values[:, 1] < 1).all()
    assert list(values[:, 2]) == list(genomes.mean(axis=1))
    with_it, without = np.eye(12, dtype=bool)[[1]], np.eye(12, dtype=bool)[[11]]
    mse = problem_of(REGRESSION, ["mse"]).evaluate(np.concatenate([with_it, without]))
    assert mse[0, 0] < mse[1, 0]


@pytest.mark.parametrize("name", ["accuracy", "loss", "calibrated_loss", "f1", "calibration", "ood", "corruption"])
def test_objectives_of_classes_refuse_values(name):
    with pytest.raises(ConfigError) as error:
        problem_of(REGRESSION, [name])
    assert str(error.value) == (
        f"objective '{name}' judges classes, and these data have values to predict; "
        "choose among active, parameters, flops, mse, r2"
    )


@pytest.mark.parametrize("name", ORACLES)
def test_objectives_of_values_refuse_classes(trained, name):
    with pytest.raises(ConfigError, match=f"objective '{name}' judges values to predict, and these data have classes;"):
        problem_of(DATA, [name])
    with pytest.raises(ConfigError, match="these rows have classes, and no values to predict"):
        OBJECTIVES[name].compute(evaluated(trained, DATA))
