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
    parameters = (*weights, gates)
    each = -(-data.rows // BATCH)
    steps = min(max(each * EPOCHS, FEWEST_STEPS), max(MOST_STEPS, each))
    share = DROPOUT * min(1.0, 2 * size / data.width)
    penalty = PENALTY / math.sqrt(size)
    order: tuple[Tensor, ...] = ()
    for step in range(steps):
        if step % each == 0:
            order = torch.split(torch.randperm(data.rows, generator=generator), BATCH)
        rows = order[step % each]
        batch = _dropped(inputs.index_select(1, rows), share, generator)
        for parameter, slope in zip(
            parameters, _slopes(batch, data.targets[rows], parameters, 1 / (1 - share), penalty), strict=True
        ):
            parameter.grad = slope
        rate = 0.5 * (1 + math.cos(math.pi * step / steps))
        for group, full in zip(optimizer.param_groups, (RATE, TRAVEL / steps), strict=True):
            group["lr"] = full * rate
        optimizer.step()
    return gates.abs()[:, :, 0].numpy().astype(np.float64)


def _initial(count: int, size: int, data: GateData, generator: torch.Generator) -> tuple[list[Tensor], Tensor]:
    """Glorot-uniform weights at the scale of all features, and gates of 1 `[K, d, 1]`."""
    classes = data.targets.shape[1]

    def glorot(inputs: int, rows: int, outputs: int) -> Tensor:
        limit = math.sqrt(6 / (inputs + outputs))
        drawn = torch.rand(count, rows, outputs, generator=generator)
        return (2 * drawn - 1) * limit

    weights = [
        glorot(data.width, size, HIDDEN),
        glorot(HIDDEN, HIDDEN, classes),
        torch.zeros(count, 1, classes),
    ]
    return weights, torch.ones(count, size, 1)


def _dropped(batch: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """Inputs `[K, B, d]`, a share of them 0; by place, the same ones of all sets."""
    places = batch[0]
    draws = torch.empty(-(-places.numel() // 4), dtype=torch.int64).random_(-(2**63), None, generator=generator)
    uniform = draws.view(torch.int16)[: places.numel()].view(places.shape)
    return batch.mul_((uniform >= share * 2**16 - 2**15).to(batch.dtype))


def _slopes(
    batch: Tensor, targets: Tensor, parameters: tuple[Tensor, ...], scale: float, penalty: float
) -> tuple[Tensor, ...]:
    """Gradients of the summed losses of K networks with their penalties.

    By hand, for most sets are so small that autograd would take longer than the products.

    Args:
        batch: inputs `[K, B, d]`, in the precision of the hidden layer's products.
        targets: distributions `[B, C]`, the same for all networks.
        parameters: weights `[K, d, H]` and `[K, H, C]`, bias `[K, 1, C]`, gates `[K, d, 1]`.
        scale: of the inputs, which dropout has made fewer.
        penalty: weight of the sum of the gates' sizes.
    """
    first, second, bias, gates = parameters
    factors = gates * scale
    hidden = torch.bmm(batch, (first * factors).to(batch.dtype)).float().relu_()
    delta = torch.softmax(torch.baddbmm(bias, hidden, second), dim=-1).sub_(targets).div_(len(targets))
    back = torch.bmm(delta, second.transpose(1, 2)).mul_(hidden > 0).to(batch.dtype)
    product = torch.bmm(batch.transpose(1, 2), back).float()
    return (
        product * factors,
        torch.bmm(hidden.transpose(1, 2), delta),
        delta.sum(dim=1, keepdim=True),
        (product * first).sum(dim=2, keepdim=True).mul_(scale).add_(torch.sign(gates), alpha=penalty),
    )
