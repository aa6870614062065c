"""Which trainings run together on a device: buckets of equal shapes, and how many slots a pack of each has.

Bucket and slots are functions of the candidate, the recipe and the number of rows of
its fold, never of the candidates beside it: a candidate is computed by products of the
same shapes in any company.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch

from evoprune.heads import Structure
from evoprune.training._randomness import chunk_rows
from evoprune.training._recipe import Recipe

UNITS = 64
"""Active inputs and units are padded to multiples of this."""

CLASSES = 16
"""Classes are padded to multiples of this, so that every slot's matrices begin at multiples of 64 bytes.

Matrix products are chosen by where their operands lie: without this, equal slots would round differently."""

_SLOTS = 16
_WEIGHTS = 2**24
"""Most weights that all slots of a pack hold together, where one slot does not hold more."""


@dataclass(frozen=True, eq=False)
class Job:
    """One training.

    Attributes:
        structure: what is on.
        fold: number of the fold.
        seed: of initial weights, batches and dropout.
    """

    structure: Structure
    fold: int
    seed: int


@dataclass(frozen=True)
class Bucket:
    """What trainings of one pack have in common.

    Attributes:
        sizes: units of all layers, the outputs included, padded.
        steps: steps an epoch.
        matrix: index of the matrix in which single connections are off, or None.
    """

    sizes: tuple[int, ...]
    steps: int
    matrix: int | None

    @property
    def weights(self) -> int:
        """Weights of one slot."""
        return sum(inputs * outputs for inputs, outputs in pairwise(self.sizes))

    @property
    def slots(self) -> int:
        """Trainings that a pack has room for: a power of two, at most 16, fewer for large matrices."""
        return 1 << (max(1, min(_SLOTS, _WEIGHTS // self.weights)).bit_length() - 1)


def bucket_of(job: Job, rows: int, classes: int, recipe: Recipe) -> Bucket:
    """The bucket of a training on `rows` rows of C `classes`."""
    structure = job.structure
    active = [int(layer.sum()) for layer in (structure.inputs, *structure.hidden)]
    sizes = (*(_padded(n, UNITS) for n in active), _padded(classes, CLASSES))
    return Bucket(sizes, -(-rows // recipe.batch_size), None if structure.connections is None else structure.matrix)


def _padded(count: int, multiple: int) -> int:
    return max(1, -(-count // multiple)) * multiple


def plan_packs(jobs: Sequence[Job], counts: Sequence[int], classes: int, recipe: Recipe) -> dict[Bucket, list[int]]:
    """The numbers of the jobs in each bucket, in their order.

    Args:
        jobs: all trainings.
        counts: training rows of each fold.
        classes: C.
        recipe: how to train.
    """
    plan: dict[Bucket, list[int]] = {}
    for number, job in enumerate(jobs):
        plan.setdefault(bucket_of(job, counts[job.fold], classes, recipe), []).append(number)
    return plan


def pack_bytes(
    bucket: Bucket, slots: int, groups: int, width: int, recipe: Recipe, dtype: torch.dtype, master: torch.dtype
) -> int:
    """Memory of a pack on its device, an estimate from above, in bytes.

    Args:
        bucket: its shapes.
        slots: trainings it has room for.
        groups: different pairs of fold and seed among them.
        width: D.
        recipe: how to train.
        dtype: of the products of hidden layers.
        master: of weights and optimizer.
    """
    item, large = dtype.itemsize, master.itemsize
    # Weights, gradients, the optimizer's state, the weights to go back to, the mask of connections.
    copies = 2 + (2 if recipe.optimizer == "adam" else 1) + (recipe.early_stopping is not None)
    copies += bucket.matrix is not None
    weights = bucket.weights * (copies * large + (2 * item if dtype != master else 0))
    places = min(bucket.steps * recipe.batch_size, chunk_rows(recipe.batch_size))
    inputs, *hidden, outputs = bucket.sizes
    # Inputs, twice since what the last chunk held may be in pieces; targets and logits; dropout of all units.
    chunk = inputs * (2 * item + 1) + outputs * 4 * large + sum(hidden)
    step = recipe.batch_size * (sum(hidden) * (2 * item + 4 * large) + outputs * 4 * large)
    rows = groups * places * 2 * ((width + 1) * item + outputs * large)
    return slots * (weights + places * chunk + step) + rows


def affordable_slots(
    bucket: Bucket, groups: int, width: int, recipe: Recipe, dtype: torch.dtype, master: torch.dtype, free: int
) -> int:
    """The bucket's slots, halved until a pack takes no more than three quarters of `free` bytes; at least one."""
    slots = bucket.slots
    while slots > 1 and pack_bytes(bucket, slots, min(groups, slots), width, recipe, dtype, master) > free * 3 // 4:
        slots //= 2
    return slots
