"""The engine is held to the reference: float64 to 1e-9 after 200 steps, float32 to 1e-4, bfloat16 within noise."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from evoprune.heads import Head, parse_encoding
from evoprune.training import PAPER, Recipe
from evoprune.training._cancelled import TrainingCancelled
from evoprune.training._engine import train_compact
from evoprune.training._goal import Goal, smoothed_targets
from evoprune.training._kernel import load_kernel
from evoprune.training._randomness import initial_matrices
from evoprune.training._reference import train_reference

ADAM = Recipe(
    optimizer="adam",
    learning_rate=2e-3,
    schedule="cosine",
    batch_size=32,
    epochs=40,
    input_dropout=0.4,
    hidden_dropout=0.5,
    label_smoothing=0.1,
)
STOPPING = Recipe(optimizer="sgd", learning_rate=1.2, batch_size=32, epochs=60, early_stopping={"patience": 3})
CASES = [
    ("features", Head(24)),
    ("first", Head(24, 18)),
    ("second", Head(24, 18)),
    ("both", Head(24, 18)),
    ("connections", Head(24)),
    ("connections", Head(24, 18)),
]


def both(task, encoding, head, recipe, share, *, steps=200, dtype=torch.float64, master=None):
    plan = parse_encoding(encoding, head, width=20, classes=3)
    structure = plan.decode(np.random.default_rng(1).random(plan.length) < share)
    X = (task.X - task.X.mean(0)) / task.X.std(0)
    reference = train_reference(X, task.y, structure, head, 3, recipe, 5, max_steps=steps, dtype=master or dtype)
    engine = train_compact(
        torch.from_numpy(X).to(dtype),
        Goal(smoothed_targets(torch.from_numpy(task.y), 3, recipe.label_smoothing, master or dtype)),
        structure,
        initial_matrices(head.shapes(20, 3), 5),
        recipe,
        5,
        max_steps=steps,
        master=master or dtype,
    )
    layers = [np.flatnonzero(layer) for layer in structure.layers(3)]
    small = [m[np.ix_(layers[i], layers[i + 1])] for i, m in enumerate(reference.matrices)]
    return reference, small, engine


@pytest.mark.parametrize("recipe", [PAPER, ADAM], ids=["paper", "adam"])
@pytest.mark.parametrize("share", [0.4, 1.0])
@pytest.mark.parametrize(("encoding", "head"), CASES)
@pytest.mark.parametrize(("dtype", "bound"), [(torch.float64, 1e-9), (torch.float32, 1e-4)], ids=["f64", "f32"])
def test_engine_takes_the_references_steps(task, encoding, head, recipe, share, dtype, bound):
    reference, small, engine = both(task, encoding, head, recipe, share, dtype=dtype)
    for expected, got in zip(small, engine.matrices, strict=True):
        assert np.abs(expected - got).max() <= bound
    assert np.abs(reference.biases[-1] - engine.bias).max() <= bound


@pytest.mark.parametrize("share", [0.0, 0.06])
@pytest.mark.parametrize(("encoding", "head"), CASES)
def test_candidates_with_little_or_nothing_on(task, encoding, head, share):
    reference, small, engine = both(task, encoding, head, ADAM, share)
    for expected, got in zip(small, engine.matrices, strict=True):
        assert expected.shape == got.shape
        assert not expected.size or np.abs(expected - got).max() <= 1e-9
    assert np.abs(reference.biases[-1] - engine.bias).max() <= 1e-9


@pytest.mark.parametrize(("encoding", "head"), CASES[:4])
def test_early_stopping_is_the_references(task, encoding, head):
    reference, small, engine = both(task, encoding, head, STOPPING, 0.6, steps=None)
    assert engine.epochs == reference.epochs < 60
    assert engine.loss == pytest.approx(reference.loss, abs=1e-9)
    assert all(np.abs(e - g).max() <= 1e-7 for e, g in zip(small, engine.matrices, strict=True))


@pytest.mark.parametrize(
    "recipe", [PAPER.model_copy(update={"epochs": 25, "learning_rate": 0.02}), ADAM], ids=["sgd", "adam"]
)
def test_bfloat16_products_cost_no_accuracy(task, recipe):
    _, small, engine = both(
        task, "features", Head(24), recipe, 1.0, steps=None, dtype=torch.bfloat16, master=torch.float32
    )
    X = (task.X - task.X.mean(0)) / task.X.std(0)

    def accuracy(matrices, bias):
        return ((np.maximum(X @ matrices[0], 0) @ matrices[1] + bias).argmax(1) == task.y).mean()

    reference, small, _ = both(task, "features", Head(24), recipe, 1.0, steps=None, dtype=torch.float32)
    assert abs(accuracy(small, reference.biases[-1]) - accuracy(engine.matrices, engine.bias)) <= 0.02


def test_a_cancelled_training_ends_at_once(task):
    calls = []

    def cancelled():
        calls.append(1)
        return len(calls) > 3

    plan = parse_encoding("features", Head(8), width=20, classes=3)
    with pytest.raises(TrainingCancelled):
        train_compact(
            torch.from_numpy(task.X),
            Goal(smoothed_targets(torch.from_numpy(task.y), 3, 0.0)),
            plan.decode(plan.dense_genome()),
            initial_matrices(Head(8).shapes(20, 3), 0),
            PAPER,
            0,
            cancelled=cancelled,
        )
    assert len(calls) == 4


def moved(expected, start, got):
    """How far the weights are from where they should be, as a share of how far they should have moved."""
    return np.linalg.norm(got - expected) / np.linalg.norm(expected - start)


@pytest.mark.skipif(load_kernel() is None, reason="no compiled kernel: no C compiler, or no AVX-512 BF16")
@pytest.mark.parametrize(
    ("encoding", "share"),
    [("features", 1.0), ("features", 0.35), ("first", 0.5), ("connections", 0.4), ("connections", 0.002)],
)
@pytest.mark.parametrize("recipe", [PAPER, ADAM.model_copy(update={"hidden_dropout": 0.0})], ids=["paper", "adam"])
def test_the_kernel_takes_the_same_steps(task, encoding, share, recipe):
    plan = parse_encoding(encoding, Head(70), width=20, classes=3)
    structure = plan.decode(np.random.default_rng(2).random(plan.length) < share)
    X = (task.X - task.X.mean(0)) / task.X.std(0)
    initial = initial_matrices(Head(70).shapes(20, 3), 5)
    goal = Goal(smoothed_targets(torch.from_numpy(task.y), 3, recipe.label_smoothing))

    def train(dtype, master, kernel):
        return train_compact(
            torch.from_numpy(X).to(dtype), goal, structure, initial, recipe, 5,
            max_steps=60, master=master, kernel=kernel,
        )  # fmt: skip

    exact = train(torch.float64, torch.float64, kernel=False)
    plain = train(torch.bfloat16, torch.float32, kernel=False)
    compiled = train(torch.bfloat16, torch.float32, kernel=True)
    layers = [np.flatnonzero(layer) for layer in structure.layers(3)]
    for i, (e, p, c) in enumerate(zip(exact.matrices, plain.matrices, compiled.matrices, strict=True)):
        start = initial[i][np.ix_(layers[i], layers[i + 1])]
        if structure.matrix == i:
            off = ~structure.connections[np.ix_(layers[i], layers[i + 1])]
            assert off.any() and not c[off].any()
            start = np.where(off, 0, start)
        # bfloat16 keeps eight bits: the kernel may not be further off than the plain operations, by much.
        assert moved(e, start, c) <= max(1.5 * moved(e, start, p), 0.01)
        assert moved(e, start, c) <= 0.05


@pytest.mark.skipif(load_kernel() is None, reason="no compiled kernel: no C compiler, or no AVX-512 BF16")
def test_the_kernel_stops_early_like_the_reference(task):
    X = (task.X - task.X.mean(0)) / task.X.std(0)
    plan = parse_encoding("features", Head(64), width=20, classes=3)
    recipe = Recipe(
        optimizer="sgd",
        learning_rate=0.05,
        batch_size=32,
        epochs=200,
        early_stopping={"min_delta": 2e-3, "patience": 2},
    )
    reference = train_reference(X, task.y, plan.decode(plan.dense_genome()), Head(64), 3, recipe, 5)
    engine = train_compact(
        torch.from_numpy(X).bfloat16(),
        Goal(smoothed_targets(torch.from_numpy(task.y), 3, 0.0)),
        plan.decode(plan.dense_genome()),
        initial_matrices(Head(64).shapes(20, 3), 5),
        recipe,
        5,
    )
    assert reference.epochs < 200
    assert abs(engine.epochs - reference.epochs) <= 5
    assert engine.loss == pytest.approx(reference.loss, rel=0.05)


def test_without_a_compiler_the_same_steps_run_as_torch_operations(monkeypatch):
    load_kernel.cache_clear()
    try:
        monkeypatch.setenv("CC", "no-such-compiler")
        assert load_kernel() is None
        load_kernel.cache_clear()
        monkeypatch.delenv("CC")
        monkeypatch.setenv("EVOPRUNE_KERNEL", "0")
        assert load_kernel() is None
    finally:
        load_kernel.cache_clear()


def test_a_compiler_that_fails_is_no_error(monkeypatch, tmp_path):
    broken = tmp_path / "cc"
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(0o755)
    load_kernel.cache_clear()
    try:
        monkeypatch.setenv("CC", str(broken))
        assert load_kernel() is None
    finally:
        load_kernel.cache_clear()
