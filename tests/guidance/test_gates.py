"""Gates are those of a plain loop over one network at a time, and find the features that matter."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score
from torch.nn import functional

from evoprune.guidance import GateData, _gates, gate_sizes
from evoprune.training import GatedNetwork

from .conftest import planted_rows


def plain_gates(X, y, chosen, seed):
    """One network, one step at a time, with torch's own loss, optimizer and schedule, from the same draws."""
    generator = torch.Generator().manual_seed(seed)
    classes, size, width = int(y.max()) + 1, len(chosen), X.shape[1]
    inputs, labels = torch.from_numpy(X[:, chosen]), torch.from_numpy(y)

    def drawn(fan_in, rows, fan_out):
        limit = math.sqrt(6 / (fan_in + fan_out))
        uniform = torch.rand(1, rows, fan_out, generator=generator)[0]
        return torch.nn.Parameter(uniform * 2 * limit - limit)

    first, second = drawn(width, size, _gates.HIDDEN), drawn(_gates.HIDDEN, _gates.HIDDEN, classes)
    bias, gates = torch.nn.Parameter(torch.zeros(classes)), torch.nn.Parameter(torch.ones(size))
    each = math.ceil(len(X) / _gates.BATCH)
    steps = min(max(each * _gates.EPOCHS, _gates.FEWEST_STEPS), max(_gates.MOST_STEPS, each))
    optimizer = torch.optim.Adam(
        [{"params": [first, second, bias], "lr": _gates.RATE}, {"params": [gates], "lr": _gates.TRAVEL / steps}]
    )
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=steps)
    share = _gates.DROPOUT * min(1.0, 2 * size / width)
    rest: list[int] = []
    for _ in range(steps):
        rest = rest or torch.randperm(len(X), generator=generator).tolist()
        rows, rest = rest[: _gates.BATCH], rest[_gates.BATCH :]
        words = torch.empty(-(-len(rows) * size // 4), dtype=torch.int64).random_(-(2**63), None, generator=generator)
        uniform = words.numpy().view(np.int16)[: len(rows) * size].reshape(len(rows), size) / 2**16 + 0.5
        kept = torch.from_numpy((uniform >= share).astype(np.float32)) / (1 - share)
        hidden = torch.relu((inputs[rows] * kept * gates) @ first)
        loss = functional.cross_entropy(hidden @ second + bias, labels[rows], label_smoothing=_gates.SMOOTHING)
        optimizer.zero_grad()
        (loss + _gates.PENALTY / math.sqrt(size) * gates.abs().sum()).backward()
        optimizer.step()
        schedule.step()
    return gates.detach().abs().numpy()


@pytest.mark.parametrize("size", [24, 9])
def test_gates_of_one_set_are_those_of_a_plain_loop(planted, size):
    # 13 columns more, so that a set is a small part of all: then there is less dropout.
    X, y, _ = planted
    wide = np.concatenate([X, np.random.default_rng(1).normal(size=(len(X), 13)).astype(np.float32)], axis=1)
    chosen = np.sort(np.random.default_rng(size).choice(24, size=size, replace=False))
    found = gate_sizes(GateData.of(wide, y, 3), chosen[None], seed=7)
    assert found.shape == (1, size)
    assert found[0] == pytest.approx(plain_gates(wide, y, chosen, 7), abs=2e-3)


def test_features_that_matter_have_the_larger_gates_in_every_set(planted):
    X, y, informative = planted
    noise = np.flatnonzero(~informative)
    sets = np.stack([np.append(np.flatnonzero(informative), noise[start : start + 8]) for start in (0, 8)])
    sizes = gate_sizes(GateData.of(X, y, 3), sets, seed=1)
    for chosen, own in zip(sets, sizes, strict=True):
        assert roc_auc_score(informative[chosen], own) == 1
        assert own[informative[chosen]].min() > 2 * own[~informative[chosen]].mean()


def test_gates_follow_their_features_and_not_their_places(planted):
    # What stands first is noise in one data set, and what matters in the other.
    X, y, informative = planted
    order = np.argsort(informative, kind="stable")
    for places in (order, order[::-1]):
        sizes = gate_sizes(GateData.of(np.ascontiguousarray(X[:, places]), y, 3), np.arange(24)[None], seed=2)[0]
        assert set(np.argsort(-sizes)[:4]) == set(np.flatnonzero(informative[places]))


def test_bfloat16_finds_the_same_features(planted):
    X, y, informative = planted
    everything = np.arange(24)[None]
    exact, half = (gate_sizes(GateData.of(X, y, 3, p), everything, seed=3)[0] for p in ("float32", "bfloat16"))
    assert not np.array_equal(exact, half)
    assert half == pytest.approx(exact, abs=0.1)
    assert set(np.argsort(-half)[:4]) == set(np.flatnonzero(informative))


@pytest.mark.parametrize("size", [24, 9])
def test_the_kernel_gives_the_gates_that_torch_gives(planted, size, monkeypatch):
    X, y, _ = planted
    data = GateData.of(X, y, 3, "bfloat16")
    if not GatedNetwork.serves(data.X, _gates.HIDDEN):
        pytest.skip("no compiled kernel: no C compiler, or no AVX-512 BF16")
    sets = np.stack([np.sort(np.random.default_rng(i).choice(24, size=size, replace=False)) for i in range(3)])
    compiled = gate_sizes(data, sets, seed=4)
    exact = gate_sizes(GateData.of(X, y, 3), sets, seed=4)
    monkeypatch.setattr(GatedNetwork, "serves", lambda *given: False)
    plain = gate_sizes(data, sets, seed=4)
    # Eight bits of precision: the kernel, which rounds less often, is about as far from float32 as torch is.
    off = [np.linalg.norm(found - exact) for found in (plain, compiled)]
    assert not np.array_equal(plain, compiled)
    assert off[1] <= max(1.5 * off[0], 0.01 * np.linalg.norm(exact))
    assert compiled == pytest.approx(exact, abs=0.1)


@pytest.mark.usefixtures("few_steps")
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_seed_decides_and_neither_torchs_nor_numpys_global_state_does(precision):
    X, y, _ = planted_rows(60)
    data, sets = GateData.of(X, y, 3, precision), np.stack([np.arange(12), np.arange(12, 24)])
    found = []
    for state in (0, 1):
        torch.manual_seed(state)
        np.random.seed(state)  # noqa: NPY002
        found.append(gate_sizes(data, sets, seed=5))
        assert torch.initial_seed() == state
    assert np.array_equal(*found)
    assert not np.array_equal(found[0], gate_sizes(data, sets, seed=6))


@pytest.mark.usefixtures("few_steps")
@pytest.mark.parametrize("rows", [1, 3, 129])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_few_rows_and_one_feature_are_enough(rows, precision):
    X, y, _ = planted_rows(rows)
    sizes = gate_sizes(GateData.of(X, y, 3, precision), np.array([[4], [7]]), seed=0)
    assert sizes.shape == (2, 1)
    assert np.isfinite(sizes).all()


def test_targets_are_smoothed_labels_and_rows_and_width_those_of_the_features():
    X, y, _ = planted_rows(30)
    data = GateData.of(X, y, 4)
    assert (data.rows, data.width) == (30, 24)
    expected = np.full((30, 4), _gates.SMOOTHING / 4)
    expected[np.arange(30), y] += 1 - _gates.SMOOTHING
    assert data.targets.numpy() == pytest.approx(expected)


@pytest.mark.usefixtures("few_steps")
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_number_of_threads_changes_nothing(precision):
    rng = np.random.default_rng(0)
    data = GateData.of(rng.normal(size=(200, 700)).astype(np.float32), np.arange(200) % 5, 5, precision)
    sets = np.stack([rng.choice(700, size=500, replace=False) for _ in range(3)])
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            found.append(gate_sizes(data, sets, seed=1))
    finally:
        torch.set_num_threads(before)
    assert np.array_equal(*found)
