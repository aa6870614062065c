"""What training rows are trained towards, and how far from it an output is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
from torch import Tensor

Loss: TypeAlias = Literal["cross_entropy", "squared"]
"""Of a row: the cross entropy of its softmax against a distribution over the classes, or the mean over its outputs of
squared differences from values."""

LOSSES: tuple[Loss, ...] = ("cross_entropy", "squared")


@dataclass(frozen=True, eq=False)
class Goal:
    """What the training rows of a fold are trained towards.

    The loss of a batch is the mean over its rows of weight times loss.

    Attributes:
        targets: `[n, C]`: distributions over the classes, or values.
        weights: of the rows `[n]`, of mean 1; None where all count alike.
        loss: of a row.
    """

    targets: Tensor
    weights: Tensor | None = None
    loss: Loss = "cross_entropy"

    @property
    def outputs(self) -> int:
        """C, classes or values of a row."""
        return self.targets.shape[1]

    def to(self, dtype: torch.dtype) -> Goal:
        """The same in another precision."""
        return Goal(self.targets.to(dtype), None if self.weights is None else self.weights.to(dtype), self.loss)


def smoothed_targets(labels: Tensor, classes: int, smoothing: float, dtype: torch.dtype = torch.float32) -> Tensor:
    """Target distributions `[N, C]`: one-hot, with `smoothing` spread evenly over the classes."""
    one_hot = torch.nn.functional.one_hot(labels, classes).to(dtype)
    return one_hot * (1 - smoothing) + smoothing / classes


def row_losses(outputs: Tensor, targets: Tensor, loss: Loss, dim: int, count: int) -> Tensor:
    """The loss of every row, from outputs and targets of one shape.

    Args:
        outputs: of the network; logits for the cross entropy.
        targets: what they should be.
        loss: of a row.
        dim: the dimension of classes or values, which the result lacks.
        count: C; what lies behind the first C outputs is padding: logits of minus infinity, or values of 0.
    """
    targets = targets.narrow(dim, 0, count)
    if loss == "squared":
        return (outputs.narrow(dim, 0, count) - targets).square_().mean(dim)
    return -(torch.log_softmax(outputs, dim).narrow(dim, 0, count) * targets).sum(dim)


def output_gradient(outputs: Tensor, targets: Tensor, loss: Loss, dim: int, count: int) -> Tensor:
    """The gradient of `row_losses` with respect to the outputs, of their shape; a new tensor.

    Args:
        outputs: of the network.
        targets: what they should be.
        loss: of a row.
        dim: the dimension of classes or values.
        count: C, as for `row_losses`; padding has gradient 0.
    """
    if loss == "squared":
        return (outputs - targets).mul_(2 / count)
    return torch.softmax(outputs, dim).sub_(targets)


def mean_loss(losses: Tensor, weights: Tensor | None) -> float:
    """The mean over rows of weight times loss, both `[n]`."""
    return float((losses if weights is None else losses * weights).mean())
