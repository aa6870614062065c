"""Heads that are not pruned: the full one, also with dropout, and smaller ones from a fixed grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import product

import numpy as np

from evoprune.baselines._counts import genomes, pruned_layers, within_layers
from evoprune.baselines._data import SelectionData
from evoprune.baselines._dense import retrain
from evoprune.errors import ConfigError
from evoprune.heads import CompactHead, Encoding, Head, dense_structure
from evoprune.training import train_population

HIDDEN_DROPOUT = 0.5
"""Of the full head with dropout (arXiv 2202.03844, section 5)."""

GRID = tuple(tenth / 10 for tenth in range(1, 11))
"""Shares of a layer's units."""


def dense(data: SelectionData, encoding: Encoding, counts: Sequence[int], seed: int) -> list[CompactHead]:
    """The full head, for counts that are L.

    Raises:
        ConfigError: a count is not L.
    """
    for count in counts:
        if count != encoding.length:
            raise ConfigError(f"the full head has {encoding.length} active units, not {count}; give that count alone")
    data = data.for_models()
    (head,) = retrain(data, [dense_structure(data.head, data.width)], seed)
    return [head] * len(counts)


def dense_dropout(data: SelectionData, encoding: Encoding, counts: Sequence[int], seed: int) -> list[CompactHead]:
    """The full head, trained with hidden dropout 0.5, for counts that are L.

    Raises:
        ConfigError: a count is not L.
    """
    recipe = data.recipe.model_copy(update={"hidden_dropout": HIDDEN_DROPOUT})
    return dense(replace(data, recipe=recipe), encoding, counts, seed)


def fixed_grid(data: SelectionData, encoding: Encoding, counts: Sequence[int], seed: int) -> list[CompactHead]:
    """Smaller dense heads: of a grid of sizes within the count, the most accurate one on the validation rows.

    The encoding's layers have 10 %, 20 %, .. 100 % of their units (`both`: every pair). Of
    equally accurate heads the smallest is taken. Where even the grid's smallest head is
    too large, it is the head of exactly that many units.
    """
    grid = _grid(encoding)
    chosen: list[Head] = []
    accuracy: dict[Head, float] = {}
    for count in counts:
        within = [head for head in grid if _units(head, encoding) <= count] or [_exact(encoding, count)]
        for head in within:
            if head not in accuracy and len(within) > 1:
                accuracy[head] = _validation_accuracy(replace(data, head=head), seed)
        chosen.append(max(within, key=lambda head: accuracy.get(head, 0.0)))
    models = data.for_models()
    trained = {
        head: retrain(replace(models, head=head), [dense_structure(head, data.width)], seed)[0] for head in set(chosen)
    }
    return [trained[head] for head in chosen]


def _grid(encoding: Encoding) -> list[Head]:
    """All heads of the grid, from the smallest to the full one."""
    hidden, layers = encoding.head.hidden, _layers(encoding)
    heads = set()
    for shares in product(GRID, repeat=len(layers)):
        units = list(hidden)
        for layer, share in zip(layers, shares, strict=True):
            units[layer] = max(1, round(share * hidden[layer]))
        heads.add(Head(*units))
    return sorted(heads, key=lambda head: (_units(head, encoding), head.hidden))


def _exact(encoding: Encoding, count: int) -> Head:
    """The head of so many units of the encoding's layers, the same share of each."""
    (genome,) = genomes(encoding, within_layers(encoding, np.zeros(encoding.length)), [count])
    return Head(*(int(layer.sum()) for layer in encoding.decode(genome).hidden))


def _units(head: Head, encoding: Encoding) -> int:
    return sum(head.hidden[layer] for layer in _layers(encoding))


def _layers(encoding: Encoding) -> list[int]:
    """Indices of the pruned layers among the hidden ones."""
    return [layer - 1 for layer in pruned_layers(encoding)]


def _validation_accuracy(data: SelectionData, seed: int) -> float:
    structure = dense_structure(data.head, data.width)
    (trained,) = train_population(
        data.training_set(evaluate=True), [structure], head=data.head, recipe=data.recipe, seeds=[seed]
    )
    return float(np.mean(trained.logits[0][0].argmax(axis=1) == data.y_val))
