"""A head trained with everything on, as its user sees it: weights on standardised features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evoprune._types import BoolArray, Float32Array, FloatArray
from evoprune.baselines._data import SelectionData, standardization
from evoprune.heads import CompactHead, Encoding, Structure, compact_head, dense_structure
from evoprune.training import train_population


@dataclass(frozen=True, eq=False)
class DenseWeights:
    """Full-size weights of a trained head.

    Attributes:
        matrices: `[D, h]`, .., `[h, C]`, float32; the first one for standardised features if
            the recipe standardises.
        bias: of the output layer `[C]`.
        mean: of each feature `[D]`, or None where the recipe does not standardise.
        scale: standard deviation of each feature `[D]`, or None.
    """

    matrices: tuple[Float32Array, ...]
    bias: Float32Array
    mean: FloatArray | None
    scale: FloatArray | None

    def inputs(self, X: Float32Array) -> Float32Array:
        """Raw features `[N, D]` as the first matrix wants them."""
        if self.mean is None or self.scale is None:
            return X
        return ((X - self.mean) / self.scale).astype(np.float32)

    def pruned(self, structure: Structure) -> CompactHead:
        """The head on raw features without what is off; the weights that stay are as they are."""
        layers = structure.layers(len(self.bias))
        kept = tuple(
            np.ascontiguousarray(matrix[np.ix_(layers[i], layers[i + 1])]) for i, matrix in enumerate(self.matrices)
        )
        if structure.matrix is not None and structure.connections is not None:
            kept = tuple(
                np.where(structure.connections, m, np.float32(0)) if i == structure.matrix else m
                for i, m in enumerate(kept)
            )
        return compact_head(kept, self.bias, structure, self.mean, self.scale)


def train_dense(data: SelectionData, seed: int) -> DenseWeights:
    """Train the full head on the training rows by the ordinary engine.

    The engine hands back a head on raw features. The standardisation that is folded into
    its first matrix is divided out again: magnitudes of weights are to be compared as on
    the features that the network was trained on. Methods that are given the same data share it.
    """
    return data.once(("dense", seed), lambda: _trained_dense(data, seed))


def _trained_dense(data: SelectionData, seed: int) -> DenseWeights:
    (trained,) = train_population(
        data.training_set(), [dense_structure(data.head, data.width)], head=data.head, recipe=data.recipe, seeds=[seed]
    )
    (head,) = trained.heads[0]
    *_, bias = head.biases
    if bias is None:
        raise RuntimeError("a trained head has an output bias")
    if not data.recipe.standardize:
        return DenseWeights(head.matrices, bias, None, None)
    mean, scale = standardization(data.X)
    first = (head.matrices[0] * scale[:, None]).astype(np.float32)
    return DenseWeights((first, *head.matrices[1:]), bias, mean, scale)


def retrain(data: SelectionData, structures: Sequence[Structure], seed: int) -> list[CompactHead]:
    """Heads of some structures, trained on the training rows by the ordinary engine."""
    trained = train_population(data.training_set(), structures, head=data.head, recipe=data.recipe, seeds=[seed])
    return [candidate.heads[0][0] for candidate in trained]


def pruned_matrix(encoding: Encoding) -> int:
    """Number of the weight matrix that holds the connections an encoding prunes (PROTOCOL names).

    The matrix out of the features for `features`; the outgoing connections of the first
    hidden layer for `first`, the incoming ones of the second for `second`. In a head with two hidden
    layers these are one matrix, and so it is for `both`. For `connections`, the matrix they are of.
    """
    if encoding.matrix is not None:
        return encoding.matrix
    return 0 if encoding.name == "features" else 1


def connection_structure(encoding: Encoding, connections: BoolArray) -> Structure:
    """The full head with single connections of the pruned matrix only."""
    dense = dense_structure(encoding.head, encoding.width)
    return Structure(dense.inputs, dense.hidden, pruned_matrix(encoding), connections)
