"""Dropout of a pack: which units each place of a chunk keeps, drawn once for the whole training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from evoprune.training._packs import Bucket, Job
from evoprune.training._randomness import chunk_rows, dropout_bytes, dropout_threshold
from evoprune.training._recipe import Recipe


@dataclass(frozen=True, eq=False)
class Dropout:
    """Of one layer.

    Attributes:
        keep: units that are kept at each place `[S, places, size]`, boolean.
        scale: what the kept ones are multiplied by `[S, 1, 1]`.
    """

    keep: Tensor
    scale: Tensor

    def at(self, places: slice) -> Dropout:
        """The same for some places alone."""
        return Dropout(self.keep[:, places], self.scale)

    def apply(self, units: Tensor) -> None:
        """Drop, in place, from `[S, places, size]`."""
        units.mul_(self.keep).mul_(self.scale)


def draw_dropout(
    jobs: Sequence[Job],
    bucket: Bucket,
    slots: int,
    counts: Sequence[int],
    recipe: Recipe,
    device: torch.device,
    master: torch.dtype,
) -> list[Dropout | None]:
    """The dropout of inputs and of each hidden layer; None where nothing is dropped in any slot.

    Args:
        jobs: trainings of the pack.
        bucket: what they have in common.
        slots: S.
        counts: training rows of each fold.
        recipe: how to train.
        device: where the result lies.
        master: precision of the scales.
    """
    rates = recipe.input_dropout, *(recipe.hidden_dropout for _ in bucket.sizes[1:-1])
    places = min(bucket.steps * recipe.batch_size, chunk_rows(recipe.batch_size))
    dropouts: list[Dropout | None] = []
    for number, rate in enumerate(rates):
        layers = [(job.structure.inputs, *job.structure.hidden)[number] for job in jobs]
        active = [int(layer.sum()) for layer in layers]
        thresholds = [dropout_threshold(rate, n, layer.size) for n, layer in zip(active, layers, strict=True)]
        if not any(thresholds):
            dropouts.append(None)
            continue
        keep = torch.zeros(slots, places, bucket.sizes[number], dtype=torch.bool, device=device)
        drawn: dict[tuple[int, int, int], Tensor] = {}
        for slot, (job, count, threshold) in enumerate(zip(jobs, active, thresholds, strict=True)):
            key = min(counts[job.fold], chunk_rows(recipe.batch_size)), count, job.seed
            if key not in drawn:  # candidates with equally many units share the draw
                drawn[key] = torch.from_numpy(dropout_bytes(*key, number)).to(device)
            keep[slot, : key[0], :count] = drawn[key] >= threshold
        scales = np.ones(slots)
        scales[: len(jobs)] = [1 / (1 - threshold / 256) for threshold in thresholds]
        dropouts.append(Dropout(keep, torch.from_numpy(scales).to(device, master)[:, None, None]))
    return dropouts
