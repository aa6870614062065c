"""One training as fast as this machine does it: compact matrices, forward and backward by hand.

The same steps as `_reference.train_reference`, which defines what they are, with three
differences that change nothing but the rounding:

- only what is on is stored and multiplied, so that the cost falls with the active share;
- products of hidden layers may run in bfloat16, with master weights, optimizer and the
  output layer in float32;
- no autograd: some twenty torch operations a step on buffers that are allocated once, or,
  where processor and head allow it, one call of a compiled kernel for thousands of rows.

A training uses one thread and nothing but its own arguments, so its result does not
depend on what is trained beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from evoprune._types import Float32Array
from evoprune.heads import Structure
from evoprune.training._goal import Goal
from evoprune.training._kernel_network import KernelNetwork
from evoprune.training._recipe import Recipe
from evoprune.training._torch_network import TorchNetwork


@dataclass(frozen=True)
class CompactWeights:
    """Weights of the parts that are on.

    Attributes:
        matrices: `[d, h]`, .., `[h, C]`, float32.
        bias: of the output layer `[C]`.
        epochs: epochs that were run.
        loss: mean training loss, weights included, of the epoch the weights are from; NaN where it was not needed.
    """

    matrices: tuple[Float32Array, ...]
    bias: Float32Array
    epochs: int
    loss: float


class Network(Protocol):
    """A network in training."""

    def run(self, epoch: int, rates: Sequence[float], cancelled: Callable[[], bool]) -> None:
        """The steps of one epoch, as many as there are learning rates."""

    def epoch_loss(self) -> float:
        """Mean training loss of the epoch just run."""

    def snapshot(self) -> list[Tensor]:
        """A copy of all weights."""

    def restore(self, kept: list[Tensor]) -> None:
        """Take back the weights of a snapshot."""

    def weights(self) -> tuple[tuple[Float32Array, ...], Float32Array]:
        """Matrices `[d, h]`, .., `[h, C]` and the output bias `[C]`."""


def train_compact(
    features: Tensor,
    goal: Goal,
    structure: Structure,
    initial: tuple[Float32Array, ...],
    recipe: Recipe,
    seed: int,
    *,
    max_steps: int | None = None,
    master: torch.dtype = torch.float32,
    cancelled: Callable[[], bool] = lambda: False,
    kernel: bool = True,
) -> CompactWeights:
    """Train one candidate.

    Args:
        features: of the training rows `[N, D]`, standardised if the recipe says so, in the
            precision of the products: float32, bfloat16 (or float64, to test).
        goal: what these rows are trained towards.
        structure: what is on.
        initial: full-size initial weights, one matrix a layer.
        recipe: how to train.
        seed: of batches and dropout.
        max_steps: end after so many steps, for tests.
        master: precision of weights, optimizer and output layer.
        cancelled: asked once a chunk of rows; if it says so, the training is given up.
        kernel: use the compiled kernel where it can be used.

    Raises:
        TrainingCancelled: `cancelled` said so.
    """
    network: Network
    if kernel and KernelNetwork.serves(features, structure, recipe, master):
        network = KernelNetwork(features, goal, structure, initial, recipe, seed)
    else:
        network = TorchNetwork(features, goal, structure, initial, recipe, seed, master)
    each = -(-len(features) // recipe.batch_size)
    steps = each * recipe.epochs
    stopping, best, best_epoch, kept = recipe.early_stopping, float("inf"), 0, None
    epoch = 0
    for epoch in range(1, recipe.epochs + 1):
        first = (epoch - 1) * each
        last = first + each if max_steps is None else min(first + each, max_steps)
        network.run(epoch, [recipe.rate(step, steps) for step in range(first, last)], cancelled)
        if last == max_steps:
            return CompactWeights(*network.weights(), epoch, float("nan"))
        if stopping is None:
            continue
        loss = network.epoch_loss()
        if loss < best - stopping.min_delta:
            best, best_epoch, kept = loss, epoch, network.snapshot()
        elif epoch - best_epoch >= stopping.patience:
            break
    if kept is not None:
        network.restore(kept)
    return CompactWeights(*network.weights(), epoch, best if stopping is not None else float("nan"))
