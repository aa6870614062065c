"""Learned gates on many sets of features at once: which of a set does a small network hold on to?

A factor on every feature of a set is trained with a head under an L1 penalty. The penalty pulls
all gates to 0 alike, and the loss holds back those whose features it needs (the idea of network
slimming: Liu and others, ICCV 2017, where the factors are those of batch normalisation). All
sets of a call have the same size, and see the same batches and dropout.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from evoprune._types import Float32Array, FloatArray, IntArray
from evoprune.training import GatedNetwork

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
    initial = _initial(len(sets), sets.shape[1], data, generator)
    each = -(-data.rows // BATCH)
    plan = _Plan(
        share=DROPOUT * min(1.0, 2 * sets.shape[1] / data.width),
        penalty=PENALTY / math.sqrt(sets.shape[1]),
        steps=min(max(each * EPOCHS, FEWEST_STEPS), max(MOST_STEPS, each)),
        each=each,
    )
    epochs = _epochs(data.rows, sets.shape[1], plan, generator)
    train = by_kernel if GatedNetwork.serves(data.X, HIDDEN) else by_torch
    return train(data, sets, initial, plan, epochs).abs().numpy().astype(np.float64)


@dataclass(frozen=True)
class _Plan:
    """How gates are trained.

    Attributes:
        share: of the inputs that are dropped in a step.
        penalty: weight of the sum of a set's gates.
        steps: in all.
        each: steps of an epoch.
    """

    share: float
    penalty: float
    steps: int
    each: int

    @property
    def scale(self) -> float:
        """Of the inputs, which dropout has made fewer."""
        return 1 / (1 - self.share)

    @property
    def gate_rate(self) -> float:
        """Learning rate of the gates, in units of that of the weights."""
        return TRAVEL / self.steps / RATE

    def rate(self, step: int) -> float:
        """Learning rate of the weights."""
        return RATE * 0.5 * (1 + math.cos(math.pi * step / self.steps))


def _epochs(rows: int, size: int, plan: _Plan, generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
    """Of each epoch the rows in their order `[n]`, and which of the inputs are kept, by place `[n, d]`.

    The same ones of all sets.
    """
    for start in range(0, plan.steps, plan.each):
        batches = torch.split(torch.randperm(rows, generator=generator), BATCH)[: plan.steps - start]
        yield torch.cat(batches), torch.cat([_kept(len(batch), size, plan.share, generator) for batch in batches])


def by_kernel(
    data: GateData,
    sets: IntArray,
    initial: tuple[Tensor, Tensor],
    plan: _Plan,
    epochs: Iterator[tuple[Tensor, Tensor]],
) -> Tensor:
    """Gates `[K, d]` of K sets, each of them trained by the compiled kernel."""
    networks = [
        GatedNetwork(
            data.X[:, torch.from_numpy(chosen)],
            data.targets,
            first,
            second,
            batch_size=BATCH,
            scale=plan.scale,
            penalty=plan.penalty,
            gate_rate=plan.gate_rate,
        )
        for chosen, first, second in zip(sets, *initial, strict=True)
    ]
    step = 0
    with ThreadPoolExecutor(torch.get_num_threads()) as pool:
        for rows, kept in epochs:
            keep = torch.zeros(len(kept), networks[0].width, dtype=torch.int16)
            torch.neg(kept.to(torch.int16), out=keep[:, : kept.shape[1]])
            last = step + -(-len(rows) // BATCH)
            work = partial(
                GatedNetwork.run, order=rows.numpy(), rates=[plan.rate(s) for s in range(step, last)], keep=keep
            )
            for _ in pool.map(work, networks):
                pass
            step = last
    return torch.stack([network.gates for network in networks])


def by_torch(
    data: GateData,
    sets: IntArray,
    initial: tuple[Tensor, Tensor],
    plan: _Plan,
    epochs: Iterator[tuple[Tensor, Tensor]],
) -> Tensor:
    """The same by torch operations, on any processor: the networks are one stack of matrices."""
    first, second = initial
    count, size = sets.shape
    gates = torch.ones(count, size, 1)
    inputs = torch.stack([data.X[:, torch.from_numpy(chosen)] for chosen in sets])
    parameters = (first, second, torch.zeros(count, 1, second.shape[2]), gates)
    optimizer = torch.optim.Adam([{"params": [*parameters[:3]]}, {"params": [gates]}], fused=True)
    steps = (
        (rows, kept) for epoch in epochs for rows, kept in zip(*(torch.split(e, BATCH) for e in epoch), strict=True)
    )
    for step, (rows, kept) in enumerate(steps):
        batch = inputs.index_select(1, rows).mul_(kept.to(inputs.dtype))
        for parameter, slope in zip(
            parameters, _slopes(batch, data.targets[rows], parameters, plan.scale, plan.penalty), strict=True
        ):
            parameter.grad = slope
        for group, ratio in zip(optimizer.param_groups, (1.0, plan.gate_rate), strict=True):
            group["lr"] = plan.rate(step) * ratio
        optimizer.step()
    return gates[:, :, 0]


def _initial(count: int, size: int, data: GateData, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Weights `[K, d, H]` and `[K, H, C]`, Glorot-uniform at the scale of all features."""

    def glorot(inputs: int, rows: int, outputs: int) -> Tensor:
        limit = math.sqrt(6 / (inputs + outputs))
        drawn = torch.rand(count, rows, outputs, generator=generator)
        return (2 * drawn - 1) * limit

    return glorot(data.width, size, HIDDEN), glorot(HIDDEN, HIDDEN, data.targets.shape[1])


def _kept(rows: int, size: int, share: float, generator: torch.Generator) -> Tensor:
    """Which inputs of a step dropout keeps `[B, d]`."""
    draws = torch.empty(-(-rows * size // 4), dtype=torch.int64).random_(-(2**63), None, generator=generator)
    uniform = draws.view(torch.int16)[: rows * size].view(rows, size)
    return uniform >= share * 2**16 - 2**15


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
