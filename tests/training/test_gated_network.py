"""Networks with gates are trained by the kernel as by autograd in float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from evoprune.training import GatedNetwork
from evoprune.training._kernel import load_kernel

pytestmark = pytest.mark.skipif(load_kernel() is None, reason="no compiled kernel: no C compiler, or no AVX-512 BF16")

BATCH, STEPS, SCALE, PENALTY, GATE_RATE = 32, 40, 1.6, 0.3, 2.5


def drawn(inputs, classes=3, rows=100):
    """Features `[N, d]`, targets `[N, C]`, weights `[d, 64]` and `[64, C]`, epochs of rows, kept inputs and rates."""
    rng = np.random.default_rng(inputs)
    labels = np.arange(rows) % classes
    X = torch.from_numpy(rng.normal(size=(rows, inputs)) + np.eye(classes, inputs)[labels]).bfloat16()
    targets = torch.from_numpy(0.9 * np.eye(classes)[labels] + 0.1 / classes).float()
    first, output = (torch.from_numpy(rng.normal(size=s) * 0.2).float() for s in ((inputs, 64), (64, classes)))
    epochs = []
    while sum(len(rates) for _, _, rates in epochs) < STEPS:
        steps = -(-rows // BATCH)
        epochs.append((rng.permutation(rows), rng.random((rows, inputs)) < 1 / SCALE, rng.uniform(1e-3, 4e-3, steps)))
    return X, targets, first, output, epochs


def by_autograd(X, targets, first, output, epochs):
    weights = [torch.nn.Parameter(w.double()) for w in (first, output)]
    bias = torch.nn.Parameter(torch.zeros(output.shape[1], dtype=torch.float64))
    gates = torch.nn.Parameter(torch.ones(len(first), dtype=torch.float64))
    optimizer = torch.optim.Adam([{"params": [*weights, bias]}, {"params": [gates]}])
    X, targets = X.double(), targets.double()
    for order, kept, rates in epochs:
        for step, rate in enumerate(rates):
            places = slice(step * BATCH, (step + 1) * BATCH)
            rows = order[places]
            inputs = X[rows] * torch.from_numpy(kept[places]) * SCALE
            logits = torch.relu((inputs * gates) @ weights[0]) @ weights[1] + bias
            loss = functional.cross_entropy(logits, targets[rows]) + PENALTY * gates.abs().sum()
            optimizer.zero_grad()
            loss.backward()
            for group, ratio in zip(optimizer.param_groups, (1, GATE_RATE), strict=True):
                group["lr"] = rate * ratio
            optimizer.step()
    return [t.detach().numpy() for t in (*weights, gates)]


@pytest.mark.parametrize("inputs", [1, 6, 40])
def test_weights_and_gates_are_those_of_autograd(inputs):
    X, targets, first, output, epochs = drawn(inputs)
    network = GatedNetwork(
        X, targets, first, output, batch_size=BATCH, scale=SCALE, penalty=PENALTY, gate_rate=GATE_RATE
    )
    for order, kept, rates in epochs:
        keep = torch.zeros(len(kept), network.width, dtype=torch.int16)
        keep[:, :inputs] = -torch.from_numpy(kept.astype(np.int16))
        network.run(order, list(rates), keep)
    expected = by_autograd(X, targets, first, output, epochs)
    starts = (first.numpy(), output.numpy(), np.ones(inputs))
    for start, wanted, got in zip(starts, expected, (network.first, network.output, network.gates), strict=True):
        moved = np.linalg.norm(wanted - start)
        assert np.linalg.norm(got.numpy() - wanted) <= 0.03 * moved
        assert moved > 0.05 * np.linalg.norm(start)


def test_what_the_kernel_does_not_serve():
    X = torch.zeros(4, 3)
    assert not GatedNetwork.serves(X, 64)
    assert not GatedNetwork.serves(X.bfloat16(), 65)
    assert GatedNetwork.serves(X.bfloat16(), 128)
