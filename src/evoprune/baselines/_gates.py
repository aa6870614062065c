"""Learned gates: a factor on every unit, trained with the head under an L1 penalty.

A unit is worth the size its gate keeps. The penalty pulls all gates to 0 alike, and the
loss holds back those whose units it needs (the idea of network slimming: Liu and others,
ICCV 2017, where the factors are those of batch normalisation).
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from evoprune._types import BoolArray, FloatArray
from evoprune.baselines._counts import pruned_layers, within_layers
from evoprune.baselines._data import SelectionData
from evoprune.baselines._elimination import eliminate
from evoprune.baselines._network import Network, draw_batches, initial_network, recipe_dropout
from evoprune.heads import Encoding, Structure
from evoprune.training import Recipe

EPOCHS, FEWEST_STEPS, BATCH, RATE = 15, 150, 128, 6e-3
"""Of Adam with a cosine schedule, whatever the recipe: gates are to rank units, not to be used."""

TRAVEL = 3.0
"""The sum of the gates' rates over all steps is half of it: unopposed, a gate reaches 0 well before the end."""

PENALTY = 0.5
"""The L1 penalty on n gates weighs `PENALTY / sqrt(n)`: fewer gates have more to lose each."""

DROP = 0.3
"""Share of the remaining units that iterative elimination drops a round."""


def gate_scores(data: SelectionData, encoding: Encoding, seed: int) -> FloatArray:
    """Size of each unit's gate after one training `[L]`."""
    X, _ = data.standardized()
    scores = _train_gates(torch.from_numpy(X), data, encoding, encoding.dense_genome(), [seed, 0])
    return within_layers(encoding, scores)


def iterative_gate_scores(data: SelectionData, encoding: Encoding, seed: int) -> FloatArray:
    """Iterative gated elimination `[L]`: train gates, drop the weakest, train those left anew, and so on."""
    X, _ = data.standardized()
    inputs = torch.from_numpy(X)

    def score(left: BoolArray, number: int) -> FloatArray:
        return _train_gates(inputs, data, encoding, left, [seed, number])

    return eliminate(encoding, score, drop=DROP)


def _train_gates(
    inputs: Tensor, data: SelectionData, encoding: Encoding, left: BoolArray, seed: list[int]
) -> FloatArray:
    """Sizes of the gates of the active bits of a genome, in their order."""
    structure = encoding.decode(left)
    generator = torch.Generator().manual_seed(int(np.random.default_rng(seed).integers(2**62)))
    gated = pruned_layers(encoding)
    network = initial_network(data.head.shapes(data.width, data.classes), structure, gated, data.recipe, generator)
    rows = inputs[:, torch.from_numpy(np.flatnonzero(structure.inputs))]
    _descend(network, rows, torch.from_numpy(data.y), structure, data.recipe, generator)
    return np.concatenate([network.gates[layer].detach().abs().numpy() for layer in gated]).astype(np.float64)


def _descend(
    network: Network, X: Tensor, y: Tensor, structure: Structure, recipe: Recipe, generator: torch.Generator
) -> None:
    """Train weights and gates of a network in place."""
    gates = list(network.gates.values())
    each = -(-len(X) // BATCH)
    epochs = max(EPOCHS, -(-FEWEST_STEPS // each))
    steps = each * epochs
    rates = (RATE, TRAVEL / steps)
    optimizer = torch.optim.Adam([{"params": [*network.matrices, network.bias]}, {"params": gates}], fused=True)
    penalty = PENALTY / math.sqrt(sum(gate.numel() for gate in gates))
    dropout = recipe_dropout(recipe, structure, generator)
    step = 0
    for _ in range(epochs):
        for batch in draw_batches(len(X), BATCH, generator):
            for group, rate in zip(optimizer.param_groups, rates, strict=True):
                group["lr"] = rate * 0.5 * (1 + math.cos(math.pi * step / steps))
            logits, _ = network.forward(X[batch], dropout)
            loss = functional.cross_entropy(logits, y[batch], label_smoothing=recipe.label_smoothing)
            total = loss + penalty * torch.stack([gate.abs().sum() for gate in gates]).sum()
            optimizer.zero_grad()
            total.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            step += 1
