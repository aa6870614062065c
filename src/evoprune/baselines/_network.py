"""A head in plain torch operations with autograd: for gates, importances and pruning while training.

Slow beside the training engine, which trains every mask that is compared. It runs where
a method needs what the engine does not give: gradients of activations, gates, or a mask
that changes while training.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from evoprune._types import Float32Array
from evoprune.heads import Structure
from evoprune.training import Recipe


@dataclass(frozen=True, eq=False)
class Dropout:
    """Zeroes inputs and hidden units while training, as a recipe says.

    Attributes:
        rates: share that is zeroed in each layer, the inputs first.
        generator: of the draws.
    """

    rates: tuple[float, ...]
    generator: torch.Generator

    def __call__(self, layer: int, values: Tensor) -> Tensor:
        """Units of a layer `[B, units]` or `[K, B, units]`, some 0, the others scaled; the same ones for all K."""
        rate = self.rates[layer]
        if not rate:
            return values
        return values * (self._uniform(values.shape[-2:]) >= rate * 2**16 - 2**15) / (1 - rate)

    def _uniform(self, shape: torch.Size) -> Tensor:
        """Uniform 16-bit numbers: four from each draw, for the draws would cost as much as a product."""
        draws = torch.empty(-(-shape.numel() // 4), dtype=torch.int64).random_(-(2**63), None, generator=self.generator)
        return draws.view(torch.int16)[: shape.numel()].view(shape)


@dataclass(frozen=True, eq=False)
class Network:
    """Weights of the active parts of a head, in float32; or of K heads side by side.

    Attributes:
        matrices: `[d, h]`, .., `[h, C]`; `[K, d, h]`, .. of K heads.
        bias: of the output layer `[C]`; `[K, 1, C]` of K heads.
        gates: factors of the units of some layers, one array `[units]` each, by layer number.
        precision: of the products of hidden layers, as in a recipe.
    """

    matrices: tuple[Tensor, ...]
    bias: Tensor
    gates: Mapping[int, Tensor] = field(default_factory=dict)
    precision: Literal["float32", "bfloat16"] = "float32"

    def forward(self, batch: Tensor, dropout: Dropout | None = None) -> tuple[Tensor, list[Tensor]]:
        """Logits `[B, C]` of inputs `[B, d]`, and the activations `[B, units]` of every layer before them.

        Both `[K, B, ..]` of K heads, which share the inputs.
        """
        activations = []
        for layer, matrix in enumerate(self.matrices):
            values = torch.relu(batch) if layer else batch
            values = values if dropout is None else dropout(layer, values)
            values = values * self.gates[layer] if layer in self.gates else values
            activations.append(values)
            batch = self._product(layer, values, matrix)
        return batch + self.bias, activations

    def _product(self, layer: int, values: Tensor, matrix: Tensor) -> Tensor:
        if self.precision == "float32" or layer == len(self.matrices) - 1:
            return values @ matrix
        return (values.bfloat16() @ matrix.bfloat16()).float()


def initial_network(
    full: Sequence[tuple[int, int]],
    structure: Structure,
    gated: Sequence[int],
    recipe: Recipe,
    generator: torch.Generator,
) -> Network:
    """A network to be trained: Glorot-uniform weights at the scale of the full head, gates of 1.

    Args:
        full: shapes of the full head's matrices.
        structure: what is on; no single connections.
        gated: numbers of the layers whose units have gates.
        recipe: whose precision the products have.
        generator: of the weights.
    """
    classes = full[-1][1]
    units = [int(layer.sum()) for layer in structure.layers(classes)]
    matrices = []
    for layer, (inputs, outputs) in enumerate(full):
        limit = float(np.sqrt(6 / (inputs + outputs)))
        drawn = torch.rand(units[layer], units[layer + 1], generator=generator)
        matrices.append(((2 * drawn - 1) * limit).requires_grad_())
    gates = {layer: torch.ones(units[layer], requires_grad=True) for layer in gated}
    return Network(tuple(matrices), torch.zeros(classes, requires_grad=True), gates, recipe.precision)


def trainable(matrices: Sequence[Float32Array], bias: Float32Array, recipe: Recipe) -> Network:
    """A network that goes on from given weights, in a recipe's precision."""
    tensors = [torch.from_numpy(np.array(m, dtype=np.float32)).requires_grad_() for m in (*matrices, bias)]
    return Network(tuple(tensors[:-1]), tensors[-1], precision=recipe.precision)


def recipe_dropout(recipe: Recipe, structure: Structure, generator: torch.Generator) -> Dropout:
    """The recipe's dropout; as in the engine, its rates fall with the active share of a layer below one half."""
    layers = (structure.inputs, *structure.hidden)
    full = (recipe.input_dropout, *(recipe.hidden_dropout for _ in structure.hidden))
    rates = tuple(rate * min(1.0, 2 * float(layer.mean())) for rate, layer in zip(full, layers, strict=True))
    return Dropout(rates, generator)


def draw_batches(rows: int, size: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Row numbers of the batches of one epoch, in a new order."""
    yield from torch.split(torch.randperm(rows, generator=generator), size)
