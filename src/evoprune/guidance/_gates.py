"""Learned gates on many sets of features at once: which of a set does a small network hold on to?

A factor on every feature of a set is trained with a head under an L1 penalty. The penalty pulls
all gates to 0 alike, and the loss holds back those whose features it needs (the idea of network
slimming: Liu and others, ICCV 2017, where the factors are those of batch normalisation). All
sets of a call have the same size, so that their networks are one stack of matrices: for sets of
a few dozen features a step costs little more for eight of them than for one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from evoprune._types import Float32Array, FloatArray, IntArray

HIDDEN = 128
"""Width of the networks: a quarter of the published head ranks features as well, at a quarter of the cost."""

EPOCHS, FEWEST_STEPS, MOST_STEPS, BATCH, RATE = 15, 150, 600, 128, 6e-3
"""Of Adam with a cosine schedule."""

TRAVEL = 3.0
"""The sum of the gates' rates over all steps is half of it: unopposed, a gate reaches 0 well before the end."""

PENALTY = 0.5
"""The L1 penalty on n gates weighs `PENALTY / sqrt(n)`: fewer gates have more to lose each."""

DROPOUT, SMOOTHING = 0.5, 0.1
"""Of the inputs, where at least half of all features are in a set (less in proportion below), and of the labels."""


@dataclass(frozen=True, eq=False)
class GateData:
    """Rows that gates are trained on.

    Attributes:
        X: standardised features `[n, D]`.
        targets: smoothed target distributions `[n, C]`.
        precision: of the products of the hidden layer.
    """

    X: Tensor
    targets: Tensor
    precision: torch.dtype

    @classmethod
    def of(
        cls, X: Float32Array, y: IntArray, classes: int, precision: Literal["float32", "bfloat16"] = "float32"
    ) -> GateData:
        """Prepare standardised features `[n, D]` and class numbers `[n]`."""
        dtype = torch.bfloat16 if precision == "bfloat16" else torch.float32
        one_hot = functional.one_hot(torch.from_numpy(np.array(y, dtype=np.int64)), classes).float()
        targets = one_hot * (1 - SMOOTHING) + SMOOTHING / classes
        return cls(torch.from_numpy(np.ascontiguousarray(X, dtype=np.float32)).to(dtype), targets, dtype)

    @property
    def rows(self) -> int:
        """Number of rows n."""
        return len(self.X)

    @property
    def width(self) -> int:
        """D, number of features."""
        return self.X.shape[1]


def gate_sizes(data: GateData, sets: IntArray, seed: int) -> FloatArray:
    """Sizes of the gates of sets of features after training.

    Args:
        data: rows to train on.
        sets: numbers of the features of each of K sets `[K, d]`.
        seed: of weights, batches and dropout.

    Returns:
        Sizes `[K, d]`, 0 or larger; larger where the network needs the feature more.
    """
    generator = torch.Generator().manual_seed(seed)
    count, size = sets.shape
    # One order of rows for all sets: the gathered batch is then one stack of slices.
    inputs = torch.stack([data.X[:, torch.from_numpy(chosen)] for chosen in sets])
    weights, gates = _initial(count, size, data, generator)
    optimizer = torch.optim.Adam([{"params": weights}, {"params": [gates]}], fused=True)
    each = -(-data.rows // BATCH)
    steps = min(max(each * EPOCHS, FEWEST_STEPS), max(MOST_STEPS, each))
    share = DROPOUT * min(1.0, 2 * size / data.width)
    penalty = PENALTY / math.sqrt(size)
    order: tuple[Tensor, ...] = ()
    for step in range(steps):
        if step % each == 0:
            order = torch.split(torch.randperm(data.rows, generator=generator), BATCH)
        rows = order[step % each]
        batch = _dropped(inputs[:, rows], share, generator)
        logits = _forward(batch, weights, gates / (1 - share), data.precision)
        loss = -(data.targets[rows] * torch.log_softmax(logits, dim=-1)).sum(dim=-1).mean(dim=1).sum()
        rate = 0.5 * (1 + math.cos(math.pi * step / steps))
        for group, full in zip(optimizer.param_groups, (RATE, TRAVEL / steps), strict=True):
            group["lr"] = full * rate
        optimizer.zero_grad()
        (loss + penalty * gates.abs().sum()).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return gates.detach().abs()[:, :, 0].numpy().astype(np.float64)


def _initial(count: int, size: int, data: GateData, generator: torch.Generator) -> tuple[list[Tensor], Tensor]:
    """Glorot-uniform weights at the scale of all features, and gates of 1 `[K, d, 1]`."""
    classes = data.targets.shape[1]

    def glorot(inputs: int, rows: int, outputs: int) -> Tensor:
        limit = math.sqrt(6 / (inputs + outputs))
        drawn = torch.rand(count, rows, outputs, generator=generator)
        return ((2 * drawn - 1) * limit).requires_grad_()

    weights = [
        glorot(data.width, size, HIDDEN),
        glorot(HIDDEN, HIDDEN, classes),
        torch.zeros(count, 1, classes, requires_grad=True),
    ]
    return weights, torch.ones(count, size, 1, requires_grad=True)


def _dropped(batch: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """Inputs `[K, B, d]`, a share of them 0."""
    draws = torch.empty(-(-batch.numel() // 4), dtype=torch.int64).random_(-(2**63), None, generator=generator)
    uniform = draws.view(torch.int16)[: batch.numel()].view(batch.shape)
    return batch * (uniform >= share * 2**16 - 2**15)


def _forward(batch: Tensor, weights: list[Tensor], gates: Tensor, precision: torch.dtype) -> Tensor:
    """Logits `[K, B, C]` of inputs `[K, B, d]`."""
    first, second, bias = weights
    hidden = torch.relu(torch.bmm(batch, (first * gates).to(precision)).float())
    return torch.baddbmm(bias, hidden, second)
