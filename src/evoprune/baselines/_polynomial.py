"""Gradual magnitude pruning while training goes on, with polynomial decay (Zhu and Gupta, 2017, arXiv 1710.01878).

As the first paper compares with it (arXiv 2202.03844, section 5): after the dense
training, sparsity rises from 0.1 to its final value over 25 of 26 more epochs, in a
step every 5.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch.nn import functional

from evoprune._types import BoolArray, Float32Array
from evoprune.baselines._data import SelectionData
from evoprune.baselines._dense import DenseWeights, connection_structure, pruned_matrix, train_dense
from evoprune.baselines._network import Network, draw_batches, recipe_dropout, trainable
from evoprune.baselines._pruned import largest_weights
from evoprune.heads import CompactHead, Encoding, dense_structure
from evoprune.training import Recipe

INITIAL_SPARSITY, POWER = 0.1, 3
EPOCHS, PRUNING_EPOCHS, EPOCHS_A_STEP = 26, 25, 5


def sparsity_at(epoch: int, final: float) -> float:
    """Share of weights that are 0 from the pruning step of `epoch` (from 0) on.

    s_f + (s_i - s_f) (1 - t / n)^3 (section 3 of the source). Where the final sparsity is
    less than 0.1 it is in force from the start.
    """
    initial = min(INITIAL_SPARSITY, final)
    last_step = min(epoch, PRUNING_EPOCHS) // EPOCHS_A_STEP * EPOCHS_A_STEP
    return final + (initial - final) * (1 - last_step / PRUNING_EPOCHS) ** POWER


def polynomially_pruned(data: SelectionData, encoding: Encoding, counts: Sequence[int], seed: int) -> list[CompactHead]:
    """Heads whose pruned matrix lost its smallest weights step by step while training went on."""
    data = data.for_models()
    return [
        pruned.pruned(connection_structure(encoding, mask)) for pruned, mask in decayed(data, encoding, counts, seed)
    ]


def decayed(
    data: SelectionData, encoding: Encoding, counts: Sequence[int], seed: int
) -> list[tuple[DenseWeights, BoolArray]]:
    """`decay` from the dense head of the seed, done once for all methods that begin with it."""
    return data.once(
        ("decay", encoding.name, encoding.matrix, tuple(counts), seed),
        lambda: decay(data, encoding, train_dense(data, seed), counts, seed),
    )


def decay(
    data: SelectionData, encoding: Encoding, weights: DenseWeights, counts: Sequence[int], seed: int
) -> list[tuple[DenseWeights, BoolArray]]:
    """Train on from dense weights while pruning, to several final sparsities at once.

    The recipe's optimizer, rates and dropout begin anew. Weights that are pruned stay 0. All
    sparsities see the same batches and dropout; what comes of one does not depend on the others.

    Args:
        data: training rows.
        encoding: which matrix is pruned (see `pruned_matrix`).
        weights: where to start.
        counts: the share `count / L` of the matrix remains.
        seed: of batches and dropout.

    Returns:
        For each count the weights at the end, and which of the pruned matrix exist.
    """
    generator = torch.Generator().manual_seed(int(np.random.default_rng(seed).integers(2**62)))
    recipe, finals = data.recipe, [1 - count / encoding.length for count in counts]
    network = _side_by_side(weights, len(counts), recipe)
    pruned = network.matrices[pruned_matrix(encoding)]
    X, y = torch.from_numpy(weights.inputs(data.X)), torch.from_numpy(data.y)
    dropout = recipe_dropout(recipe, dense_structure(data.head, data.width), generator)
    optimizer = _optimizer([*network.matrices, network.bias], recipe)
    steps = EPOCHS * -(-len(X) // recipe.batch_size)
    step, mask = 0, torch.ones_like(pruned)
    for epoch in range(EPOCHS):
        if epoch % EPOCHS_A_STEP == 0:
            shares = [1 - sparsity_at(epoch, final) for final in finals]
            kept = [largest_weights(w, share) for w, share in zip(_values(pruned), shares, strict=True)]
            mask = torch.from_numpy(np.stack(kept)).float()
            _keep_only(pruned, mask)
        for batch in draw_batches(len(X), recipe.batch_size, generator):
            logits, _ = network.forward(X[batch], dropout)
            # A sum over sparsities: each has the gradients that it would have alone.
            loss = len(counts) * functional.cross_entropy(
                logits.flatten(0, 1), y[batch].repeat(len(counts)), label_smoothing=recipe.label_smoothing
            )
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            for group in optimizer.param_groups:
                group["lr"] = recipe.rate(step, steps)
            optimizer.step()
            _keep_only(pruned, mask)
            step += 1
    matrices = [_values(matrix) for matrix in network.matrices]
    biases, masks = _values(network.bias)[:, 0], mask.bool().numpy()
    return [
        (DenseWeights(tuple(m[k] for m in matrices), biases[k], weights.mean, weights.scale), masks[k])
        for k in range(len(counts))
    ]


def _side_by_side(weights: DenseWeights, copies: int, recipe: Recipe) -> Network:
    """A network with a leading axis: matrices `[copies, inputs, outputs]`, bias `[copies, 1, C]`."""
    matrices = [np.repeat(matrix[None], copies, axis=0) for matrix in weights.matrices]
    return trainable(matrices, np.repeat(weights.bias[None, None], copies, axis=0), recipe)


@torch.no_grad()
def _keep_only(weights: torch.Tensor, mask: torch.Tensor) -> None:
    weights.mul_(mask)


def _values(tensor: torch.Tensor) -> Float32Array:
    values: Float32Array = tensor.detach().numpy()
    return values


def _optimizer(parameters: list[torch.Tensor], recipe: Recipe) -> torch.optim.Optimizer:
    if recipe.optimizer == "adam":
        return torch.optim.Adam(parameters, lr=recipe.learning_rate, fused=True)
    nesterov = recipe.nesterov and recipe.momentum > 0
    return torch.optim.SGD(parameters, lr=recipe.learning_rate, momentum=recipe.momentum, nesterov=nesterov)
