"""Buckets and slots depend on the candidate alone, and a pack fits into the memory that is free."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import torch

from evoprune.heads import Head, Structure, parse_encoding
from evoprune.training import FAST, PAPER, Recipe
from evoprune.training import _packed_engine as packed_engine
from evoprune.training._device_rows import DeviceRows
from evoprune.training._goal import Goal
from evoprune.training._packed_network import PackedNetwork
from evoprune.training._packs import Bucket, Job, affordable_slots, bucket_of, pack_bytes, plan_packs

F32 = torch.float32


def structure(*active, widths=(300, 70)):
    inputs, *hidden = (np.arange(width) < count for width, count in zip(widths, active, strict=True))
    return Structure(inputs, tuple(hidden))


@pytest.mark.parametrize(
    ("active", "sizes"),
    [((0, 0), (64, 64)), ((1, 64), (64, 64)), ((65, 64), (128, 64)), ((300, 70), (320, 128)), ((256, 1), (256, 64))],
)
def test_sizes_are_the_candidates_own_padded_to_64(active, sizes):
    bucket = bucket_of(Job(structure(*active), 0, 0), 100, 3, FAST)
    assert bucket == Bucket((*sizes, 16), steps=1, matrix=None)


def test_a_bucket_takes_candidates_folds_and_seeds_with_equally_many_steps():
    jobs = [Job(structure(n, 70), fold, seed) for n in (100, 128, 129) for fold in (0, 1, 2) for seed in (0, 1)]
    plan = plan_packs(jobs, [256, 250, 257], 10, FAST)
    assert sorted(n for numbers in plan.values() for n in numbers) == list(range(len(jobs)))
    found = {
        (bucket.sizes[0], bucket.steps): {(int(jobs[n].structure.inputs.sum()), jobs[n].fold) for n in numbers}
        for bucket, numbers in plan.items()
    }
    assert found == {
        (128, 2): {(100, 0), (100, 1), (128, 0), (128, 1)},
        (128, 3): {(100, 2), (128, 2)},
        (192, 2): {(129, 0), (129, 1)},
        (192, 3): {(129, 2)},
    }


def test_pruned_connections_are_a_bucket_of_their_own():
    plan = parse_encoding("connections", Head(70), width=300, classes=3)
    pruned, dense = plan.decode(plan.dense_genome()), structure(300, 70)
    buckets = [bucket_of(Job(s, 0, 0), 100, 3, FAST) for s in (pruned, dense)]
    assert [bucket.matrix for bucket in buckets] == [0, None]


@pytest.mark.parametrize(
    ("sizes", "slots"), [((64, 64, 16), 16), ((2048, 512, 16), 8), ((8192, 512, 16), 2), ((65536, 4096, 16), 1)]
)
def test_large_matrices_get_fewer_slots(sizes, slots):
    assert Bucket(sizes, 10, None).slots == slots


def test_slots_are_halved_until_a_pack_fits():
    bucket = Bucket((640, 512, 16), 10, None)

    def slots(free):
        return affordable_slots(bucket, 1, 1280, FAST, F32, F32, free)

    whole = pack_bytes(bucket, 16, 1, 1280, FAST, F32, F32)
    assert slots(2 * whole) == 16
    assert slots(whole) == 8
    assert slots(0) == 1
    found = [slots(free) for free in range(0, 2 * whole, whole // 40)]
    assert set(found) == {1, 2, 4, 8, 16}
    assert found == sorted(found)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("recipe", [FAST.model_copy(update={"hidden_dropout": 0.5}), PAPER], ids=["fast", "paper"])
@pytest.mark.parametrize(("encoding", "head"), [("features", Head(70)), ("connections", Head(70, 40))])
def test_the_estimate_is_no_less_than_what_a_pack_holds(encoding, head, recipe, precision):
    dtype = getattr(torch, precision)
    rows = DeviceRows([torch.zeros(1000, 300, dtype=dtype)], [Goal(torch.zeros(1000, 10))], torch.device("cpu"))
    plan = parse_encoding(encoding, head, width=300, classes=10)
    jobs = [Job(plan.decode(plan.dense_genome()), 0, seed) for seed in range(4)]
    bucket = bucket_of(jobs[0], 1000, 10, recipe)
    initial = {s: tuple(torch.zeros(a + 1, b + 1) for a, b in head.shapes(300, 10)) for s in range(4)}
    network = PackedNetwork(jobs, bucket, 4, rows, initial, recipe, F32)
    tensors = {id(t): t for t in every_tensor(vars(network))}
    state = every_tensor([cell.cell_contents for cell in network.optimizer.__closure__])
    tensors |= {id(t): t for t in state}
    held = sum(t.numel() * t.element_size() for t in tensors.values())
    # What comes and goes with a chunk: rows of four seeds, and from them the inputs of four slots.
    chunk = 4 * bucket.steps * recipe.batch_size * (301 + bucket.sizes[0]) * dtype.itemsize
    estimate = pack_bytes(bucket, 4, 4, 300, recipe, dtype, F32)
    assert held + chunk <= estimate <= 3 * (held + chunk)


def every_tensor(thing):
    """All tensors in containers and in objects of this room, apart from the rows, which all packs share."""
    if isinstance(thing, torch.Tensor):
        yield thing
    elif isinstance(thing, dict):
        for value in thing.values():
            yield from every_tensor(value)
    elif isinstance(thing, (list, tuple)):
        for value in thing:
            yield from every_tensor(value)
    elif type(thing).__name__ == "Dropout":
        yield from every_tensor(vars(thing))


def test_a_shortage_of_memory_is_said(monkeypatch, caplog):
    recipe = Recipe(optimizer="sgd", learning_rate=0.1, batch_size=32, epochs=1)
    goal = Goal(torch.full((64, 3), 1 / 3))
    engine = packed_engine.PackedEngine([torch.zeros(64, 20)], [goal], recipe, torch.device("cpu"))
    jobs = [Job(structure(20, 8, widths=(20, 8)), 0, 0)]
    initial = {0: (np.ones((20, 8), np.float32), np.ones((8, 3), np.float32))}
    with caplog.at_level(logging.INFO, logger="evoprune"):
        list(engine.train(jobs, initial))
    assert "1 training(s) of 64-64-16 units, 16 in a pack" in caplog.text
    assert "short" not in caplog.text
    monkeypatch.setattr(packed_engine, "free_bytes", lambda device: 0)
    with caplog.at_level(logging.WARNING, logger="evoprune"):
        list(engine.train(jobs, initial))
    assert "memory of cpu is short: 1 trainings in a pack instead of 16" in caplog.text


def test_rows_are_the_same_kept_or_sent(monkeypatch, caplog):
    rng = np.random.default_rng(0)
    features = [torch.from_numpy(rng.normal(size=(n, 7)).astype(np.float32)) for n in (30, 31)]
    goals = [Goal(torch.from_numpy(rng.random((n, 3))), torch.from_numpy(rng.random(n))) for n in (30, 31)]
    folds, chosen = np.array([1, 0, 1]), rng.integers(0, 30, size=(3, 12))
    with caplog.at_level(logging.INFO, logger="evoprune"):
        kept = DeviceRows(features, goals, torch.device("cpu"))
        monkeypatch.setattr("evoprune.training._device_rows.free_bytes", lambda device: 100)
        sent = DeviceRows(features, goals, torch.device("cpu"))
    assert (kept.resident, sent.resident) == (True, False)
    assert "are kept on cpu" in caplog.text
    assert "are sent a chunk of rows at a time to cpu" in caplog.text
    for rows in (kept, sent):
        taken = rows.take(folds, chosen)
        for group, fold in enumerate(folds):
            numbers = torch.from_numpy(chosen[group])
            assert torch.equal(taken.features[group, :, :7], features[fold][numbers])
            assert torch.equal(taken.targets[group], goals[fold].targets[numbers])
            assert torch.equal(taken.weights[group], goals[fold].weights[numbers])
        assert not taken.features[:, :, 7].any()
