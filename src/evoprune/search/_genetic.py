"""The steady-state genetic algorithm of EvoPruneDeepTL."""

from __future__ import annotations

import numpy as np

from evoprune._types import BoolArray, FloatArray, IntArray
from evoprune.errors import ConfigError
from evoprune.search._base import Algorithm, succeeded
from evoprune.search._crossover import one_point_crossover, uniform_crossover
from evoprune.search._mutation import flip_one_bit_each
from evoprune.search._options import PUBLISHED, SearchOptions
from evoprune.search._ranking import ranking
from evoprune.search._selection import negative_assortative_mating, roulette_wheel

_SELECTION = {"nam": negative_assortative_mating, "roulette": roulette_wheel}
_CROSSOVER = {"uniform": uniform_crossover, "one-point": one_point_crossover}


class GeneticAlgorithm(Algorithm):
    """Steady-state genetic algorithm for one objective (EvoPruneDeepTL, Neural Networks 158, 2023).

    The first `ask` returns the initial individuals, every later one two children. The children
    compete with the two worst members, and the better ones stay: a larger fitness is better,
    and of equal fitness the genome with fewer ones; a member gives way to strictly better ones only.
    The best member is thus never lost.

    Members are distinct, unlike in the published program, whose elitism copies the best over the
    worst until one genome is left. A genome equal to a member, or to one told with it, is asked
    all the same but not inserted; nor is a failed evaluation. While there are fewer members than
    `options.population` for these reasons, every new genome is inserted; while there are none,
    initial individuals are asked again.

    Children of similar members are often known genomes, and with a mutation probability of 0 they
    may be nothing else for ever: who looks up known genomes has to bound how many in a row.
    """

    steady = True

    def __init__(
        self, length: int, maximize: tuple[bool, ...], seed: int = 0, options: SearchOptions = PUBLISHED
    ) -> None:
        """Start a search.

        Args:
            length: L, the number of bits of a genome.
            maximize: one direction, True where larger is better.
            seed: of all random draws.
            options: all but `offspring` are used.

        Raises:
            ConfigError: there is more than one objective, or an argument is out of range.
        """
        super().__init__(length, maximize, seed)
        if len(maximize) != 1:
            raise ConfigError(
                f"search 'genetic' takes one objective, but {len(maximize)} are given; "
                "leave the others out, or choose search 'nsga2'"
            )
        self._options = options
        self._rng = np.random.default_rng(seed)
        self._members: BoolArray = np.zeros((0, length), dtype=np.bool_)
        self._values: FloatArray = np.zeros((0, 1))

    def _propose(self) -> BoolArray:
        if not len(self._members):
            return self._options.density.draw(self._options.population, self.length, self._rng)
        merit = self._values[:, 0] if self.maximize[0] else -self._values[:, 0]
        first, second = _SELECTION[self._options.selection](self._members, merit, self._rng)
        crossover = _CROSSOVER[self._options.crossover]
        children = crossover(self._members[first], self._members[second], self._rng)
        return flip_one_bit_each(children, self._options.mutation_probability, self._rng)

    def _learn(self, genomes: BoolArray, values: FloatArray) -> None:
        valid = succeeded(values)
        # Members stand first, so that they keep their place against equals and ties.
        genomes = np.concatenate([self._members, genomes[valid]])
        values = np.concatenate([self._values, values[valid]])
        distinct = _first_occurrences(genomes)
        order = ranking(genomes[distinct], values[distinct], self.maximize)
        survivors = distinct[order[: self._options.population]]
        self._members = genomes[survivors]
        self._values = values[survivors]


def _first_occurrences(genomes: BoolArray) -> IntArray:
    """Row numbers of the distinct genomes of `[P, L]`, ascending, each where it stands first."""
    rows: dict[bytes, int] = {}
    for row, packed in enumerate(np.packbits(genomes, axis=1)):
        rows.setdefault(packed.tobytes(), row)
    return np.array(list(rows.values()), dtype=np.int64)
