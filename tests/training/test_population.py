"""A candidate's result depends on itself alone (promise 3), and heads take raw features."""

from __future__ import annotations

import os
import signal
import threading
import time

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from evoprune.heads import Head, parse_encoding
from evoprune.training import FAST, Recipe, train_population
from evoprune.training._prepare import standardization

QUICK = FAST.model_copy(update={"epochs": 4, "batch_size": 32})
SGD = Recipe(optimizer="sgd", learning_rate=1e-2, batch_size=32, epochs=4, early_stopping={"patience": 2})

MIXED = QUICK.model_copy(update={"precision": "bfloat16"})
"""Trained by the compiled kernel where there is one and the head allows it."""


def candidates(encoding, head, count=5):
    plan = parse_encoding(encoding, head, width=20, classes=3)
    rng = np.random.default_rng(0)
    return [plan.decode(rng.random(plan.length) < share) for share in np.linspace(0.05, 1, count)]


@pytest.mark.parametrize("recipe", [QUICK, SGD, MIXED], ids=["adam", "sgd", "bfloat16"])
@pytest.mark.parametrize(
    ("encoding", "head"), [("features", Head(16)), ("both", Head(16, 8)), ("connections", Head(16))]
)
def test_results_do_not_depend_on_the_company(task, encoding, head, recipe):
    structures = candidates(encoding, head)
    together = train_population(task, structures, head=head, recipe=recipe, seeds=[0, 1])
    backwards = train_population(task, structures[::-1], head=head, recipe=recipe, seeds=[0, 1])[::-1]
    alone = [train_population(task, [s], head=head, recipe=recipe, seeds=[0, 1])[0] for s in structures]
    for results in (backwards, alone):
        for a, b in zip(together, results, strict=True):
            for f in range(2):
                for s in range(2):
                    assert a.logits[f][s].tobytes() == b.logits[f][s].tobytes()


def test_logits_are_those_of_the_returned_head_on_raw_features(task):
    (result,) = train_population(task, candidates("features", Head(16))[2:3], head=Head(16), recipe=QUICK, seeds=[4])
    rows = task.folds[1].evaluate
    assert np.allclose(result.heads[1][0].logits(task.X[rows]), result.logits[1][0], atol=1e-5)


def test_training_learns(task):
    recipe = FAST.model_copy(update={"batch_size": 32, "epochs": 40, "learning_rate": 1e-2})
    (result,) = train_population(task, candidates("features", Head(32))[-1:], head=Head(32), recipe=recipe, seeds=[0])
    for fold, logits in zip(task.folds, result.logits, strict=True):
        scaler = StandardScaler().fit(task.X[fold.train])
        linear = LogisticRegression().fit(scaler.transform(task.X[fold.train]), task.y[fold.train])
        oracle = linear.score(scaler.transform(task.X[fold.evaluate]), task.y[fold.evaluate])
        assert (logits[0].argmax(1) == task.y[fold.evaluate]).mean() > oracle - 0.08


def test_a_candidate_with_nothing_on_predicts_one_class(task):
    plan = parse_encoding("features", Head(16), width=20, classes=3)
    (result,) = train_population(task, [plan.decode(np.zeros(20, dtype=bool))], head=Head(16), recipe=QUICK, seeds=[0])
    assert len(set(result.logits[0][0].argmax(1))) == 1
    assert np.isfinite(result.logits[0][0]).all()


def test_standardization_is_scikit_learns(task):
    X = task.X.copy()
    X[:, 3] = 2.5
    mean, scale = standardization(X, np.arange(len(X)))
    scaler = StandardScaler().fit(X.astype(np.float64))
    assert np.allclose(mean, scaler.mean_)
    assert np.allclose(scale, scaler.scale_)


def test_progress_counts_every_training(task):
    seen = []
    train_population(
        task,
        candidates("features", Head(8), 3),
        head=Head(8),
        recipe=QUICK,
        seeds=[0, 1],
        on_progress=lambda done, total: seen.append((done, total)),
    )
    assert seen[-1] == (12, 12)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


@pytest.mark.parametrize("recipe", [QUICK, MIXED], ids=["float32", "bfloat16"])
def test_the_number_of_threads_changes_nothing(task, recipe):
    structures = candidates("features", Head(16))
    before = torch.get_num_threads()
    try:
        results = []
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            results.append(train_population(task, structures, head=Head(16), recipe=recipe, seeds=[0]))
    finally:
        torch.set_num_threads(before)
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            assert all(x[0].tobytes() == y[0].tobytes() for x, y in zip(a.logits, b.logits, strict=True))


def test_an_interrupt_ends_all_trainings_at_once(task):
    recipe = SGD.model_copy(update={"epochs": 100_000, "early_stopping": None})
    started = time.perf_counter()
    timer = threading.Timer(0.5, os.kill, [os.getpid(), signal.SIGINT])
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        train_population(task, candidates("features", Head(16)), head=Head(16), recipe=recipe, seeds=[0])
    assert time.perf_counter() - started < 5
