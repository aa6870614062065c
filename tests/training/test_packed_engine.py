"""The packed engine takes the reference's steps, and company changes nothing.

It runs on the CPU here, by the operations that a GPU would run.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from evoprune.heads import Head, parse_encoding
from evoprune.training import FAST, PAPER, Recipe
from evoprune.training import _packed_engine as packed_engine
from evoprune.training._cancelled import TrainingCancelled
from evoprune.training._device_rows import DeviceRows
from evoprune.training._engine import train_compact
from evoprune.training._goal import Goal, smoothed_targets
from evoprune.training._packed_engine import PackedEngine
from evoprune.training._packed_network import PackedNetwork
from evoprune.training._packs import Job, bucket_of
from evoprune.training._randomness import initial_matrices
from evoprune.training._reference import train_reference

CPU = torch.device("cpu")
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
SGD = PAPER.model_copy(update={"momentum": 0.0, "learning_rate": 0.02, "hidden_dropout": 0.3})
HEAVY_BALL = PAPER.model_copy(update={"nesterov": False, "learning_rate": 0.01, "early_stopping": None})
STOPPING = Recipe(
    optimizer="sgd", learning_rate=0.05, batch_size=32, epochs=200, early_stopping={"min_delta": 2e-3, "patience": 2}
)
RECIPES = {"paper": PAPER, "adam": ADAM, "sgd": SGD, "heavy ball": HEAVY_BALL}
CASES = [
    ("features", Head(24)),
    ("first", Head(24, 18)),
    ("second", Head(24, 18)),
    ("both", Head(24, 18)),
    ("connections", Head(24)),
    ("connections", Head(24, 18)),
    ("connections:1", Head(24, 18)),
]


def structures(encoding, head, shares, *, width=20, classes=3):
    plan = parse_encoding(encoding, head, width=width, classes=classes)
    return [plan.decode(np.random.default_rng(i).random(plan.length) < share) for i, share in enumerate(shares)]


def folds(task):
    """Standardised features and labels of two folds, which differ in their number of rows but not of steps."""
    X = (task.X - task.X.mean(0)) / task.X.std(0)
    rows = np.random.default_rng(0).permutation(len(X))[:230]
    return [X, X[rows]], [task.y, task.y[rows]]


def engine(X, y, recipe, classes=3, *, dtype=torch.float64, master=torch.float64):
    goals = [Goal(smoothed_targets(torch.from_numpy(part), classes, recipe.label_smoothing, master)) for part in y]
    return PackedEngine([torch.from_numpy(part).to(dtype) for part in X], goals, recipe, CPU, master)


def jobs_of(candidates, seeds=(5, 6)):
    return [Job(candidate, fold, seed) for candidate in candidates for fold in (0, 1) for seed in seeds]


def initial(head, seeds=(5, 6), *, width=20, classes=3):
    return {seed: initial_matrices(head.shapes(width, classes), seed) for seed in seeds}


def difference(reference, job, got):
    layers = [np.flatnonzero(layer) for layer in job.structure.layers(got.bias.size)]
    worst = np.abs(reference.biases[-1] - got.bias).max()
    for i, (full, compact) in enumerate(zip(reference.matrices, got.matrices, strict=True)):
        block = full[np.ix_(layers[i], layers[i + 1])]
        assert compact.shape == block.shape
        worst = max(worst, np.abs(block - compact).max(initial=0))
    return worst


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
@pytest.mark.parametrize(("encoding", "head"), CASES)
@pytest.mark.parametrize(("dtype", "bound"), [(torch.float64, 1e-9), (torch.float32, 1e-4)], ids=["f64", "f32"])
def test_a_pack_takes_the_references_steps(task, encoding, head, recipe, dtype, bound):
    X, y = folds(task)
    jobs = jobs_of(structures(encoding, head, (0, 0.06, 0.4, 1.0)))
    steps = 200 if dtype == torch.float64 else 60
    # The reference's early stopping is asked for below: in float32 a loss may fall on either side of its bound.
    recipe = recipe.model_copy(update={"early_stopping": None})
    packed = engine(X, y, recipe, dtype=dtype, master=dtype)
    results = dict(packed.train(jobs, initial(head), max_steps=steps))
    assert sorted(results) == list(range(len(jobs)))
    for number, job in enumerate(jobs):
        if number % 3:  # six of sixteen: each candidate, fold and seed
            continue
        reference = train_reference(
            X[job.fold], y[job.fold], job.structure, head, 3, recipe, job.seed, max_steps=steps, dtype=dtype
        )
        assert difference(reference, job, results[number]) <= bound
        assert results[number].epochs == reference.epochs


@pytest.mark.parametrize(("encoding", "head"), CASES[:5])
def test_each_slot_stops_early_where_the_reference_does(task, encoding, head):
    X, y = folds(task)
    jobs = jobs_of(structures(encoding, head, (0.0, 0.3, 0.6, 1.0)))
    given = list(engine(X, y, STOPPING).train(jobs, initial(head)))
    results = dict(given)
    assert len(given) == len(results) == len(jobs)
    for number, job in enumerate(jobs):
        reference = train_reference(
            X[job.fold], y[job.fold], job.structure, head, 3, STOPPING, job.seed, dtype=torch.float64
        )
        got = results[number]
        assert got.epochs == reference.epochs < 200
        assert got.loss == pytest.approx(reference.loss, abs=1e-9)
        assert difference(reference, job, got) <= 1e-9
    assert len({result.epochs for result in results.values()}) > 2
    assert [results[n].epochs for n, _ in given] != [
        results[n].epochs for n in range(len(jobs))
    ]  # done first, first out


def test_a_training_that_stops_early_is_handed_over_at_once(task):
    X, y = folds(task)
    jobs = jobs_of(structures("features", Head(24), (0.0, 1.0)))
    recipe = PAPER.model_copy(update={"epochs": 100_000, "learning_rate": 1e-4})
    number, weights = next(engine(X, y, recipe).train(jobs, initial(Head(24))))
    assert jobs[number].structure.inputs.sum() == 0
    assert weights.epochs < 1000


@pytest.mark.parametrize("count", [1, 31, 32, 33, 4096, 4100])
def test_an_epoch_that_ends_within_a_batch_or_begins_a_second_chunk(count):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(count, 20)).astype(np.float32), rng.integers(0, 3, count)
    recipe = ADAM.model_copy(update={"epochs": 2, "early_stopping": STOPPING.early_stopping})
    job = Job(structures("both", Head(24, 18), (0.6,))[0], 0, 5)
    ((_, got),) = engine([X], [y], recipe).train([job], initial(Head(24, 18)))
    reference = train_reference(X, y, job.structure, Head(24, 18), 3, recipe, 5, dtype=torch.float64)
    assert difference(reference, job, got) <= 1e-9
    assert got.loss == pytest.approx(reference.loss, abs=1e-9)


def wide(classes, dtype, batch_size, optimizer="adam"):
    """Twenty trainings in few buckets, wide enough for the library's large kernels, and the engine for them."""
    rng = np.random.default_rng(3)
    X = [rng.normal(size=(150, 200)).astype(np.float32) for _ in range(2)]
    y = [rng.integers(0, classes, 150) for _ in range(2)]
    recipe = FAST.model_copy(update={"epochs": 3, "batch_size": batch_size, "optimizer": optimizer})
    candidates = structures("both", Head(100, 70), (0.3, 0.4, 0.45, 0.5, 0.9), width=200, classes=classes)
    packed = engine(
        X, y, recipe, classes, dtype=dtype, master=torch.float64 if dtype == torch.float64 else torch.float32
    )
    return packed, jobs_of(candidates), initial(Head(100, 70), width=200, classes=classes)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64], ids=str)
@pytest.mark.parametrize(("classes", "batch_size"), [(3, 32), (10, 37), (17, 128), (2, 9)])
def test_company_and_slot_change_nothing(classes, batch_size, dtype):
    """Bit for bit, on a CPU."""
    packed, jobs, start = wide(classes, dtype, batch_size)
    together = dict(packed.train(jobs, start))
    order = np.random.default_rng(0).permutation(len(jobs))
    shuffled = {order[n]: weights for n, weights in packed.train([jobs[n] for n in order], start)}
    alone = {number: next(packed.train([jobs[number]], start))[1] for number in (1, 6, 11, 16)}
    for number, expected in together.items():
        for other in (shuffled[number], alone.get(number, expected)):
            assert other.bias.tobytes() == expected.bias.tobytes()
            for a, b in zip(other.matrices, expected.matrices, strict=True):
                assert a.tobytes() == b.tobytes()


def test_fewer_slots_change_the_last_digits_at_most(monkeypatch):
    packed, jobs, start = wide(10, torch.float32, 32)
    roomy = dict(packed.train(jobs, start))
    monkeypatch.setattr(packed_engine, "free_bytes", lambda device: 0)
    for number, weights in packed.train(jobs, start):
        for a, b in zip(weights.matrices, roomy[number].matrices, strict=True):
            assert np.abs(a - b).max(initial=0) <= 1e-4


def test_features_sent_in_chunks_give_the_same_bits(monkeypatch):
    packed, jobs, start = wide(10, torch.float32, 32)
    monkeypatch.setattr("evoprune.training._device_rows.free_bytes", lambda device: 0)
    sent, _, _ = wide(10, torch.float32, 32)
    assert (packed.rows.resident, sent.rows.resident) == (True, False)
    kept = dict(packed.train(jobs, start))
    for number, weights in sent.train(jobs, start):
        assert all(a.tobytes() == b.tobytes() for a, b in zip(weights.matrices, kept[number].matrices, strict=True))


def test_a_candidate_that_diverges_harms_no_other(task):
    X, y = folds(task)
    broken = [X[0], np.where(np.arange(20) == 0, np.float32(1e30), X[1])]
    candidates = structures("features", Head(24), (0.0, 0.5, 1.0))
    recipe = PAPER.model_copy(update={"epochs": 12})
    results = dict(
        engine(broken, y, recipe, dtype=torch.float32, master=torch.float32).train(
            jobs_of(candidates), initial(Head(24))
        )
    )
    alone = dict(
        engine(X, y, recipe, dtype=torch.float32, master=torch.float32).train(jobs_of(candidates), initial(Head(24)))
    )
    reads_it = [job.fold == 1 and bool(job.structure.inputs[0]) for job in jobs_of(candidates)]
    assert any(reads_it)
    for number, harmed in enumerate(reads_it):
        if harmed:
            assert not np.isfinite(results[number].matrices[0]).all()
        elif jobs_of(candidates)[number].fold == 0:
            assert results[number].matrices[0].tobytes() == alone[number].matrices[0].tobytes()


@pytest.mark.parametrize("recipe", [PAPER, FAST], ids=["paper", "fast"])
def test_bfloat16_products_are_as_good_as_the_unpacked_engines(task, recipe):
    X, y = folds(task)
    recipe = recipe.model_copy(update={"epochs": 20, "batch_size": 32, "learning_rate": 5e-3})
    head = Head(70)
    jobs = jobs_of(structures("features", head, (0.5, 1.0)))
    start = initial(head)

    def packed(dtype, master):
        return dict(engine(X, y, recipe, dtype=dtype, master=master).train(jobs, start))

    exact, got = packed(torch.float64, torch.float64), packed(torch.bfloat16, torch.float32)
    for number, job in enumerate(jobs):
        plain = train_compact(
            torch.from_numpy(X[job.fold]).bfloat16(),
            Goal(smoothed_targets(torch.from_numpy(y[job.fold]), 3, recipe.label_smoothing)),
            job.structure,
            start[job.seed],
            recipe,
            job.seed,
            kernel=False,
        )
        for e, p, g in zip(exact[number].matrices, plain.matrices, got[number].matrices, strict=True):
            size = np.linalg.norm(e)
            assert np.linalg.norm(g - e) / size <= max(1.5 * np.linalg.norm(p - e) / size, 0.01)


def test_cancelled_trainings_end_within_a_step(task):
    X, y = folds(task)
    calls = []

    def cancelled():
        calls.append(1)
        return len(calls) > 3

    with pytest.raises(TrainingCancelled):
        list(engine(X, y, ADAM).train(jobs_of(structures("features", Head(8), (1.0,))), initial(Head(8)), cancelled))
    assert len(calls) == 4


def test_weights_that_were_handed_over_stay_what_they_were():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(96, 64)).astype(np.float32), rng.integers(0, 3, 96)
    recipe = PAPER.model_copy(update={"early_stopping": None})
    rows = DeviceRows([torch.from_numpy(X)], [Goal(smoothed_targets(torch.from_numpy(y), 3, 0.0))], CPU)
    jobs = [Job(structure, 0, 0) for structure in structures("features", Head(64), (1.0, 1.0), width=64)]
    start = {0: tuple(torch.ones(a + 1, b + 1) for a, b in Head(64).shapes(64, 3))}
    network = PackedNetwork(jobs, bucket_of(jobs[0], 96, 3, recipe), 2, rows, start, recipe, torch.float32)
    handed = network.weights(0, kept=False)[0][0]
    before = handed.copy()
    network.run(1, [0.1] * 3, lambda: False)
    assert np.array_equal(handed, before)
    assert not np.array_equal(network.weights(0, kept=False)[0][0], before)
