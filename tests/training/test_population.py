"""A candidate's result depends on itself alone (promise 3), and heads take raw features."""

from __future__ import annotations

import os
import signal
import threading
import time
import warnings
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from evoprune.errors import DataError
from evoprune.heads import CompactHead, Head, parse_encoding
from evoprune.training import FAST, Recipe, Trainer, WeightTraining, head_logits, penultimate, train_population
from evoprune.training._apply import CHUNK_ROWS
from evoprune.training._prepare import standardization
from evoprune.training._randomness import initial_matrices
from evoprune.training._reference import train_reference

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
    recipe = SGD.model_copy(update={"epochs": 20_000, "early_stopping": None})
    started = time.perf_counter()
    timer = threading.Timer(0.5, os.kill, [os.getpid(), signal.SIGINT])
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        train_population(task, candidates("features", Head(16)), head=Head(16), recipe=recipe, seeds=[0])
    assert time.perf_counter() - started < 5


@pytest.fixture(scope="module")
def with_extra(task):
    """The task with two sets of further rows, as many as each fold's number and then some."""
    rng = np.random.default_rng(1)
    extra = {
        name: tuple(rng.normal(size=(count, 20)).astype(np.float32) for count in counts)
        for name, counts in (("others", (30, 17)), ("many", (CHUNK_ROWS + 5, 0)))
    }
    return replace(task, extra=extra)


def test_extra_rows_go_through_every_trained_head(with_extra):
    (result,) = train_population(
        with_extra, candidates("features", Head(16))[2:3], head=Head(16), recipe=QUICK, seeds=[4, 5]
    )
    assert set(result.extra) == {"others", "many"}
    for name, rows in with_extra.extra.items():
        for f in range(2):
            for s in range(2):
                got = result.extra[name][f][s]
                assert got.shape == (len(rows[f]), 3)
                assert got.dtype == np.float32
                assert np.allclose(got, result.heads[f][s].logits(rows[f]), atol=1e-5)
    assert not np.allclose(result.extra["others"][0][0], result.extra["others"][0][1])


def test_extra_rows_change_nothing_else(task, with_extra):
    results = [
        train_population(data, candidates("features", Head(16)), head=Head(16), recipe=QUICK, seeds=[0])
        for data in (task, with_extra)
    ]
    for a, b in zip(*results, strict=True):
        assert all(x[0].tobytes() == y[0].tobytes() for x, y in zip(a.logits, b.logits, strict=True))
        assert dict(a.extra) == {}


def test_one_seed_of_a_candidate_is_what_training_with_it_alone_gives(with_extra):
    structures = candidates("features", Head(16))[2:3]
    (several,) = train_population(with_extra, structures, head=Head(16), recipe=QUICK, seeds=[3, 8])
    (alone,) = train_population(with_extra, structures, head=Head(16), recipe=QUICK, seeds=[8])
    one = several.with_seed(1)
    for f in range(2):
        assert len(one.logits[f]) == len(one.heads[f]) == len(one.epochs[f]) == 1
        assert one.logits[f][0].tobytes() == alone.logits[f][0].tobytes()
        assert one.extra["others"][f][0].tobytes() == alone.extra["others"][f][0].tobytes()
        assert one.heads[f][0].matrices[0].tobytes() == alone.heads[f][0].matrices[0].tobytes()
        assert one.epochs[f] == alone.epochs[f]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([(30, 20)], r"are given for 1 fold\(s\) where there are 2; give one array a fold"),
        ([(30, 20), (30, 19)], r"of fold 1 are float32 of shape \(30, 19\); give float32 of shape \[n, 20\]"),
        ([(30,), (30, 20)], r"of fold 0 are float32 of shape \(30,\)"),
    ],
)
def test_extra_rows_that_do_not_fit_are_refused_at_once(task, rows, said):
    data = replace(task, extra={"others": tuple(np.zeros(shape, dtype=np.float32) for shape in rows)})
    with pytest.raises(DataError, match="extra rows 'others' " + said):
        Trainer(data, Head(16), QUICK)


def test_extra_rows_of_another_type_are_refused(task):
    data = replace(task, extra={"others": (np.zeros((3, 20)), np.zeros((3, 20)))})
    with pytest.raises(DataError, match="of fold 0 are float64"):
        Trainer(data, Head(16), QUICK)


def random_head(*sizes, bias=None):
    rng = np.random.default_rng(2)
    matrices = tuple(rng.normal(size=shape).astype(np.float32) for shape in pairwise(sizes))
    biases = (*(None for _ in matrices[:-1]), np.ones(sizes[-1], dtype=np.float32))
    biases = biases if bias is None else (bias, *biases[1:])
    inputs = np.sort(rng.permutation(20)[: sizes[0]])
    return CompactHead(inputs, 20, matrices, biases, tuple(m.size for m in matrices))


def network(head):
    """The same head as torch modules, on the features it reads."""
    layers = []
    for matrix, bias in zip(head.matrices, head.biases, strict=True):
        linear = torch.nn.Linear(*matrix.shape, bias=bias is not None)
        linear.weight.data = torch.from_numpy(matrix.T.copy())
        if bias is not None:
            linear.bias.data = torch.from_numpy(bias)
        layers += [linear, torch.nn.ReLU()]
    return torch.nn.Sequential(*layers[:-1])


HEADS = [random_head(9, 6, 3), random_head(9, 6, 5, 3, bias=np.full(6, 0.5, dtype=np.float32))]


@pytest.mark.parametrize("rows", [0, 1, CHUNK_ROWS, 2 * CHUNK_ROWS + 3])
@pytest.mark.parametrize("head", HEADS, ids=["one hidden layer", "two"])
def test_logits_and_penultimate_outputs_are_those_of_torch_modules(head, rows):
    X = np.random.default_rng(rows).normal(size=(rows, 20)).astype(np.float32)
    modules = network(head)
    with torch.no_grad():
        inside = modules[:-1](torch.from_numpy(X[:, head.inputs])).numpy()
        expected = modules(torch.from_numpy(X[:, head.inputs])).numpy()
    assert np.allclose(penultimate(head, X), inside, atol=1e-5)
    assert np.allclose(head_logits(head, X), expected, atol=1e-5)
    assert penultimate(head, X).shape == (rows, head.matrices[-1].shape[0])
    assert head_logits(head, X).shape == (rows, 3)
    assert not rows or penultimate(head, X).min() == 0


def test_without_hidden_layers_the_penultimate_outputs_are_the_features_that_are_read():
    head = random_head(9, 3)
    X = np.random.default_rng(0).normal(size=(7, 20)).astype(np.float32)
    assert np.array_equal(penultimate(head, X), X[:, head.inputs])


def test_features_that_cannot_be_written_to_are_read_without_a_warning_and_stay(tmp_path):
    np.save(tmp_path / "X.npy", np.random.default_rng(0).normal(size=(50, 20)).astype(np.float32))
    X = np.load(tmp_path / "X.npy", mmap_mode="r", allow_pickle=False)
    before = X.tobytes()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        head_logits(HEADS[0], X)
        penultimate(HEADS[0], X)
    assert X.tobytes() == before


@pytest.mark.parametrize("apply", [head_logits, penultimate])
def test_features_of_another_width_are_refused(apply):
    with pytest.raises(DataError, match=r"shape \(4, 9\) do not fit a head made for 20 features a row"):
        apply(HEADS[0], np.zeros((4, 9), dtype=np.float32))


@pytest.mark.parametrize("initial_seed", [None, 9])
def test_weights_are_those_of_the_reference_from_the_initial_weights_that_the_recipe_says(task, initial_seed):
    recipe = QUICK.model_copy(update={"precision": "float32", "initial_seed": initial_seed})
    head, plan = Head(16), parse_encoding("connections", Head(16), width=20, classes=3)
    structure = plan.decode(np.random.default_rng(1).random(plan.length) < 0.4)
    rows = task.folds[0].train
    X = StandardScaler().fit_transform(task.X[rows].astype(np.float64)).astype(np.float32)
    initial = initial_matrices(head.shapes(20, 3), 3 if initial_seed is None else initial_seed)
    expected = train_reference(X, task.y[rows], structure, head, 3, recipe, 3, initial=initial)
    for ours, theirs in zip(WeightTraining(task, head, recipe).weights(structure, 3), expected.matrices, strict=True):
        assert np.allclose(ours, theirs, atol=1e-4)
    by_seed = train_reference(X, task.y[rows], structure, head, 3, recipe, 3)
    for ours, theirs in zip(by_seed.matrices, expected.matrices, strict=True):
        assert np.array_equal(ours, theirs)
    # The population's engine begins with them too, and gives the same answers.
    (trained,) = Trainer(task, head, recipe).train([structure], [3, 4])
    hidden = np.maximum(X @ expected.matrices[0], 0)
    logits = trained.heads[0][0].logits(task.X[rows])
    assert np.allclose(logits, hidden @ expected.matrices[1] + expected.biases[-1], atol=1e-3)
    # Another seed has other batches.
    assert not np.allclose(trained.heads[0][1].logits(task.X[rows]), logits, atol=1e-3)
