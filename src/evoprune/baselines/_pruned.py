"""Pruning after training, without retraining: single weights, or whole neurons (arXiv 2202.03844, section 5)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from evoprune._types import BoolArray, Float32Array, FloatArray
from evoprune.baselines._counts import genomes, pruned_layers, within_layers
from evoprune.baselines._data import SelectionData
from evoprune.baselines._dense import DenseWeights, connection_structure, pruned_matrix, train_dense
from evoprune.heads import CompactHead, Encoding


def weight_pruned(data: SelectionData, encoding: Encoding, counts: Sequence[int], seed: int) -> list[CompactHead]:
    """Dense heads without the smallest weights of the pruned matrix."""
    weights = train_dense(data.for_models(), seed)
    masks = [largest_weights(weights.matrices[pruned_matrix(encoding)], count / encoding.length) for count in counts]
    return [weights.pruned(connection_structure(encoding, mask)) for mask in masks]


def largest_weights(matrix: Float32Array, share: float) -> BoolArray:
    """Which weights are the largest in magnitude: the share `share` of a matrix `[inputs, outputs]`."""
    kept = np.zeros(matrix.size, dtype=np.bool_)
    kept[np.argsort(-np.abs(matrix).ravel(), kind="stable")[: round(share * matrix.size)]] = True
    return kept.reshape(matrix.shape)


def neurons_pruned_in(data: SelectionData, encoding: Encoding, counts: Sequence[int], seed: int) -> list[CompactHead]:
    """Dense heads without the hidden units whose incoming weights have the smallest L2 norm."""
    weights = train_dense(data.for_models(), seed)
    return _neurons_pruned(weights, encoding, counts, incoming_norms(weights, encoding))


def neurons_pruned_out(data: SelectionData, encoding: Encoding, counts: Sequence[int], seed: int) -> list[CompactHead]:
    """Dense heads without the features or hidden units whose outgoing weights have the smallest L2 norm."""
    weights = train_dense(data.for_models(), seed)
    return _neurons_pruned(weights, encoding, counts, outgoing_norms(weights, encoding))


def incoming_norms(weights: DenseWeights, encoding: Encoding) -> FloatArray:
    """L2 norm of the weights into each hidden unit that the encoding prunes `[L]`."""
    return np.concatenate([np.linalg.norm(weights.matrices[i - 1], axis=0) for i in pruned_layers(encoding)]).astype(
        np.float64
    )


def outgoing_norms(weights: DenseWeights, encoding: Encoding) -> FloatArray:
    """L2 norm of the weights out of each feature or hidden unit that the encoding prunes `[L]`."""
    return np.concatenate([np.linalg.norm(weights.matrices[i], axis=1) for i in pruned_layers(encoding)]).astype(
        np.float64
    )


def _neurons_pruned(
    weights: DenseWeights, encoding: Encoding, counts: Sequence[int], norms: FloatArray
) -> list[CompactHead]:
    # With two pruned layers each keeps the same share, as published.
    chosen = genomes(encoding, within_layers(encoding, norms), counts)
    return [weights.pruned(encoding.decode(genome)) for genome in chosen]
