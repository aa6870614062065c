"""A fold's training rows as the engine wants them: standardised, in the precision of the products."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from evoprune._large import bytes_in_file
from evoprune._types import Float32Array, FloatArray, IntArray
from evoprune.training._goal import Goal, smoothed_targets
from evoprune.training._recipe import Recipe
from evoprune.training._training_set import TrainingSet

_ROWS = 8192
"""Rows that are read at a time, so that memory stays bounded for memory-mapped features."""


@dataclass(frozen=True, eq=False)
class PreparedFold:
    """Training rows of a fold, and behind them its outliers, if there are any.

    Attributes:
        features: `[n, D]`, standardised if the recipe says so.
        goal: what they are trained towards; values are standardised.
        mean: of each feature `[D]`, or None where the recipe does not standardise.
        scale: standard deviation of each feature `[D]`, or None.
        centre: mean of each value `[C]`, or None where there are classes.
        spread: standard deviation of each value `[C]`, 0 of one that is always the same; or None.
    """

    features: torch.Tensor
    goal: Goal
    mean: FloatArray | None
    scale: FloatArray | None
    centre: FloatArray | None = None
    spread: FloatArray | None = None

    def in_units(
        self, matrices: tuple[Float32Array, ...], bias: Float32Array
    ) -> tuple[tuple[Float32Array, ...], Float32Array]:
        """Weights `[.., C]` and output bias `[C]` whose outputs are in the units of the values that were given."""
        if self.centre is None or self.spread is None:
            return matrices, bias
        output = (matrices[-1] * self.spread).astype(np.float32)
        return (*matrices[:-1], output), (bias * self.spread + self.centre).astype(np.float32)


def prepare_fold(data: TrainingSet, number: int, recipe: Recipe) -> PreparedFold:
    """Prepare the training rows of a training set's fold `number`."""
    rows = data.folds[number].train
    outliers = None if data.outliers is None else data.outliers[number]
    extent = len(rows) + (0 if outliers is None else len(outliers))
    weights = None
    if data.weights is not None:
        weights = data.weights[rows] * (len(rows) / data.weights[rows].sum())
    features = _empty(extent, data.X.shape[1], getattr(torch, recipe.precision))
    mean, scale = standardization(data.X, rows, weights) if recipe.standardize else (None, None)
    _standardized_into(features[: len(rows)], data.X, rows, mean, scale)
    centre, spread = None, None
    if data.targets is None:
        targets = smoothed_targets(torch.from_numpy(data.y[rows]), data.classes, recipe.label_smoothing)
    else:
        values = data.targets[rows].astype(np.float64)
        if data.loss == "squared":
            # Rates, initial weights and the bound of early stopping are made for outputs of about 1.
            centre, deviation = standardization(data.targets, rows, weights)
            values = (values - centre) / deviation
            counted = values if weights is None else values[weights > 0]
            # What a head makes of a value that is always the same is noise, in no unit.
            spread = np.where(np.ptp(counted, axis=0) * deviation > 1e-6 * np.abs(centre), deviation, 0.0)
        targets = torch.from_numpy(values.astype(np.float32))
    counts = None if weights is None else torch.from_numpy(weights.astype(np.float32))
    if outliers is not None:
        _standardized_into(features[len(rows) :], outliers, np.arange(len(outliers)), mean, scale)
        even = torch.full((len(outliers), data.classes), 1 / data.classes)
        targets = torch.cat([targets, even])
        counts = None if counts is None else torch.cat([counts, torch.ones(len(outliers))])
    return PreparedFold(features, Goal(targets, counts, data.loss), mean, scale, centre, spread)


def _standardized_into(
    place: torch.Tensor, X: Float32Array, rows: IntArray, mean: FloatArray | None, scale: FloatArray | None
) -> None:
    """Write some rows of features into a matrix, standardised where mean and scale are given."""
    for start, chunk in _chunks(X, rows):
        if mean is not None and scale is not None:
            chunk = ((chunk - mean) / scale).astype(np.float32)  # noqa: PLW2901
        place[start : start + len(chunk)] = torch.from_numpy(chunk)


def _empty(rows: int, columns: int, dtype: torch.dtype) -> torch.Tensor:
    """A matrix of any contents; it lies in a file without a name if it is large, since several folds are prepared."""
    mapped = bytes_in_file(rows * columns * dtype.itemsize)
    if mapped is None:
        return torch.empty(rows, columns, dtype=dtype)
    return torch.from_numpy(mapped).view(dtype).view(rows, columns)


def standardization(
    X: Float32Array | FloatArray, rows: IntArray, weights: FloatArray | None = None
) -> tuple[FloatArray, FloatArray]:
    """Mean and standard deviation of each column `[D]` over some rows; constant columns get deviation 1.

    Args:
        X: `[N, D]`.
        rows: n row numbers.
        weights: what these rows count `[n]`, of mean 1; None for all alike.
    """
    nothing = np.zeros(X.shape[1])
    mean = sum((_sum(chunk, weights, start) for start, chunk in _chunks(X, rows)), nothing) / len(rows)
    squares = sum((_sum((chunk - mean) ** 2, weights, start) for start, chunk in _chunks(X, rows)), nothing)
    deviation = np.sqrt(squares / len(rows))
    return mean, np.where(deviation > 1e-6 * np.abs(mean), np.maximum(deviation, 1e-30), 1.0)


def _sum(chunk: Float32Array | FloatArray, weights: FloatArray | None, start: int) -> FloatArray:
    """Sum of each column, with the weights from row `start` on; in float64, in an order that threads do not change."""
    if weights is None:
        return np.asarray(chunk.sum(axis=0, dtype=np.float64))
    return np.asarray(np.einsum("n,nd->d", weights[start : start + len(chunk)], chunk.astype(np.float64)))


def _chunks(X: Float32Array | FloatArray, rows: IntArray) -> Iterator[tuple[int, Float32Array | FloatArray]]:
    for start in range(0, len(rows), _ROWS):
        yield start, X[rows[start : start + _ROWS]]
