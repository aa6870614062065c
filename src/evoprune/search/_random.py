"""Random search: the control that every other search has to beat."""

from __future__ import annotations

import numpy as np

from evoprune._types import BoolArray, FloatArray
from evoprune.search._base import Algorithm
from evoprune.search._options import PUBLISHED, SearchOptions


class RandomSearch(Algorithm):
    """Independent random genomes, drawn as the initial individuals of the other algorithms are.

    It learns nothing from the values, and takes any number of objectives. Each `ask` returns
    `options.population` genomes.
    """

    steady = True

    def __init__(
        self, length: int, maximize: tuple[bool, ...], seed: int = 0, options: SearchOptions = PUBLISHED
    ) -> None:
        """Start a search.

        Args:
            length: L, the number of bits of a genome.
            maximize: M directions, True where larger is better.
            seed: of all random draws.
            options: `population` and `initial_density` are used.

        Raises:
            ConfigError: an argument is out of range.
        """
        super().__init__(length, maximize, seed)
        self._options = options
        self._rng = np.random.default_rng(seed)

    def _propose(self) -> BoolArray:
        return self._options.density.draw(self._options.population, self.length, self._rng)

    def _learn(self, genomes: BoolArray, values: FloatArray) -> None:
        """Nothing: independence of all genomes is the point of the control."""
