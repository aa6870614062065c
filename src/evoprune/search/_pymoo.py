"""pymoo's population-based algorithms behind `ask` and `tell`."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
from pymoo.config import Config
from pymoo.core.population import Population
from pymoo.core.problem import Problem
from pymoo.core.termination import NoTermination
from pymoo.problems.static import StaticProblem

from evoprune._types import BoolArray, FloatArray
from evoprune.errors import ConfigError
from evoprune.search._base import Algorithm, succeeded
from evoprune.search._front import costs
from evoprune.search._options import PUBLISHED, SearchOptions

# pymoo prints a hint about compiled modules, which would stand in the middle of JSON output.
Config.warnings["not_compiled"] = False


class PymooAlgorithm(Algorithm):
    """An algorithm of pymoo for two or more objectives, with our initial individuals.

    A subclass names the algorithm (`name`) and builds it (`_build`). The genomes are those that
    `pymoo.optimize.minimize` would evaluate with the same operators, seed and initial individuals.
    Two things are added. A failed evaluation is kept from pymoo, so it is never a member, and while
    all failed, initial individuals are asked again. Where pymoo finds no child that is not a member
    already and would stop (a tiny search space), new random individuals are asked instead, which
    may be known genomes.
    """

    name: str

    def __init__(
        self, length: int, maximize: tuple[bool, ...], seed: int = 0, options: SearchOptions = PUBLISHED
    ) -> None:
        """Start a search.

        Args:
            length: L, the number of bits of a genome.
            maximize: M >= 2 directions, True where larger is better.
            seed: of all random draws; pymoo's own generator starts from it too.
            options: `population`, `offspring` and `initial_density` are used.

        Raises:
            ConfigError: there is only one objective, or an argument is out of range.
        """
        super().__init__(length, maximize, seed)
        if len(maximize) < 2:
            raise ConfigError(
                f"search '{self.name}' takes two or more objectives, but one is given; "
                "add another, or choose search 'genetic'"
            )
        self._options = options
        self._seed = seed
        # A stream of its own: pymoo's generator starts from the seed itself.
        self._rng = np.random.default_rng(np.random.SeedSequence(seed).spawn(1)[0])
        self._problem = Problem(n_var=length, n_obj=len(maximize), xl=0, xu=1, vtype=bool)
        self._pymoo: Any = None
        self._infills: Any = None

    @abstractmethod
    def _build(self, initial: BoolArray) -> Any:
        """The pymoo algorithm that starts from the initial individuals `[P, L]`."""

    def _propose(self) -> BoolArray:
        if self._pymoo is None or not self._pymoo.is_initialized:
            self._pymoo = self._build(self._draw(self._options.population))
            self._pymoo.setup(self._problem, seed=self._seed, termination=NoTermination())
        self._infills = self._pymoo.ask()
        if self._infills is None:
            # pymoo calls itself terminated now, but answers further turns of ask and tell.
            self._infills = Population.new("X", self._draw(self._options.offspring))
        return np.array(self._infills.get("X"), dtype=np.bool_)

    def _learn(self, genomes: BoolArray, values: FloatArray) -> None:
        valid = succeeded(values)
        infills = self._infills[valid]
        told = StaticProblem(self._problem, F=costs(values[valid], self.maximize))
        self._pymoo.evaluator.eval(told, infills)
        infills = self._pymoo.eliminate_duplicates.do(infills, self._pymoo.pop)
        if len(infills):
            self._pymoo.tell(infills=infills)

    def _draw(self, count: int) -> BoolArray:
        return self._options.density.draw(count, self.length, self._rng)
