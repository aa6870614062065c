"""A compact network in plain torch operations: any head, any precision, any processor."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from evoprune._types import Float32Array
from evoprune.heads import Structure
from evoprune.training._cancelled import TrainingCancelled
from evoprune.training._goal import Goal, mean_loss, output_gradient, row_losses
from evoprune.training._optimizers import make_optimizer
from evoprune.training._randomness import batch_order, chunk_rows, dropout_bytes, dropout_threshold
from evoprune.training._recipe import Recipe


@dataclass(frozen=True)
class _Batch:
    """Rows of a step: inputs `[B, d]`, targets `[C, B]`, weights `[B]`, dropout by hidden layer, place in an epoch."""

    inputs: Tensor
    targets: Tensor
    weights: Tensor | None
    keep: tuple[Tensor | None, ...]
    place: slice


class TorchNetwork:
    """The compact network, its buffers and its optimizer.

    Everything of the output layer is kept transposed (`[C, h]`, `[C, B]`): with few
    classes, products in that form are several times faster.
    """

    def __init__(
        self,
        features: Tensor,
        goal: Goal,
        structure: Structure,
        initial: tuple[Float32Array, ...],
        recipe: Recipe,
        seed: int,
        master: torch.dtype,
    ) -> None:
        layers = structure.layers(goal.outputs)
        indices = [np.flatnonzero(layer) for layer in layers]
        self.recipe, self.seed, self.rows = recipe, seed, len(features)
        self.dtype, self.mixed = features.dtype, features.dtype != master
        goal = goal.to(master)
        self.loss, self.targets, self.row_weights = goal.loss, goal.targets.t().contiguous(), goal.weights
        self._draw_dropout([len(layer) for layer in layers], [len(index) for index in indices], master)
        inputs = features if len(indices[0]) == len(layers[0]) else features[:, torch.from_numpy(indices[0])]
        self.inputs = inputs * self.scales[0] if self.scales[0] != 1 else inputs

        blocks = [np.ascontiguousarray(w[np.ix_(indices[i], indices[i + 1])]) for i, w in enumerate(initial)]
        self.hidden = [torch.from_numpy(block).to(master, copy=True) for block in blocks[:-1]]
        self.output = torch.from_numpy(blocks[-1]).to(master).t().contiguous()
        self.bias = torch.zeros(len(self.output), 1, dtype=master)
        self.mask = None
        if structure.matrix is not None and structure.connections is not None:
            block = structure.connections[np.ix_(indices[structure.matrix], indices[structure.matrix + 1])]
            self.mask = (structure.matrix, torch.from_numpy(block).to(master))
            self.hidden[structure.matrix].mul_(self.mask[1])

        self.products = [w.to(self.dtype) for w in self.hidden] if self.mixed else self.hidden
        self.gradients = [torch.zeros_like(w) for w in (*self.hidden, self.output, self.bias)]
        self.rounded = [torch.empty_like(w) for w in self.products] if self.mixed else self.gradients[:-2]
        self.optimizer = make_optimizer(recipe, [*self.hidden, self.output, self.bias], self.gradients)

        units, size = [w.shape[1] for w in self.hidden], recipe.batch_size
        self.sums = [torch.empty(size, n, dtype=self.dtype) for n in units]
        self.outs = [torch.empty(size, n, dtype=master) for n in units] if self.mixed else self.sums
        self.logits = torch.empty(len(self.output), self.rows, dtype=master)
        self.order = torch.empty(0, dtype=torch.int64)

    def _draw_dropout(self, full: list[int], active: list[int], master: torch.dtype) -> None:
        """Draw which units are kept at each place of a chunk, once for the whole training."""
        rates = (self.recipe.input_dropout, *(self.recipe.hidden_dropout for _ in full[1:-1]))
        rows = min(self.rows, chunk_rows(self.recipe.batch_size))
        self.keep: list[Tensor | None] = []
        self.scales: list[float] = []
        for layer, rate in enumerate(rates):
            threshold = dropout_threshold(rate, active[layer], full[layer])
            self.scales.append(1 / (1 - threshold / 256))
            if not threshold:
                self.keep.append(None)
                continue
            drawn = torch.from_numpy(dropout_bytes(rows, active[layer], self.seed, layer))
            self.keep.append(drawn.ge(threshold).to(master if layer else self.dtype))

    def run(self, epoch: int, rates: Sequence[float], cancelled: Callable[[], bool]) -> None:
        """The steps of one epoch, as many as there are learning rates.

        Raises:
            TrainingCancelled: `cancelled` said so.
        """
        for batch, rate in zip(self._batches(epoch, cancelled), rates, strict=False):
            self._step(batch, rate)

    def _batches(self, epoch: int, cancelled: Callable[[], bool]) -> Iterator[_Batch]:
        """The steps of an epoch, gathered a chunk of rows at a time so that memory stays bounded."""
        size = self.recipe.batch_size
        self.order = torch.from_numpy(batch_order(self.rows, self.seed, epoch))
        step = chunk_rows(size)
        for start in range(0, self.rows, step):
            if cancelled():
                raise TrainingCancelled
            chosen = self.order[start : start + step]
            inputs = self.inputs.index_select(0, chosen)
            keep = [k if k is None else k[: len(chosen)] for k in self.keep]
            if keep[0] is not None:
                inputs.mul_(keep[0])
            masks = [k if k is None else torch.split(k, size) for k in keep[1:]]
            targets = torch.split(self.targets.index_select(1, chosen), size, 1)
            counts = None
            if self.row_weights is not None:
                counts = torch.split(self.row_weights.index_select(0, chosen), size)
            for i, (x, y) in enumerate(zip(torch.split(inputs, size), targets, strict=True)):
                first = start + i * size
                w, keeps = None if counts is None else counts[i], tuple(m if m is None else m[i] for m in masks)
                yield _Batch(x, y, w, keeps, slice(first, first + len(x)))

    def _step(self, batch: _Batch, rate: float) -> None:
        """One step of the optimizer on one batch."""
        rows = len(batch.inputs)
        whole = rows == self.recipe.batch_size
        sums = self.sums if whole else [s[:rows] for s in self.sums]
        outs = self.outs if whole else [o[:rows] for o in self.outs]
        belows = self._forward(batch, sums, outs)

        # The scale of the last dropout is a factor of the output product, forward and backward.
        top, scale = outs[-1], self.scales[-1]
        logits = torch.addmm(self.bias, self.output, top.t(), alpha=scale)
        if self.recipe.early_stopping is not None:
            self.logits[:, batch.place] = logits
        delta = output_gradient(logits, batch.targets, self.loss, 0, len(logits)).mul_(scale / rows)
        if batch.weights is not None:
            delta.mul_(batch.weights)
        torch.mm(delta, top, out=self.gradients[-2])
        torch.sum(delta, 1, keepdim=True, out=self.gradients[-1])
        if scale != 1:
            self.gradients[-1].mul_(1 / scale)
        back = torch.mm(delta.t(), self.output)

        for i in range(len(self.hidden) - 1, -1, -1):
            _through_relu(back, outs[i])
            if i < len(self.hidden) - 1 and self.scales[i + 1] != 1:
                back.mul_(self.scales[i + 1])
            upper = sums[i].copy_(back) if self.mixed else back
            torch.mm(belows[i].t(), upper, out=self.rounded[i])
            if self.mixed:
                self.gradients[i].copy_(self.rounded[i])
            if i:
                back = torch.mm(upper, self.products[i].t()).to(back.dtype)
        if self.mask is not None:
            self.gradients[self.mask[0]].mul_(self.mask[1])
        self.optimizer(rate)
        if self.mixed:
            for product, weights in zip(self.products, self.hidden, strict=True):
                product.copy_(weights)

    def _forward(self, batch: _Batch, sums: list[Tensor], outs: list[Tensor]) -> list[Tensor]:
        """Fill the outputs of all hidden layers; returns what each layer's product read."""
        belows, below = [], batch.inputs
        for i, product in enumerate(self.products):
            belows.append(below)
            torch.mm(below, product, out=sums[i])
            out = outs[i].copy_(sums[i]) if self.mixed else sums[i]
            out.relu_()
            keep, last = batch.keep[i], i == len(self.products) - 1
            if keep is not None:
                out.mul_(keep)
                if not last:
                    out.mul_(self.scales[i + 1])
            if not last:
                below = out.to(self.dtype)
        return belows

    def epoch_loss(self) -> float:
        """Mean training loss of the epoch just run."""
        losses = row_losses(self.logits, self.targets.index_select(1, self.order), self.loss, 0, len(self.targets))
        return mean_loss(losses, None if self.row_weights is None else self.row_weights.index_select(0, self.order))

    def snapshot(self) -> list[Tensor]:
        """A copy of all weights."""
        return [w.clone() for w in (*self.hidden, self.output, self.bias)]

    def restore(self, kept: list[Tensor]) -> None:
        """Take back the weights of a snapshot."""
        for weight, old in zip((*self.hidden, self.output, self.bias), kept, strict=True):
            weight.copy_(old)

    def weights(self) -> tuple[tuple[Float32Array, ...], Float32Array]:
        """Matrices `[d, h]`, .., `[h, C]` and the output bias `[C]`, as they are now."""
        matrices = tuple(w.to(torch.float32).contiguous().numpy() for w in (*self.hidden, self.output.t()))
        return matrices, self.bias[:, 0].to(torch.float32).numpy()


def _through_relu(gradient: Tensor, output: Tensor) -> None:
    """Set the gradient to 0, in place, where the unit's output is 0."""
    torch.ops.aten.threshold_backward.grad_input(gradient, output, 0, grad_input=gradient)
