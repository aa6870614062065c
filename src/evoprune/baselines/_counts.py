"""From scores of units to genomes with an exact number of active bits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from evoprune._types import BoolArray, FloatArray
from evoprune.errors import ConfigError
from evoprune.heads import Encoding


def layer_sizes(encoding: Encoding) -> tuple[int, ...]:
    """Bits of each layer that the encoding prunes; their sum is L."""
    return encoding.head.hidden if encoding.name == "both" else (encoding.length,)


def pruned_layers(encoding: Encoding) -> tuple[int, ...]:
    """Numbers of the layers whose units the encoding's bits are: 0 are the features, 1 and 2 the hidden layers."""
    return {"features": (0,), "first": (1,), "second": (2,), "both": (1, 2)}[encoding.name]


def check_counts(encoding: Encoding, counts: Sequence[int]) -> None:
    """Refuse numbers of active bits that no genome can have.

    Raises:
        ConfigError: a count is no whole number, more than L, or leaves a layer without units.
    """
    least = len(layer_sizes(encoding))
    for count in counts:
        whole = isinstance(count, (int, np.integer)) and not isinstance(count, bool)
        if not whole or not least <= count <= encoding.length:
            raise ConfigError(
                f"count {count!r} is not possible with encoding {encoding.name!r}; "
                f"give whole numbers of active bits from {least} to {encoding.length}"
            )


def genomes(encoding: Encoding, scores: FloatArray, counts: Sequence[int]) -> BoolArray:
    """Genomes `[K, L]` of the units with the highest scores.

    Each layer keeps its best unit whatever the others score, so that none is empty. Equal
    scores are taken in their order; NaN comes last.

    Args:
        encoding: what the bits mean.
        scores: of each bit `[L]`, higher is more important.
        counts: numbers of active bits, one a genome.
    """
    order = np.argsort(-scores, kind="stable")
    starts = np.cumsum([0, *layer_sizes(encoding)])
    layer = np.searchsorted(starts, order, side="right")
    _, first = np.unique(layer, return_index=True)
    order = np.concatenate([order[first], np.delete(order, first)])
    masks = np.zeros((len(counts), encoding.length), dtype=np.bool_)
    for mask, count in zip(masks, counts, strict=True):
        mask[order[:count]] = True
    return masks


def within_layers(encoding: Encoding, scores: FloatArray) -> FloatArray:
    """Scores `[L]` that compare each unit with those of its own layer alone: 1 for the best, down to 1 / size.

    Genomes made of them take the same share of every layer. Scores such as norms of weights say
    nothing between layers: compared directly, one layer would lose nearly all of its units.
    """
    parts = np.split(scores, np.cumsum(layer_sizes(encoding))[:-1])
    return np.concatenate([standing(part) for part in parts])


def standing(scores: FloatArray) -> FloatArray:
    """From scores to 1 for the best, down to 1 / size for the worst; equal scores in their order, NaN last."""
    places = np.empty(scores.size)
    places[np.argsort(-scores, kind="stable")] = 1 - np.arange(scores.size) / scores.size
    return places
