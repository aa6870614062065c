"""Many compact networks in training at once: one stack of matrices a layer, one product for all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from evoprune._types import BoolArray, Float32Array, FloatArray, IntArray
from evoprune.training._cancelled import TrainingCancelled
from evoprune.training._device_rows import DeviceRows
from evoprune.training._goal import output_gradient, row_losses
from evoprune.training._optimizers import make_optimizer
from evoprune.training._packed_dropout import Dropout, draw_dropout
from evoprune.training._packs import Bucket, Job
from evoprune.training._randomness import batch_order, chunk_rows
from evoprune.training._recipe import Recipe


class PackedNetwork:
    """The networks of a pack `[S, ..]`, one a slot, their buffers and their optimizer.

    The steps are those of `TorchNetwork`. Slots differ in what is gathered for them: columns
    of the features, rows in the order of their fold and seed, initial weights, dropout.
    What pads a slot, and a slot without a training, is zeros that stay zeros.

    Args:
        jobs: the trainings, at most as many as there are slots.
        bucket: what they have in common.
        slots: S.
        rows: features and targets.
        initial: full-size initial weights by seed, with a row and a column of zeros at the end, on the device.
        recipe: how to train.
        master: precision of weights, optimizer and output layer.
    """

    def __init__(
        self,
        jobs: Sequence[Job],
        bucket: Bucket,
        slots: int,
        rows: DeviceRows,
        initial: Mapping[int, tuple[Tensor, ...]],
        recipe: Recipe,
        master: torch.dtype,
    ) -> None:
        self.jobs, self.bucket, self.slots, self.rows, self.recipe = jobs, bucket, slots, rows, recipe
        self.master, self.mixed = master, rows.dtype != master
        self.active = [tuple(map(np.flatnonzero, job.structure.layers(rows.classes))) for job in jobs]
        self.places = bucket.steps * recipe.batch_size
        self._group_rows()
        self._make_weights(initial)
        self.dropout = draw_dropout(jobs, bucket, slots, rows.counts, recipe, rows.device, master)
        self._make_buffers()

    def _to(self, array: NDArray[Any], dtype: torch.dtype | None = None) -> Tensor:
        return torch.from_numpy(array).to(self.rows.device, dtype)

    def _group_rows(self) -> None:
        """Trainings of one fold and seed read the same rows: they are fetched once for all of them."""
        pairs = list(dict.fromkeys((job.fold, job.seed) for job in self.jobs))
        self.folds, self.seeds = np.array([fold for fold, _ in pairs]), [seed for _, seed in pairs]
        group = np.zeros(self.slots, dtype=np.int64)
        # What a row of a batch counts in the gradient: one over the rows of its batch; nothing
        # where an epoch's last batch is filled up, so that all steps have the same shape.
        weights = np.zeros((self.slots, self.places, 1))
        self.trained_rows = np.ones(self.slots)
        size = self.recipe.batch_size
        for slot, job in enumerate(self.jobs):
            count = self.rows.counts[job.fold]
            group[slot], self.trained_rows[slot] = pairs.index((job.fold, job.seed)), count
            weights[slot, :count] = 1 / size
            weights[slot, self.places - size : count] = 1 / (count - (self.places - size))
        self.group, self.row_weights = self._to(group), self._to(weights, self.master)

    def _make_weights(self, initial: Mapping[int, tuple[Tensor, ...]]) -> None:
        sizes, seeds = self.bucket.sizes, list(dict.fromkeys(self.seeds))
        numbers = np.zeros(self.slots, dtype=np.int64)
        numbers[: len(self.jobs)] = [seeds.index(job.seed) for job in self.jobs]
        chosen = self._to(numbers)[:, None, None]
        self.index = [self._indices(layer) for layer in range(len(sizes))]
        stacks = []
        for layer in range(len(sizes) - 1):
            full = torch.stack([initial[seed][layer] for seed in seeds])
            below, above = self.index[layer], self.index[layer + 1]
            stacks.append(full[chosen, below[:, :, None], above[:, None, :]].contiguous())
        *self.hidden, self.output = stacks
        self.bias = torch.zeros(self.slots, 1, sizes[-1], dtype=self.master, device=self.rows.device)
        if self.rows.loss == "cross_entropy":
            # Classes that are padding have no probability; values that are padding are 0 and should be.
            self.bias[:, :, self.rows.classes :] = -torch.inf
        self.mask = self._mask()
        if self.mask is not None:
            self.hidden[self.bucket.matrix or 0].mul_(self.mask)

    def _indices(self, layer: int) -> Tensor:
        """Numbers of a layer's active units `[S, size]`; padding has the number of the row or column of zeros."""
        first = self.jobs[0].structure.layers(self.rows.classes)[layer]
        numbers = np.full((self.slots, self.bucket.sizes[layer]), len(first), dtype=np.int64)
        for slot, active in enumerate(self.active):
            numbers[slot, : len(active[layer])] = active[layer]
        return self._to(numbers)

    def _mask(self) -> Tensor | None:
        """Single connections that are on `[S, inputs, outputs]`, where some may be off."""
        layer = self.bucket.matrix
        if layer is None:
            return None
        mask: BoolArray = np.zeros((self.slots, *self.bucket.sizes[layer : layer + 2]), dtype=np.bool_)
        for slot, (job, active) in enumerate(zip(self.jobs, self.active, strict=True)):
            if job.structure.connections is not None:
                block = job.structure.connections[np.ix_(active[layer], active[layer + 1])]
                mask[slot, : block.shape[0], : block.shape[1]] = block
        return self._to(mask, self.master)

    def _make_buffers(self) -> None:
        weights = [*self.hidden, self.output, self.bias]
        self.gradients = [torch.zeros_like(w) for w in weights]
        self.products = [w.to(self.rows.dtype) for w in self.hidden] if self.mixed else self.hidden
        self.rounded = [torch.empty_like(w) for w in self.products] if self.mixed else self.gradients[:-2]
        self.optimizer = make_optimizer(self.recipe, weights, self.gradients)
        device, size = self.rows.device, self.recipe.batch_size
        shapes = [(self.slots, size, units) for units in self.bucket.sizes[1:-1]]
        self.sums = [torch.empty(shape, dtype=self.rows.dtype, device=device) for shape in shapes]
        self.outs = [torch.empty(s, dtype=self.master, device=device) for s in shapes] if self.mixed else self.sums
        self.place = torch.arange(min(self.places, chunk_rows(size)), device=device)
        self.loss = torch.zeros(self.slots, dtype=torch.float64, device=device)
        self.kept = [w.clone() for w in weights] if self.recipe.early_stopping is not None else []

    def run(self, epoch: int, rates: Sequence[float], cancelled: Callable[[], bool]) -> None:
        """The steps of one epoch, as many as there are learning rates.

        Raises:
            TrainingCancelled: `cancelled` said so.
        """
        size = self.recipe.batch_size
        order: IntArray = np.zeros((len(self.folds), self.places), dtype=np.int64)
        for group, (fold, seed) in enumerate(zip(self.folds, self.seeds, strict=True)):
            order[group, : self.rows.counts[fold]] = batch_order(self.rows.counts[fold], seed, epoch)
        self.loss.zero_()
        for start in range(0, len(rates) * size, len(self.place)):
            end = min(start + len(self.place), self.places)
            self._chunk(order[:, start:end], start, rates[start // size : end // size], cancelled)

    def _chunk(self, order: IntArray, start: int, rates: Sequence[float], cancelled: Callable[[], bool]) -> None:
        """Gather rows for some steps, `order` `[G, n]`, and make them."""
        count, size = order.shape[1], self.recipe.batch_size
        taken = self.rows.take(self.folds, order)
        inputs = taken.features[self.group[:, None, None], self.place[None, :count, None], self.index[0][:, None, :]]
        padding = self.bucket.sizes[-1] - self.rows.classes
        targets = functional.pad(taken.targets, (0, padding))[self.group]
        counts = None if taken.weights is None else taken.weights[self.group, :, None]
        del taken  # whose features may be as large as what follows
        if self.dropout[0] is not None:
            self.dropout[0].at(slice(count)).apply(inputs)
        weights = self.row_weights[:, start : start + count]
        scales = weights if counts is None else weights * counts
        logits = []
        for step, rate in enumerate(rates):
            if cancelled():
                raise TrainingCancelled
            part = slice(step * size, (step + 1) * size)
            drops = [None if drop is None else drop.at(part) for drop in self.dropout[1:]]
            before = self._step(inputs[:, part], targets[:, part], drops, scales[:, part], rate)
            if self.recipe.early_stopping is not None:
                logits.append(before)
        if logits and len(rates) * size == count:
            losses = row_losses(torch.cat(logits, 1), targets, self.rows.loss, 2, self.rows.classes)
            # A row that only fills up its batch has no weight, and no part in the loss.
            losses.mul_(weights[:, :, 0] != 0)
            if counts is not None:
                losses.mul_(counts[:, :, 0])
            self.loss += losses.sum(1, dtype=torch.float64)

    def _step(
        self, inputs: Tensor, targets: Tensor, drops: Sequence[Dropout | None], weights: Tensor, rate: float
    ) -> Tensor:
        """One step of the optimizer on one batch; returns the logits `[S, B, C]` that it started from."""
        belows = self._forward(inputs, drops)
        top = self.outs[-1]
        logits = torch.baddbmm(self.bias, top, self.output)
        delta = output_gradient(logits, targets, self.rows.loss, 2, self.rows.classes).mul_(weights)
        torch.bmm(top.mT, delta, out=self.gradients[-2])
        torch.sum(delta, 1, keepdim=True, out=self.gradients[-1])
        back = torch.bmm(delta, self.output.mT)
        for layer in range(len(self.hidden) - 1, -1, -1):
            # Units that were dropped gave 0, as those did that ReLU stopped.
            torch.ops.aten.threshold_backward.grad_input(back, self.outs[layer], 0, grad_input=back)
            drop = drops[layer]
            if drop is not None:
                back.mul_(drop.scale)
            upper = self.sums[layer].copy_(back) if self.mixed else back
            torch.bmm(belows[layer].mT, upper, out=self.rounded[layer])
            if self.mixed:
                self.gradients[layer].copy_(self.rounded[layer])
            if layer:
                back = torch.bmm(upper, self.products[layer].mT).to(self.master)
        if self.mask is not None:
            self.gradients[self.bucket.matrix or 0].mul_(self.mask)
        self.optimizer(rate)
        if self.mixed:
            for product, master in zip(self.products, self.hidden, strict=True):
                product.copy_(master)
        return logits

    def _forward(self, inputs: Tensor, drops: Sequence[Dropout | None]) -> list[Tensor]:
        """Fill the outputs of all hidden layers; returns what each layer's product read."""
        belows = []
        for layer, product in enumerate(self.products):
            belows.append(self.outs[layer - 1].to(self.rows.dtype) if layer else inputs)
            torch.bmm(belows[-1], product, out=self.sums[layer])
            out = self.outs[layer].copy_(self.sums[layer]) if self.mixed else self.sums[layer]
            out.relu_()
            drop = drops[layer]
            if drop is not None:
                drop.apply(out)
        return belows

    def epoch_loss(self) -> FloatArray:
        """Mean training loss `[S]` of the epoch just run."""
        loss: FloatArray = self.loss.cpu().numpy() / self.trained_rows
        return loss

    def keep_weights(self, slots: IntArray) -> None:
        """Remember the weights of some slots as they are now."""
        chosen = self._to(slots)
        for kept, weight in zip(self.kept, (*self.hidden, self.output, self.bias), strict=True):
            kept.index_copy_(0, chosen, weight.index_select(0, chosen))

    def weights(self, slot: int, *, kept: bool) -> tuple[tuple[Float32Array, ...], Float32Array]:
        """Matrices `[d, h]`, .., `[h, C]` and the output bias `[C]` of a slot, as they are now or as remembered."""
        *stacks, bias = self.kept if kept else (*self.hidden, self.output, self.bias)
        sizes = [len(active) for active in self.active[slot]]
        matrices = tuple(_copied(stack[slot, : sizes[i], : sizes[i + 1]]) for i, stack in enumerate(stacks))
        return matrices, _copied(bias[slot, 0, : sizes[-1]])


def _copied(tensor: Tensor) -> Float32Array:
    array: Float32Array = tensor.to("cpu", torch.float32, copy=True).contiguous().numpy()
    return array
