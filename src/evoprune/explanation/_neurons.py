"""Which neurons the members of a front have, and how much they carry."""

from __future__ import annotations

import numpy as np

from evoprune._types import BoolArray, Float32Array, FloatArray, IntArray
from evoprune.errors import ConfigError
from evoprune.explanation._target import Target
from evoprune.heads import CompactHead


def neuron_frequency(genomes: BoolArray) -> FloatArray:
    """Share of the genomes `[P, L]` in which each neuron is active, `[L]`, 0..1 (MO-EvoPruneDeepTL, arXiv 2302.10253).

    Raises:
        ConfigError: the genomes are no matrix of booleans, or there is none.
    """
    if genomes.ndim != 2 or not len(genomes) or genomes.dtype != np.bool_:
        raise ConfigError(
            f"genomes of shape {genomes.shape} and type {genomes.dtype} have no frequencies; give [P, L] booleans"
        )
    frequency: FloatArray = genomes.mean(axis=0)
    return frequency


def top_neurons(frequency: FloatArray, strength: FloatArray, count: int) -> IntArray:
    """Up to `count` active neurons `[K]`: the most frequent first, among equals the strongest, then the lowest number.

    Args:
        frequency: of each neuron `[L]`, 0..1.
        strength: of each neuron `[L]` (see `neuron_strength`).
        count: how many.

    Raises:
        ConfigError: `count` is below 1.
    """
    if count < 1:
        raise ConfigError(f"{count} neurons cannot be shown; give 1 or more")
    order = np.lexsort((-strength, -frequency))[:count]
    top: IntArray = order[frequency[order] > 0].astype(np.int64)
    return top


def neuron_targets(encoding: str, head: CompactHead, genome: BoolArray, units: tuple[int, ...]) -> dict[int, Target]:
    """What the neurons of a genome are, by their numbers: features of the network, or hidden units of the head.

    A feature means the same in every member, and is there whether the genome has it or not. A hidden unit has the
    weights of one head: only those that are on have a meaning. Single connections have no value of their own.

    Args:
        encoding: `features`, `first`, `second`, `both` or `connections`.
        head: made of the genome.
        genome: bits `[L]`.
        units: of each hidden layer, before anything is pruned.
    """
    if encoding == "features":
        return {number: Target.output(number) for number in range(genome.size)}
    layers: tuple[int, ...] = {"first": (1,), "second": (2,), "both": (1, 2)}.get(encoding, ())
    targets: dict[int, Target] = {}
    offset = 0
    for layer in layers:
        active = np.flatnonzero(genome[offset : offset + units[layer - 1]])
        targets |= {offset + int(number): Target.unit(head, layer, row) for row, number in enumerate(active)}
        offset += units[layer - 1]
    return targets


def neuron_strength(targets: dict[int, Target], head: CompactHead, X: Float32Array, length: int) -> FloatArray:
    """How much each neuron moves what follows it in a head, `[L]`: 0 for one that is off.

    The standard deviation of its value over the images, times the Euclidean length of its outgoing weights.

    Args:
        targets: of the neurons (see `neuron_targets`).
        head: the head.
        X: features `[N, D]` of images.
        length: L.
    """
    strength = np.zeros(length)
    row_of = {int(number): row for row, number in enumerate(head.inputs)}
    spread: dict[int, FloatArray] = {}
    for number, target in targets.items():
        column = int(target.columns[0])
        row = row_of.get(column) if target.head is None else column
        if row is None:
            continue
        if target.depth not in spread:
            spread[target.depth] = target.layer_values(X).std(axis=0, dtype=np.float64)
        outgoing = head.matrices[target.depth][row].astype(np.float64)
        strength[number] = spread[target.depth][column] * np.linalg.norm(outgoing)
    return strength
