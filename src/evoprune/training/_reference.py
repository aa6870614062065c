"""One candidate, trained as the papers describe it: full-size weights times a mask, with autograd.

Slow and readable on purpose. It defines what a recipe means; the engine is tested against it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from evoprune._types import BoolArray, Float32Array, FloatArray, IntArray
from evoprune.heads import Head, Structure
from evoprune.training._goal import Loss
from evoprune.training._randomness import batch_order, chunk_rows, dropout_bytes, dropout_threshold, initial_weights
from evoprune.training._recipe import Recipe


@dataclass(frozen=True)
class TrainedWeights:
    """Full-size weights after training.

    Attributes:
        matrices: one `[inputs, outputs]` a layer; connections that are off are 0.
        biases: None for hidden layers, `[C]` for the output layer.
        epochs: epochs that were run.
        loss: mean training loss of the epoch the weights are from.
    """

    matrices: tuple[Float32Array, ...]
    biases: tuple[Float32Array | None, ...]
    epochs: int
    loss: float


def train_reference(
    X: Float32Array,
    y: IntArray,
    structure: Structure,
    head: Head,
    classes: int,
    recipe: Recipe,
    seed: int,
    *,
    max_steps: int | None = None,
    dtype: torch.dtype = torch.float32,
    weights: FloatArray | None = None,
    targets: Float32Array | FloatArray | None = None,
    loss: Loss = "cross_entropy",
    initial: tuple[Float32Array, ...] | None = None,
) -> TrainedWeights:
    """Train one candidate on rows `X` `[N, D]` (standardised already, if the recipe says so).

    Args:
        X: features of the training rows `[N, D]`.
        y: their class numbers `[N]`.
        structure: what is on.
        head: shape of the head.
        classes: C.
        recipe: how to train.
        seed: of initial weights, batches and dropout.
        max_steps: end after so many steps, for tests.
        dtype: of weights and arithmetic.
        weights: what each row counts `[N]`, of mean 1; None for all alike.
        targets: distributions or (standardised) values `[N, C]` in place of the class numbers, or None.
        loss: of a row.
        initial: full-size initial weights, one matrix a layer; None to draw them.
    """
    features, labels = torch.from_numpy(X).to(dtype), torch.from_numpy(y)
    aims = None if targets is None else torch.from_numpy(targets).to(dtype)
    counts = torch.ones(len(X), dtype=dtype) if weights is None else torch.from_numpy(weights).to(dtype)
    shapes = head.shapes(X.shape[1], classes)
    masks = [torch.from_numpy(structure.mask(i, classes)) for i in range(len(shapes))]
    initial = initial or initial_weights(shapes, recipe, seed)
    matrices = [(torch.from_numpy(w).to(dtype) * m).requires_grad_() for w, m in zip(initial, masks, strict=True)]
    bias = torch.zeros(classes, dtype=dtype, requires_grad=True)
    parameters = [*matrices, bias]
    optimizer = _optimizer(parameters, recipe)
    thresholds = _dropout_thresholds(structure, recipe)
    keep = [
        None if not t else torch.from_numpy(_keep(len(X), layer, t, recipe, seed, i)).to(dtype) / (1 - t / 256)
        for i, (layer, t) in enumerate(zip((structure.inputs, *structure.hidden), thresholds, strict=True))
    ]

    steps = recipe.epochs * -(-len(X) // recipe.batch_size)
    step, epoch, best, best_epoch = 0, 0, float("inf"), 0
    best_weights = [p.detach().clone() for p in parameters]
    for epoch in range(1, recipe.epochs + 1):
        order = torch.from_numpy(batch_order(len(X), seed, epoch))
        total = 0.0
        for start in range(0, len(X), recipe.batch_size):
            rows = order[start : start + recipe.batch_size]
            drops = [None if k is None else k[start : start + recipe.batch_size] for k in keep]
            outputs = _forward(features[rows], matrices, masks, bias, drops)
            if aims is None:
                each = functional.cross_entropy(
                    outputs, labels[rows], label_smoothing=recipe.label_smoothing, reduction="none"
                )
            elif loss == "cross_entropy":
                each = functional.cross_entropy(outputs, aims[rows], reduction="none")
            else:
                each = functional.mse_loss(outputs, aims[rows], reduction="none").mean(dim=1)
            batch_loss = (counts[rows] * each).sum() / len(rows)
            optimizer.zero_grad()
            batch_loss.backward()  # type: ignore[no-untyped-call]
            for group in optimizer.param_groups:
                group["lr"] = recipe.rate(step, steps)
            optimizer.step()
            total += batch_loss.item() * len(rows)
            step += 1
            if step == max_steps:
                return _result(parameters, masks, epoch, total / len(X))
        mean = total / len(X)
        if recipe.early_stopping is None:
            best = mean
        elif mean < best - recipe.early_stopping.min_delta:
            best, best_epoch = mean, epoch
            best_weights = [p.detach().clone() for p in parameters]
        elif epoch - best_epoch >= recipe.early_stopping.patience:
            break
    return _result(best_weights if recipe.early_stopping else parameters, masks, epoch, best)


def _forward(
    batch: Tensor, weights: list[Tensor], masks: list[Tensor], bias: Tensor, drops: list[Tensor | None]
) -> Tensor:
    for index, (weight, mask) in enumerate(zip(weights, masks, strict=True)):
        if index:
            batch = torch.relu(batch)
        drop = drops[index]
        if drop is not None:
            batch = batch * drop
        batch = batch @ (weight * mask)
    return batch + bias


def _keep(rows: int, layer: BoolArray, threshold: int, recipe: Recipe, seed: int, number: int) -> BoolArray:
    """Which units each place of an epoch keeps `[rows, units]`; units that are off count as dropped."""
    chunk = min(rows, chunk_rows(recipe.batch_size))
    drawn = dropout_bytes(chunk, int(layer.sum()), seed, number) >= threshold
    keep = np.zeros((rows, layer.size), dtype=np.bool_)
    keep[:, layer] = np.resize(drawn, (rows, drawn.shape[1]))
    return keep


def _optimizer(parameters: list[Tensor], recipe: Recipe) -> torch.optim.Optimizer:
    if recipe.optimizer == "adam":
        return torch.optim.Adam(parameters, lr=recipe.learning_rate)
    return torch.optim.SGD(
        parameters,
        lr=recipe.learning_rate,
        momentum=recipe.momentum,
        nesterov=recipe.nesterov and recipe.momentum > 0,
    )


def _dropout_thresholds(structure: Structure, recipe: Recipe) -> list[int]:
    layers = (structure.inputs, *structure.hidden)
    rates = (recipe.input_dropout, *(recipe.hidden_dropout for _ in structure.hidden))
    return [dropout_threshold(rate, int(layer.sum()), layer.size) for rate, layer in zip(rates, layers, strict=True)]


def _result(parameters: list[Tensor], masks: list[Tensor], epochs: int, loss: float) -> TrainedWeights:
    matrices = tuple((p.detach() * m).to(torch.float32).numpy() for p, m in zip(parameters[:-1], masks, strict=True))
    biases: tuple[Float32Array | None, ...] = (
        *(None for _ in matrices[:-1]),
        parameters[-1].detach().to(torch.float32).numpy().astype(np.float32),
    )
    return TrainedWeights(matrices, biases, epochs, loss)
