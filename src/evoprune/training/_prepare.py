"""A fold's training rows as the engine wants them: standardised, in the precision of the products."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from evoprune._types import Float32Array, FloatArray, IntArray
from evoprune.training._recipe import Recipe

_ROWS = 8192
"""Rows that are read at a time, so that memory stays bounded for memory-mapped features."""


@dataclass(frozen=True, eq=False)
class PreparedFold:
    """Training rows of a fold.

    Attributes:
        features: `[n, D]`, standardised if the recipe says so.
        mean: of each feature `[D]`, or None where the recipe does not standardise.
        scale: standard deviation of each feature `[D]`, or None.
    """

    features: Tensor
    mean: FloatArray | None
    scale: FloatArray | None


def prepare_fold(X: Float32Array, rows: IntArray, recipe: Recipe) -> PreparedFold:
    """Prepare the training rows `rows` of features `X` `[N, D]`."""
    features = torch.empty(len(rows), X.shape[1], dtype=getattr(torch, recipe.precision))
    mean, scale = standardization(X, rows) if recipe.standardize else (None, None)
    for start, chunk in _chunks(X, rows):
        if mean is not None and scale is not None:
            chunk = ((chunk - mean) / scale).astype(np.float32)  # noqa: PLW2901
        features[start : start + len(chunk)] = torch.from_numpy(chunk)
    return PreparedFold(features, mean, scale)


def standardization(X: Float32Array, rows: IntArray) -> tuple[FloatArray, FloatArray]:
    """Mean and standard deviation of each feature `[D]` over some rows; constant features get deviation 1."""
    mean = sum(chunk.sum(axis=0, dtype=np.float64) for _, chunk in _chunks(X, rows)) / len(rows)
    squares = sum(((chunk - mean) ** 2).sum(axis=0) for _, chunk in _chunks(X, rows))
    deviation = np.sqrt(squares / len(rows))
    return mean, np.where(deviation > 1e-6 * np.abs(mean), np.maximum(deviation, 1e-30), 1.0)


def _chunks(X: Float32Array, rows: IntArray) -> Iterator[tuple[int, Float32Array]]:
    for start in range(0, len(rows), _ROWS):
        yield start, X[rows[start : start + _ROWS]]
