"""Outliers: rows of no class that heads are trained to be unsure of."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import softmax

from evoprune.data import Fold
from evoprune.errors import DataError
from evoprune.heads import Head, parse_encoding
from evoprune.objectives import Evaluated, fit_detector
from evoprune.training import FAST, Trainer, TrainingSet, train_population
from evoprune.training._prepare import prepare_fold, standardization
from evoprune.training._reference import train_reference

RECIPE = FAST.model_copy(update={"epochs": 5, "batch_size": 32, "precision": "float32"})


def plan():
    return parse_encoding("features", Head(16), width=20, classes=3)


def genome(seed=0):
    return np.random.default_rng(seed).random(20) < 0.6


@pytest.fixture
def foreign():
    """Rows that lie elsewhere, for both folds of the task."""
    rng = np.random.default_rng(9)
    return tuple((rng.normal(size=(count, 20)) + 4).astype(np.float32) for count in (40, 25))


@pytest.mark.parametrize("weighted", [False, True])
def test_the_engine_takes_the_references_steps_on_rows_and_outliers(task, foreign, weighted):
    weights = np.random.default_rng(3).gamma(1.0, size=len(task.X)) if weighted else None
    data = replace(task, outliers=foreign, weights=weights)
    structure = plan().decode(genome())
    (trained,) = Trainer(data, Head(16), RECIPE).train([structure], [5])
    for number, fold in enumerate(data.folds):
        rows = fold.train
        counts = np.ones(len(rows)) if weights is None else weights[rows] / weights[rows].mean()
        mean, scale = standardization(task.X, rows, counts)
        X = np.concatenate([task.X[rows], foreign[number]])
        even = np.full((len(foreign[number]), 3), 1 / 3)
        labels = np.concatenate([task.y[rows], np.zeros(len(even), dtype=np.int64)])
        found = train_reference(
            ((X - mean) / scale).astype(np.float32),
            labels,
            structure,
            Head(16),
            3,
            RECIPE,
            5,
            weights=np.concatenate([counts, np.ones(len(even))]),
            targets=np.concatenate([0.9 * np.eye(3)[task.y[rows]] + 0.1 / 3, even]),
        )
        standard = (task.X[fold.evaluate] - mean) / scale
        logits = np.maximum(standard @ found.matrices[0], 0) @ found.matrices[1] + found.biases[-1]
        assert np.allclose(trained.logits[number][0], logits, atol=2e-3)


def test_heads_are_unsure_of_them_and_of_others_like_them_and_as_right_as_before(foreign):
    rng = np.random.default_rng(1)
    y = np.arange(300) % 3
    X = (3 * rng.normal(size=(3, 20))[y] + rng.normal(size=(300, 20))).astype(np.float32)
    place = 3 * rng.normal(size=20)
    elsewhere = (place + rng.normal(size=(120, 20))).astype(np.float32)
    data = TrainingSet(X, y, 3, (Fold(np.arange(200), np.arange(200, 300)),), {"ood": (elsewhere[60:],)})
    sure, right = [], []
    for outliers in (None, (elsewhere[:60],)):
        (trained,) = train_population(
            replace(data, outliers=outliers),
            [plan().decode(np.ones(20, dtype=bool))],
            head=Head(16),
            recipe=RECIPE.model_copy(update={"epochs": 20}),
            seeds=[0],
        )
        sure.append(softmax(trained.extra["ood"][0][0], axis=1).max(axis=1).mean())
        right.append((trained.logits[0][0].argmax(axis=1) == y[200:]).mean())
    assert sure[0] > 0.6
    assert sure[1] < 0.5
    assert right[1] > right[0] - 0.03


def test_without_them_no_bit_changes_and_none_is_as_no_rows(task):
    empty = tuple(np.zeros((0, 20), dtype=np.float32) for _ in task.folds)
    plain, with_none = (
        train_population(data, [plan().decode(genome())], head=Head(16), recipe=RECIPE, seeds=[1])[0]
        for data in (task, replace(task, outliers=empty))
    )
    for fold in range(len(task.folds)):
        assert plain.logits[fold][0].tobytes() == with_none.logits[fold][0].tobytes()


def test_they_decide_nothing_of_standardisation_or_of_detectors(task, foreign):
    data = replace(task, outliers=foreign, extra={"ood": foreign})
    for number in range(len(task.folds)):
        plain, exposed = prepare_fold(task, number, RECIPE), prepare_fold(data, number, RECIPE)
        assert np.array_equal(plain.mean, exposed.mean) and np.array_equal(plain.scale, exposed.scale)
        assert len(exposed.features) == len(plain.features) + len(foreign[number])
    (trained,) = train_population(data, [plan().decode(genome())], head=Head(16), recipe=RECIPE, seeds=[1])
    evaluated = Evaluated(genome(), trained, data, "mahalanobis")
    for number, fold in enumerate(task.folds):
        detector = fit_detector("mahalanobis", trained.heads[number][0], task.X[fold.train], task.y[fold.train])
        assert np.allclose(evaluated.ood_scores[number][1][0], detector.score(foreign[number]))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda foreign: foreign[:1], r"outliers are given for 1 fold\(s\) where there are 2"),
        (lambda foreign: (foreign[0], foreign[1][:, :19]), r"outliers of fold 1 are float32 of shape \(25, 19\)"),
        (lambda foreign: (foreign[0].astype(float), foreign[1]), "outliers of fold 0 are float64"),
    ],
)
def test_outliers_that_do_not_fit_are_refused_at_once(task, foreign, change, said):
    with pytest.raises(DataError, match=said):
        Trainer(replace(task, outliers=change(foreign)), Head(16), RECIPE)


def test_a_regression_takes_none(task, foreign):
    data = TrainingSet.regression(task.X, task.X[:, :2], task.folds)
    with pytest.raises(DataError, match="outliers are rows of no class, and a regression has none"):
        Trainer(replace(data, outliers=foreign), Head(16), RECIPE)
