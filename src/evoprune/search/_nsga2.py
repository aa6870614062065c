"""NSGA-II as MO-EvoPruneDeepTL sets it."""

from __future__ import annotations

from typing import Any

from pymoo.algorithms.moo import nsga2
from pymoo.operators.crossover.ux import UniformCrossover
from pymoo.operators.mutation.bitflip import BitflipMutation

from evoprune._types import BoolArray
from evoprune.search._pymoo import PymooAlgorithm


class NSGA2(PymooAlgorithm):
    """NSGA-II (Deb et al., 2002) in steady state, for two or more objectives (arXiv 2302.10253).

    Binary tournament by dominance and crowding, uniform crossover with probability 1, and bit-flip
    mutation of every bit with probability 1/L; two children a step, none equal to a member.
    """

    name = "nsga2"

    def _build(self, initial: BoolArray) -> Any:
        return nsga2.NSGA2(
            pop_size=self._options.population,
            n_offsprings=self._options.offspring,
            sampling=initial,
            crossover=UniformCrossover(prob=1.0),
            mutation=BitflipMutation(),
        )
