"""NSGA-III, for more objectives than crowding can spread."""

from __future__ import annotations

from typing import Any

import numpy as np
from pymoo.algorithms.moo import nsga3
from pymoo.operators.crossover.ux import UniformCrossover
from pymoo.operators.mutation.bitflip import BitflipMutation
from pymoo.util.ref_dirs import get_reference_directions
from pymoo.util.reference_direction import get_partition_closest_to_points

from evoprune._types import BoolArray, FloatArray
from evoprune.search._normalization import Normalization
from evoprune.search._pymoo import PymooAlgorithm


class NSGA3(PymooAlgorithm):
    """NSGA-III (Deb and Jain, 2014) in steady state, for two or more objectives.

    Members are spread over reference directions: of those left after sorting by dominance, the ones
    nearest to the least crowded directions stay. Parents are chosen at random. Uniform crossover
    with probability 1, and bit-flip mutation of every bit with probability 1/L, as in NSGA-II
    (arXiv 2302.10253).
    """

    name = "nsga3"

    def _build(self, initial: BoolArray) -> Any:
        directions = reference_directions(len(self.maximize), self._options.population)
        survival = nsga3.ReferenceDirectionSurvival(directions)
        survival.norm = Normalization(len(self.maximize))
        return nsga3.NSGA3(
            ref_dirs=directions,
            pop_size=self._options.population,
            n_offsprings=self._options.offspring,
            sampling=initial,
            crossover=UniformCrossover(prob=1.0),
            mutation=BitflipMutation(),
            survival=survival,
        )


def reference_directions(objectives: int, population: int) -> FloatArray:
    """The finest even grid of directions that has at most one for each member (Das and Dennis, 1998).

    Args:
        objectives: M >= 2.
        population: number of members, at least 1.

    Returns:
        Directions `[R, M]` with R <= population, each with sum 1; where even the coarsest grid, the
        M axes, has more, the middle direction alone.
    """
    partitions = get_partition_closest_to_points(population, objectives)
    return np.asarray(get_reference_directions("das-dennis", objectives, n_partitions=partitions), dtype=np.float64)
