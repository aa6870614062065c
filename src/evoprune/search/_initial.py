"""Initial individuals: random genomes with a random share of ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evoprune._types import BoolArray
from evoprune.errors import ConfigError


@dataclass(frozen=True)
class InitialDensity:
    """The share of ones of an initial individual, p ~ U(low, high), drawn for each anew.

    Published are U(0, 1), U(.3, .7) and the fixed shares .3, .4, .5, .6, .7 (EvoPruneDeepTL).

    Attributes:
        low: smallest share, 0..1.
        high: largest share, `low`..1; equal to `low` for a fixed share.
    """

    low: float = 0.0
    high: float = 1.0

    def __post_init__(self) -> None:
        if not 0.0 <= self.low <= self.high <= 1.0:
            raise ConfigError(
                f"initial density ({self.low}, {self.high}) is no range of shares; "
                "give two numbers from 0 to 1, the smaller first"
            )

    def draw(self, count: int, length: int, rng: np.random.Generator) -> BoolArray:
        """Independent random genomes `[count, length]`.

        A genome has exactly `round(p * length)` ones, at random positions; none at all is
        allowed. The same genome may come twice.
        """
        genomes = np.zeros((count, length), dtype=np.bool_)
        for genome in genomes:
            share = self.low + (self.high - self.low) * rng.random()
            genome[rng.choice(length, size=round(share * length), replace=False, shuffle=False)] = True
        return genomes
