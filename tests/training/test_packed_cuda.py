"""What the other tests of the packed engine ask on a CPU, asked of a GPU. They need one."""

from __future__ import annotations

import os
import signal
import threading
import time

import numpy as np
import pytest
import torch

from evoprune.errors import ConfigError
from evoprune.heads import Head, parse_encoding
from evoprune.training import FAST, PAPER, Recipe, train_population
from evoprune.training._device import exact_products
from evoprune.training._goal import Goal, smoothed_targets
from evoprune.training._packed_engine import PackedEngine
from evoprune.training._packs import Job, bucket_of, pack_bytes
from evoprune.training._randomness import initial_matrices
from evoprune.training._reference import train_reference

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")

GPU = torch.device("cuda", 0)
ADAM = FAST.model_copy(update={"epochs": 6, "batch_size": 32, "hidden_dropout": 0.3})
SGD = Recipe(optimizer="sgd", learning_rate=1e-2, batch_size=32, epochs=6, early_stopping={"patience": 2})
PLAIN = SGD.model_copy(update={"momentum": 0.0})
ENCODINGS = [("features", Head(100)), ("both", Head(100, 70)), ("connections", Head(100))]


def work(encoding, head, recipe, dtype=torch.float32, master=torch.float32):
    """An engine on 150 rows x 200 features in two folds, twenty trainings, their initial weights, X and y."""
    rng = np.random.default_rng(3)
    X = [rng.normal(size=(150, 200)).astype(np.float32) for _ in range(2)]
    y = [rng.integers(0, 10, 150) for _ in range(2)]
    goals = [Goal(smoothed_targets(torch.from_numpy(part), 10, recipe.label_smoothing, master)) for part in y]
    engine = PackedEngine([torch.from_numpy(part).to(dtype) for part in X], goals, recipe, GPU, master)
    plan = parse_encoding(encoding, head, width=200, classes=10)
    candidates = [plan.decode(rng.random(plan.length) < share) for share in (0.3, 0.4, 0.45, 0.5, 0.9)]
    jobs = [Job(candidate, fold, seed) for candidate in candidates for fold in (0, 1) for seed in (5, 6)]
    return engine, jobs, {s: initial_matrices(head.shapes(200, 10), s) for s in (5, 6)}, X, y


def difference(a, b):
    return max(np.abs(p - q).max(initial=0) for p, q in zip(a.matrices, b.matrices, strict=True))


@pytest.mark.parametrize("recipe", [ADAM, SGD, PLAIN], ids=["adam", "sgd", "plain"])
@pytest.mark.parametrize(("encoding", "head"), ENCODINGS)
@pytest.mark.parametrize(("dtype", "bound"), [(torch.float64, 1e-9), (torch.float32, 1e-4)], ids=["f64", "f32"])
def test_a_gpu_takes_the_references_steps(encoding, head, recipe, dtype, bound):
    recipe = recipe.model_copy(update={"early_stopping": None})
    engine, jobs, start, X, y = work(encoding, head, recipe, dtype, dtype)
    for number, got in engine.train(jobs, start, max_steps=25):
        job = jobs[number]
        reference = train_reference(
            X[job.fold], y[job.fold], job.structure, head, 10, recipe, job.seed, max_steps=25, dtype=dtype
        )
        layers = [np.flatnonzero(layer) for layer in job.structure.layers(10)]
        for i, (full, compact) in enumerate(zip(reference.matrices, got.matrices, strict=True)):
            assert np.abs(full[np.ix_(layers[i], layers[i + 1])] - compact).max(initial=0) <= bound
        assert np.abs(reference.biases[-1] - got.bias).max() <= bound


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_the_same_call_gives_the_same_bits(dtype):
    engine, jobs, start, _, _ = work("both", Head(100, 70), ADAM, dtype)
    first, second = dict(engine.train(jobs, start)), dict(engine.train(jobs, start))
    for number, weights in first.items():
        for a, b in zip(weights.matrices, second[number].matrices, strict=True):
            assert a.tobytes() == b.tobytes()


def in_other_company(dtype):
    engine, jobs, start, _, _ = work("both", Head(100, 70), ADAM, dtype)
    order = np.random.default_rng(0).permutation(len(jobs))
    shuffled = {order[n]: weights for n, weights in engine.train([jobs[n] for n in order], start)}
    pairs = [(weights, shuffled[number]) for number, weights in engine.train(jobs, start)]
    return pairs + [(shuffled[n], next(engine.train([jobs[n]], start))[1]) for n in (1, 6, 11, 16)]


def test_company_and_slot_change_the_last_digits_at_most():
    assert max(difference(*pair) for pair in in_other_company(torch.float32)) <= 1e-4


@pytest.mark.xfail(strict=False, reason="promised by no library: another slot may be summed in another order")
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_company_and_slot_change_not_a_bit(dtype):
    assert max(difference(*pair) for pair in in_other_company(dtype)) == 0


def test_float32_is_float32():
    a, b = torch.rand(2, 256, 256, device=GPU), torch.rand(2, 256, 256, device=GPU)
    with exact_products():
        product = torch.bmm(a, b)
    exact = torch.bmm(a.double(), b.double())
    assert float(((product - exact).abs() / exact).max()) < 1e-5  # TF32 is off by 1e-4 and more


def test_the_estimate_is_no_less_than_what_is_allocated():
    engine, jobs, start, _, _ = work("features", Head(100), ADAM)
    jobs = jobs[-4:]
    torch.cuda.synchronize(GPU)
    torch.cuda.reset_peak_memory_stats(GPU)
    before = torch.cuda.memory_allocated(GPU)
    list(engine.train(jobs, start))
    peak = torch.cuda.max_memory_allocated(GPU) - before
    bucket = bucket_of(jobs[0], 150, 10, ADAM)
    # Beside the pack: the initial weights of two seeds, and what cuBLAS works in.
    assert peak <= pack_bytes(bucket, bucket.slots, 4, 200, ADAM, torch.float32, torch.float32) + 2**26


@pytest.mark.parametrize("recipe", [ADAM, SGD, PAPER.model_copy(update={"epochs": 6})], ids=["adam", "sgd", "paper"])
def test_a_gpu_agrees_with_the_cpu(task, recipe):
    plan = parse_encoding("features", Head(16), width=20, classes=3)
    rng = np.random.default_rng(0)
    structures = [plan.decode(rng.random(20) < share) for share in np.linspace(0, 1, 5)]
    cpu, gpu = (
        train_population(task, structures, head=Head(16), recipe=recipe, seeds=[0, 3], device=device)
        for device in ("cpu", "cuda")
    )
    for a, b in zip(cpu, gpu, strict=True):
        for fold in range(2):
            for seed in range(2):
                assert np.abs(a.logits[fold][seed] - b.logits[fold][seed]).max() <= 1e-3


def test_bfloat16_costs_no_accuracy(task):
    plan = parse_encoding("features", Head(32), width=20, classes=3)
    accuracies = []
    for precision in ("float32", "bfloat16"):
        recipe = FAST.model_copy(update={"batch_size": 32, "epochs": 30, "precision": precision})
        (result,) = train_population(
            task, [plan.decode(plan.dense_genome())], head=Head(32), recipe=recipe, seeds=[0, 1, 2], device="cuda"
        )
        pairs = [
            (logits, task.y[f.evaluate])
            for f, by_seed in zip(task.folds, result.logits, strict=True)
            for logits in by_seed
        ]
        accuracies.append(np.mean([(logits.argmax(1) == y).mean() for logits, y in pairs]))
    assert abs(accuracies[0] - accuracies[1]) <= 0.03


def test_memory_that_runs_out_is_one_sentence():
    engine, jobs, start, _, _ = work("features", Head(100), ADAM)
    torch.cuda.empty_cache()
    try:
        torch.cuda.set_per_process_memory_fraction(1e-6, GPU)
        with pytest.raises(ConfigError, match="memory of device 'cuda:0' ran out"):
            list(engine.train(jobs, start))
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0, GPU)


def test_an_interrupt_ends_all_trainings_at_once(task):
    plan = parse_encoding("features", Head(16), width=20, classes=3)
    recipe = SGD.model_copy(update={"epochs": 100_000, "early_stopping": None})
    timer = threading.Timer(3, os.kill, [os.getpid(), signal.SIGINT])
    started = time.perf_counter()
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        train_population(
            task, [plan.decode(plan.dense_genome())], head=Head(16), recipe=recipe, seeds=[0], device="cuda"
        )
    assert time.perf_counter() - started < 8
