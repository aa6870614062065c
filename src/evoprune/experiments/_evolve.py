"""One search for accuracy, and what its best genome is worth beside the head that is not pruned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evoprune._types import BoolArray, FloatArray
from evoprune.errors import ConfigError
from evoprune.experiments._contest import Ground, Variant, evaluated
from evoprune.experiments._tasks import Row
from evoprune.search import best_index


@dataclass(frozen=True, eq=False)
class Evolved:
    """The evaluations of a search.

    Attributes:
        genomes: `[E, L]` in the order of asking.
        fitness: accuracy of each `[E]`, 0..1; NaN where it failed.
        best: row of the highest fitness; ties go to fewer active neurons.
    """

    genomes: BoolArray
    fitness: FloatArray
    best: int


def evolve(
    ground: Ground, evaluations: int, *, algorithm: str = "genetic", objectives: Sequence[str] = ("accuracy",)
) -> Evolved:
    """Search on a ground.

    Args:
        ground: rows, head and settings.
        evaluations: budget.
        algorithm: name of the search.
        objectives: what is searched for, accuracy first.

    Raises:
        EvoPruneError: every evaluation failed.
    """
    genomes, values = evaluated(ground, Variant(algorithm, ground.config.search), objectives, evaluations)
    best = best_index(genomes, values[:, :1], (True,))
    if best is None:
        raise ConfigError(f"search {algorithm!r} has no best genome; check the recipe's learning rate")
    return Evolved(genomes, values[:, 0], best)


def outcome(ground: Ground, evolved: Evolved) -> Row:
    """The best genome and the full head, both retrained with a seed that no search used.

    `fitness` is what the search saw; `validation_accuracy` is of the same rows, by another training.
    """
    genome = evolved.genomes[evolved.best]
    both = np.stack([genome, ground.encoding.dense_genome()])
    validation, _ = ground.retrained(both, ground.parts.search)
    test, _ = ground.retrained(both, ground.parts.report)
    return {
        "fitness": float(evolved.fitness[evolved.best]),
        "active_neurons": int(genome.sum()),
        "active_share": float(genome.mean()),
        "validation_accuracy": validation[0],
        "test_accuracy": test[0],
        "dense_validation_accuracy": validation[1],
        "dense_test_accuracy": test[1],
    }
