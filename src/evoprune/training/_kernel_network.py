"""A compact network with one hidden layer, in bfloat16, trained by the compiled kernel."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from evoprune._types import BoolArray, Float32Array
from evoprune.heads import Structure
from evoprune.training._cancelled import TrainingCancelled
from evoprune.training._goal import Goal, mean_loss, row_losses
from evoprune.training._kernel import Epoch, load_kernel
from evoprune.training._optimizers import BETA1, BETA2, EPSILON
from evoprune.training._randomness import batch_order, chunk_rows, dropout_bytes, dropout_threshold
from evoprune.training._recipe import Recipe

_INPUTS, _UNITS = 4, 64
"""The kernel takes multiples of these; what is added has weights 0 and stays 0."""


def padded_inputs(count: int) -> int:
    """Number of inputs that the kernel takes in the place of `count`."""
    return -(-count // _INPUTS) * _INPUTS


class KernelNetwork:
    """As `TorchNetwork`, for one hidden layer without dropout."""

    @staticmethod
    def serves(features: Tensor, structure: Structure, recipe: Recipe, master: torch.dtype) -> bool:
        """Whether the kernel can train such a network on this machine."""
        return (
            features.dtype == torch.bfloat16
            and master == torch.float32
            and len(structure.hidden) == 1
            and structure.matrix in (None, 0)
            and recipe.hidden_dropout == 0
            and bool(structure.inputs.any())
            and bool(structure.hidden[0].any())
            and load_kernel() is not None
        )

    def __init__(
        self,
        features: Tensor,
        goal: Goal,
        structure: Structure,
        initial: tuple[Float32Array, ...],
        recipe: Recipe,
        seed: int,
    ) -> None:
        kernel = load_kernel()
        if kernel is None:
            raise RuntimeError("the compiled kernel is not to be had")
        self.kernel, self.recipe, self.seed, self.rows = kernel, recipe, seed, len(features)
        inputs, units = np.flatnonzero(structure.inputs), np.flatnonzero(structure.hidden[0])
        self.sizes = len(inputs), len(units)
        width, height = padded_inputs(len(inputs)), -(-len(units) // _UNITS) * _UNITS
        classes = goal.outputs
        threshold = dropout_threshold(recipe.input_dropout, len(inputs), structure.inputs.size)

        self.features = torch.zeros(self.rows, width, dtype=torch.bfloat16)
        torch.index_select(features, 1, torch.from_numpy(inputs), out=self.features[:, : len(inputs)])
        if threshold:
            self.features.mul_(1 / (1 - threshold / 256))
        self.goal = Goal(goal.targets.contiguous(), goal.weights, goal.loss)
        self.first = torch.zeros(width, height)
        self.first[: len(inputs), : len(units)] = torch.from_numpy(initial[0][np.ix_(inputs, units)])
        self.mask = None
        if structure.connections is not None:
            self.mask = self._set_mask(structure.connections[np.ix_(inputs, units)])
        self.output = torch.zeros(classes, height)
        self.output[:, : len(units)] = torch.from_numpy(initial[1][units]).t()
        self.bias = torch.zeros(classes)
        self.state = [torch.zeros_like(w) for w in (self.first, self.output, self.bias) for _ in range(2)]
        self.panels = torch.zeros(height // 32, width // 2, 32, dtype=torch.int32)
        self.keep = self._draw_dropout(threshold, len(inputs), width)
        self.logits = torch.zeros(self.rows, classes) if recipe.early_stopping is not None else None
        self.order = np.zeros(0, dtype=np.int64)
        self.steps = 0
        self.arguments = self._arguments()
        self.kernel.evoprune_pack(ctypes.byref(self.arguments))

    def _set_mask(self, connections: BoolArray) -> Tensor:
        """Switch connections off; a bit for each one that is on `[width, height / 16]`."""
        on = np.zeros(self.first.shape, dtype=np.bool_)
        on[: len(connections), : connections.shape[1]] = connections
        self.first.mul_(torch.from_numpy(on))
        return torch.from_numpy(np.packbits(on, axis=1, bitorder="little"))

    def _draw_dropout(self, threshold: int, active: int, width: int) -> Tensor | None:
        """Masks of all or no bits `[places, width]`, by place in a chunk."""
        if not threshold:
            return None
        rows = min(self.rows, chunk_rows(self.recipe.batch_size))
        keep = np.zeros((rows, width), dtype=np.uint16)
        np.multiply(dropout_bytes(rows, active, self.seed, 0) >= threshold, np.uint16(0xFFFF), out=keep[:, :active])
        return torch.from_numpy(keep.view(np.int16))

    def _arguments(self) -> Epoch:
        adam = self.recipe.optimizer == "adam"
        first, output, bias = self.first, self.output, self.bias
        tensors = {
            "features": self.features,
            "keep": self.keep,
            "targets": self.goal.targets,
            "weights": self.goal.weights,
            "mask": self.mask,
            "panels": self.panels,
            "first": first,
            "output": output,
            "bias": bias,
        }
        names = ("first_a", "first_b", "output_a", "output_b", "bias_a", "bias_b")
        tensors.update(zip(names, self.state, strict=True))
        return Epoch(
            inputs=first.shape[0],
            units=first.shape[1],
            classes=len(bias),
            batch=self.recipe.batch_size,
            adam=adam,
            nesterov=self.recipe.nesterov,
            squared=self.goal.loss == "squared",
            momentum=BETA1 if adam else self.recipe.momentum,
            beta2=BETA2,
            epsilon=EPSILON,
            **{name: None if tensor is None else tensor.data_ptr() for name, tensor in tensors.items()},
        )

    def run(self, epoch: int, rates: Sequence[float], cancelled: Callable[[], bool]) -> None:
        """The steps of one epoch, as many as there are learning rates.

        Raises:
            TrainingCancelled: `cancelled` said so.
        """
        size = self.recipe.batch_size
        self.order = batch_order(self.rows, self.seed, epoch)
        last, chunk = min(self.rows, len(rates) * size), chunk_rows(size)
        for start in range(0, last, chunk):
            if cancelled():
                raise TrainingCancelled
            order = self.order[start : min(start + chunk, last)]
            part = np.array(rates[start // size : start // size + -(-len(order) // size)])
            call = self.arguments
            call.rows, call.step = len(order), self.steps
            call.order, call.rates = order.ctypes.data, part.ctypes.data
            call.logits = None if self.logits is None else self.logits[start:].data_ptr()
            if self.kernel.evoprune_epoch(ctypes.byref(call)):
                raise MemoryError("the training kernel could not get memory")
            self.steps += len(part)

    def epoch_loss(self) -> float:
        """Mean training loss of the epoch just run."""
        if self.logits is None:
            raise RuntimeError("the recipe has no early stopping, so no logits were kept")
        order = torch.from_numpy(self.order)
        targets, weights = self.goal.targets.index_select(0, order), self.goal.weights
        losses = row_losses(self.logits, targets, self.goal.loss, 1, self.goal.outputs)
        return mean_loss(losses, None if weights is None else weights.index_select(0, order))

    def snapshot(self) -> list[Tensor]:
        """A copy of all weights."""
        return [w.clone() for w in (self.first, self.output, self.bias)]

    def restore(self, kept: list[Tensor]) -> None:
        """Take back the weights of a snapshot; training does not go on from there."""
        for weight, old in zip((self.first, self.output, self.bias), kept, strict=True):
            weight.copy_(old)

    def weights(self) -> tuple[tuple[Float32Array, ...], Float32Array]:
        """Matrices `[d, h]` and `[h, C]` and the output bias `[C]`, as they are now."""
        inputs, units = self.sizes
        first = self.first[:inputs, :units].contiguous().numpy()
        return (first, self.output[:, :units].t().contiguous().numpy()), self.bias.numpy()
