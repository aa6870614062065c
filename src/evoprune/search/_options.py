"""The settings of a search."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from evoprune.errors import ConfigError
from evoprune.search._initial import InitialDensity


class SearchOptions(BaseModel):
    """Settings of the search algorithms; the defaults are the published ones.

    Attributes:
        population: number of individuals; `random` asks as many genomes at once.
        initial_density: range of the share of ones of an initial individual, 0..1;
            equal ends fix the share.
        selection: how the parents are chosen (`genetic`).
        crossover: how two children come from two parents (`genetic`).
        mutation_probability: probability that a pair of children is mutated (`genetic`).
        offspring: number of children a step (`nsga2`, `nsga3`, `spea2`).
        prior: start from what trained gates say of the bits (`guided`).
        recombination: let trained gates choose children out of their parents (`guided`).
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    population: int = Field(default=30, ge=2)
    initial_density: tuple[float, float] = (0.0, 1.0)
    selection: Literal["nam", "roulette"] = "nam"
    crossover: Literal["uniform", "one-point"] = "uniform"
    mutation_probability: float = Field(default=0.07, ge=0.0, le=1.0)
    offspring: int = Field(default=2, ge=1)
    prior: bool = True
    recombination: bool = True

    @field_validator("initial_density")
    @classmethod
    def _is_density(cls, value: tuple[float, float]) -> tuple[float, float]:
        try:
            InitialDensity(*value)
        except ConfigError as error:
            raise ValueError(str(error)) from error
        return value

    @property
    def density(self) -> InitialDensity:
        """The rule by which initial individuals are drawn."""
        return InitialDensity(*self.initial_density)


PUBLISHED = SearchOptions()
"""The settings of the papers."""
