"""SPEA2, the alternative algorithm of MO-EvoPruneDeepTL."""

from __future__ import annotations

from typing import Any

from pymoo.algorithms.moo import spea2
from pymoo.operators.crossover.ux import UniformCrossover
from pymoo.operators.mutation.bitflip import BitflipMutation

from evoprune._types import BoolArray
from evoprune.search._normalization import Normalization
from evoprune.search._pymoo import PymooAlgorithm


class SPEA2(PymooAlgorithm):
    """SPEA2 (Zitzler, Laumanns and Thiele, 2001) in steady state, for two or more objectives.

    Binary tournament by strength and density, the distances taken between normalised objectives;
    of too many non-dominated members those nearest to others leave. Uniform crossover with
    probability 1, and bit-flip mutation of every bit with probability 1/L, as in NSGA-II
    (arXiv 2302.10253).
    """

    name = "spea2"

    def _build(self, initial: BoolArray) -> Any:
        # pymoo's default survival is one object for all searches of the process, with a state.
        survival = spea2.SPEA2Survival(normalize=True)
        survival.norm = Normalization(len(self.maximize))
        return spea2.SPEA2(
            pop_size=self._options.population,
            n_offsprings=self._options.offspring,
            sampling=initial,
            crossover=UniformCrossover(prob=1.0),
            mutation=BitflipMutation(),
            survival=survival,
        )
