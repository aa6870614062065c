"""Importances read off a trained dense head: its weights, and the gradients of its loss."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional

from evoprune._types import FloatArray
from evoprune.baselines._counts import pruned_layers, within_layers
from evoprune.baselines._data import SelectionData
from evoprune.baselines._dense import train_dense
from evoprune.baselines._network import trainable
from evoprune.heads import Encoding

ROWS = 4096
"""Rows that pass through the head at a time."""


def magnitude_scores(data: SelectionData, encoding: Encoding, seed: int) -> FloatArray:
    """L2 norm of a unit's weights `[L]`.

    Of a feature its outgoing weights. Of a hidden unit the product of the norms of incoming
    and outgoing ones: a ReLU unit computes the same if one is scaled up and the other down.
    """
    matrices = train_dense(data, seed).matrices
    scores = []
    for layer in pruned_layers(encoding):
        norms = np.linalg.norm(matrices[layer], axis=1)
        scores.append(norms * np.linalg.norm(matrices[layer - 1], axis=0) if layer else norms)
    return within_layers(encoding, np.concatenate(scores))


def taylor_scores(data: SelectionData, encoding: Encoding, seed: int) -> FloatArray:
    """First-order Taylor estimate of the change of the loss without a unit `[L]`.

    Mean over the training rows of |activation x gradient of the loss|
    (Molchanov and others, ICLR 2017, arXiv 1611.06440, section 2.2).
    """
    return _gradient_scores(data, encoding, seed, with_activation=True)


def gradient_scores(data: SelectionData, encoding: Encoding, seed: int) -> FloatArray:
    """Saliency `[L]`: mean over the training rows of |gradient of the loss| by a unit's activation.

    Of a feature that is its standardised value, if the recipe standardises
    (Simonyan and others, 2013, arXiv 1312.6034, section 3).
    """
    return _gradient_scores(data, encoding, seed, with_activation=False)


def _gradient_scores(data: SelectionData, encoding: Encoding, seed: int, *, with_activation: bool) -> FloatArray:
    weights = train_dense(data, seed)
    network = trainable(weights.matrices, weights.bias, data.recipe)
    layers = pruned_layers(encoding)
    sums = [np.zeros(network.matrices[layer].shape[0]) for layer in layers]
    for start in range(0, len(data.X), ROWS):
        chunk = slice(start, start + ROWS)
        inputs = torch.from_numpy(weights.inputs(data.X[chunk])).requires_grad_()
        logits, activations = network.forward(inputs)
        wanted = [activations[layer] for layer in layers]
        # Of the sum, so that each row's gradient is that of its own loss.
        loss = functional.cross_entropy(logits, torch.from_numpy(data.y[chunk]), reduction="sum")
        for i, gradient in enumerate(torch.autograd.grad(loss, wanted)):
            term = gradient * wanted[i] if with_activation else gradient
            sums[i] += term.detach().abs().sum(dim=0).numpy()
    return within_layers(encoding, np.concatenate(sums) / len(data.X))
