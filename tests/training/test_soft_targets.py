"""Soft targets: against the formula with heads trained one by one, and what they may not look at."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import softmax

from evoprune.data import Fold, stratified_parts
from evoprune.errors import ConfigError
from evoprune.heads import Head, dense_structure
from evoprune.training import FAST, PAPER, TrainingSet, can_soften, patient_recipe, soften, train_population
from evoprune.training import _soft_targets as module

CLASSES, WIDTH = 3, 12
RECIPE = FAST.model_copy(update={"epochs": 20, "batch_size": 8, "precision": "float32"})
HEAD = Head(8)


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    y = rng.integers(CLASSES, size=90)
    X = rng.normal(size=(90, WIDTH)).astype(np.float32)
    X[np.arange(90), y] += 1.5
    return TrainingSet(X, y, CLASSES, (Fold(np.arange(10, 80), np.arange(80, 90)),))


def test_targets_are_labels_and_teachers_who_have_not_seen_the_row(data):
    soft = soften(data, HEAD, RECIPE, seed=7)
    rows = data.folds[0].train
    labels = data.y[rows]
    teachers = np.zeros((len(rows), CLASSES))
    for number, part in enumerate(stratified_parts(labels, np.full(5, 0.2), 7)):
        rest = np.setdiff1d(np.arange(len(rows)), part)
        alone = replace(data, folds=(Fold(rows[rest], rows[part]),))
        seeds = [7 + number * module.TEACHERS + k for k in range(module.TEACHERS)]
        for seed in seeds:
            (trained,) = train_population(alone, [dense_structure(HEAD, WIDTH)], head=HEAD, recipe=RECIPE, seeds=[seed])
            teachers[part] += softmax(trained.logits[0][0].astype(np.float64), axis=1) / len(seeds)
    missed = (teachers.argmax(axis=1) != labels).mean()
    assert 0 < missed < module.MOST_TRUSTED
    smoothed = 0.9 * np.eye(CLASSES)[labels] + 0.1 / CLASSES
    assert RECIPE.label_smoothing == 0.1
    assert np.allclose(soft.targets[rows], (1 - missed) * smoothed + missed * teachers, atol=1e-9)


def test_rows_that_are_evaluated_on_are_not_looked_at(data):
    soft = soften(data, HEAD, RECIPE, seed=0)
    X, y = data.X.copy(), data.y.copy()
    X[80:], y[80:] = 9.0, 0
    again = soften(replace(data, X=X, y=y), HEAD, RECIPE, seed=0)
    assert np.array_equal(soft.targets[10:80], again.targets[10:80])
    assert np.array_equal(soft.targets[80:], np.full((10, CLASSES), 1 / CLASSES))


def test_where_the_labels_can_be_learned_the_targets_are_the_labels(data):
    clear = replace(data, X=np.eye(CLASSES, WIDTH, dtype=np.float32)[data.y])
    recipe = RECIPE.model_copy(update={"input_dropout": 0.0})
    soft = soften(clear, HEAD, recipe, seed=0)
    rows = data.folds[0].train
    assert np.allclose(soft.targets[rows], 0.9 * np.eye(CLASSES)[data.y[rows]] + 0.1 / CLASSES)
    options = {"head": HEAD, "recipe": recipe, "seeds": [3]}
    (plain,) = train_population(clear, [dense_structure(HEAD, WIDTH)], **options)
    (taught,) = train_population(soft, [dense_structure(HEAD, WIDTH)], **options)
    assert np.allclose(plain.logits[0][0], taught.logits[0][0], atol=1e-5)


def test_labels_without_meaning_count_no_less_than_the_teachers(data):
    noise = replace(data, y=np.random.default_rng(1).permutation(data.y))
    soft = soften(noise, HEAD, RECIPE, seed=0)
    rows = noise.folds[0].train
    assert (soft.targets[rows, noise.y[rows]] >= 0.5 * (0.9 + 0.1 / CLASSES) - 1e-9).all()


def test_the_seed_decides(data):
    first, again, other = (soften(data, HEAD, RECIPE, seed=s).targets for s in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_progress_counts_every_teacher(data):
    heard = []
    soften(data, HEAD, RECIPE, seed=0, on_progress=lambda done, total: heard.append((done, total)))
    total = module.PARTS * module.TEACHERS
    assert heard[-1] == (total, total)
    assert [done for done, _ in heard] == sorted(done for done, _ in heard)


@pytest.mark.parametrize("change", ["two folds", "targets", "many rows"])
def test_what_cannot_be_softened_is_refused(data, change, monkeypatch):
    if change == "two folds":
        data = replace(data, folds=data.folds * 2)
    elif change == "targets":
        data = replace(data, targets=np.full((90, CLASSES), 1 / CLASSES))
    else:
        monkeypatch.setattr(module, "MOST_ROWS", 69)
    assert not can_soften(data)
    with pytest.raises(ConfigError, match="soft targets need labels, one fold and at most"):
        soften(data, HEAD, RECIPE, seed=0)


def test_a_class_with_fewer_rows_than_parts_is_no_fault(data):
    y = data.y.copy()
    y[y == 2] = 0
    y[11] = 2
    soft = soften(replace(data, y=y), HEAD, RECIPE, seed=0)
    assert np.allclose(soft.targets.sum(axis=1), 1)


def test_what_is_trained_by_them_has_more_epochs_and_is_trained_in_groups():
    assert patient_recipe(RECIPE) == RECIPE.model_copy(
        update={"epochs": module.PATIENCE * RECIPE.epochs, "groups": module.GROUPS}
    )
    assert module.PATIENCE > 1
    # One that ends by itself has the epochs that it needs.
    assert patient_recipe(PAPER) == PAPER.model_copy(update={"groups": module.GROUPS})
    assert patient_recipe(RECIPE.model_copy(update={"groups": 9})).groups == 9
