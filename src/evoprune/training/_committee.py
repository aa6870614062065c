"""Heads whose hidden units are trained in groups that know nothing of each other, and decide by their mean.

The mean of several small networks that were trained apart, in the weights of one: as many units and operations, but
groups err apart, where units that are trained together err alike. An ensemble within one network (Laurent, Lafage,
Tartaglione, Daniel, Martinez, Bursuc, Franchi, ICLR 2023, arXiv 2210.09184).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from evoprune._types import Float32Array
from evoprune.heads import Structure
from evoprune.training._engine import CompactWeights

FEWEST_UNITS = 64
"""Hidden units of a group, at least; fewer are no network of their own."""


@dataclass(frozen=True, eq=False)
class Group:
    """Hidden units of a head that are trained by themselves.

    Attributes:
        structure: of the head, with the hidden units of this group alone.
        number: of the group.
        of: number of groups.
    """

    structure: Structure
    number: int = 0
    of: int = 1

    def seed(self, seed: int) -> int:
        """The seed of its batches and dropout; the first group has the head's own."""
        return seed + (self.number << 32)

    def begin(self, initial: tuple[Float32Array, ...]) -> tuple[Float32Array, ...]:
        """Its initial weights, from those of the whole head, which has more units and so smaller ones behind them."""
        if self.of == 1:
            return initial
        return (*initial[:-1], initial[-1] * np.float32(np.sqrt(self.of)))


def groups_of(structure: Structure, groups: int) -> tuple[Group, ...]:
    """The groups that a head is trained in; fewer where it has few units, and one where it has two hidden layers."""
    active = np.flatnonzero(structure.hidden[0])
    count = max(1, min(groups, len(active) // FEWEST_UNITS)) if len(structure.hidden) == 1 else 1
    if count == 1:
        return (Group(structure),)
    parts = np.array_split(active, count)
    units = np.arange(structure.hidden[0].size)
    return tuple(
        Group(replace(structure, hidden=(np.isin(units, part),)), number, count) for number, part in enumerate(parts)
    )


def joined(weights: Sequence[CompactWeights]) -> CompactWeights:
    """One head that gives the mean logits of its groups, whose units follow each other."""
    if len(weights) == 1:
        return weights[0]
    first = np.concatenate([w.matrices[0] for w in weights], axis=1)
    last = np.concatenate([w.matrices[1] / np.float32(len(weights)) for w in weights])
    bias: Float32Array = np.mean([w.bias for w in weights], axis=0, dtype=np.float32)
    loss = float(np.mean([w.loss for w in weights]))
    return CompactWeights((first, last), bias, max(w.epochs for w in weights), loss)
