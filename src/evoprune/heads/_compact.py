"""Heads with weights: masked at full size, and the compact form with the same logits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evoprune._types import BoolArray, Float32Array, FloatArray, IntArray
from evoprune.errors import DataError
from evoprune.heads._structure import Structure


@dataclass(frozen=True)
class CompactHead:
    """A head without the rows and columns that are off.

    Attributes:
        inputs: numbers of the features that are read `[d]`, ascending.
        width: D, number of features the head is given.
        matrices: weights, `[d, h1]`, .., `[h, C]`, float32.
        biases: one array `[outputs]` a matrix, or None where the layer has none.
        connections: number of connections that exist in each matrix (fewer than its
            entries only where single connections are pruned).
    """

    inputs: IntArray
    width: int
    matrices: tuple[Float32Array, ...]
    biases: tuple[Float32Array | None, ...]
    connections: tuple[int, ...]

    @property
    def classes(self) -> int:
        """C, the number of classes."""
        return int(self.matrices[-1].shape[1])

    @property
    def parameters(self) -> int:
        """Weights that exist, plus biases."""
        return sum(self.connections) + sum(b.size for b in self.biases if b is not None)

    @property
    def multiply_adds(self) -> int:
        """Multiply-adds of one image's pass through the head: the connections that exist."""
        return sum(self.connections)

    def check(self, X: Float32Array) -> None:
        """Refuse what are no features `[N, D]` of this head.

        Raises:
            DataError: the features have another width.
        """
        if X.ndim != 2 or X.shape[1] != self.width:
            raise DataError(f"features of shape {X.shape} do not fit a head made for {self.width} features a row")

    def logits(self, X: Float32Array) -> Float32Array:
        """Logits `[N, C]` of features `[N, D]`.

        Raises:
            DataError: the features have another width.
        """
        self.check(X)
        return forward(np.ascontiguousarray(X[:, self.inputs], dtype=np.float32), self.matrices, self.biases)


def forward(
    X: Float32Array, matrices: tuple[Float32Array, ...], biases: tuple[Float32Array | None, ...]
) -> Float32Array:
    """Plain pass through a head: ReLU between layers, none after the last."""
    for index, (matrix, bias) in enumerate(zip(matrices, biases, strict=True)):
        if index:
            X = np.maximum(X, 0)
        X = X @ matrix if bias is None else X @ matrix + bias
    return X


def compact(
    matrices: tuple[Float32Array, ...], biases: tuple[Float32Array | None, ...], structure: Structure
) -> CompactHead:
    """Remove what is off from full-size weights; the logits stay the same.

    Args:
        matrices: full-size weights `[D, h1]`, .., `[h, C]`; entries that are off are ignored.
        biases: one array `[outputs]` a matrix or None.
        structure: what is on.
    """
    classes = matrices[-1].shape[1]
    masks = [structure.mask(i, classes) for i in range(len(matrices))]
    kept = [layer.copy() for layer in structure.layers(classes)]
    if structure.connections is not None:
        _drop_unconnected(kept, masks, biases)
    indices = [np.flatnonzero(layer) for layer in kept]
    small, counts = [], []
    for i, (matrix, mask) in enumerate(zip(matrices, masks, strict=True)):
        block = np.ix_(indices[i], indices[i + 1])
        small.append(np.ascontiguousarray(np.where(mask[block], matrix[block], np.float32(0)), dtype=np.float32))
        counts.append(int(mask[block].sum()))
    small_biases = tuple(
        None if b is None else np.ascontiguousarray(b[indices[i + 1]], dtype=np.float32) for i, b in enumerate(biases)
    )
    return CompactHead(
        indices[0].astype(np.int64), int(structure.inputs.size), tuple(small), small_biases, tuple(counts)
    )


def compact_head(
    matrices: tuple[Float32Array, ...],
    bias: Float32Array,
    structure: Structure,
    mean: FloatArray | None = None,
    scale: FloatArray | None = None,
) -> CompactHead:
    """A head on raw features, from weights of the active parts alone.

    Where single connections are pruned all units are on, and those left without
    connections are removed here.

    Args:
        matrices: weights of the active parts `[d, h]`, .., `[h, C]`.
        bias: of the output layer `[C]`.
        structure: what is on.
        mean: of each feature `[D]`, where the weights were made for standardised ones.
        scale: standard deviation of each feature `[D]`, likewise.
    """
    biases: tuple[Float32Array | None, ...] = (*(None for _ in matrices[:-1]), bias)
    inputs = np.flatnonzero(structure.inputs)
    if mean is not None and scale is not None:
        first, shift = fold_standardization(matrices[0], biases[0], mean[inputs], scale[inputs])
        matrices, biases = (first, *matrices[1:]), (shift, *biases[1:])
    if structure.connections is None:
        counts = tuple(int(m.size) for m in matrices)
        return CompactHead(inputs.astype(np.int64), int(structure.inputs.size), matrices, biases, counts)
    return compact(matrices, biases, structure)


def _drop_unconnected(kept: list[BoolArray], masks: list[BoolArray], biases: tuple[Float32Array | None, ...]) -> None:
    """Switch off units that nothing reads, and units that read nothing and have no bias (they are 0)."""
    changed = True
    while changed:
        before = [layer.sum() for layer in kept]
        for i, mask in enumerate(masks):
            live = mask & np.logical_and.outer(kept[i], kept[i + 1])
            kept[i] &= live.any(axis=1)
            if i + 1 < len(masks):
                bias = biases[i]
                constant = np.zeros(mask.shape[1], dtype=np.bool_) if bias is None else bias != 0
                kept[i + 1] &= live.any(axis=0) | constant
        changed = before != [layer.sum() for layer in kept]


def fold_standardization(
    first: Float32Array, bias: Float32Array | None, mean: FloatArray, scale: FloatArray
) -> tuple[Float32Array, Float32Array]:
    """Weights that give on raw features what `first` gives on standardised ones.

    Args:
        first: first matrix `[D, h]`, made for `(X - mean) / scale`.
        bias: its bias `[h]` or None.
        mean: of each feature `[D]`.
        scale: standard deviation of each feature `[D]`, positive.

    Returns:
        Matrix `[D, h]` and bias `[h]`.
    """
    folded = first.astype(np.float64) / scale[:, None]
    shift = -(mean @ folded)
    if bias is not None:
        shift = shift + bias
    return folded.astype(np.float32), shift.astype(np.float32)
