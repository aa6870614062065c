"""Search algorithms by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches

from evoprune.errors import ConfigError
from evoprune.search._base import Algorithm
from evoprune.search._genetic import GeneticAlgorithm
from evoprune.search._guide import Guide
from evoprune.search._guided import GuidedSearch
from evoprune.search._options import PUBLISHED, SearchOptions
from evoprune.search._random import RandomSearch


def _nsga2(length: int, maximize: tuple[bool, ...], seed: int, options: SearchOptions) -> Algorithm:
    from evoprune.search._nsga2 import NSGA2  # noqa: PLC0415

    return NSGA2(length, maximize, seed, options)


def _nsga3(length: int, maximize: tuple[bool, ...], seed: int, options: SearchOptions) -> Algorithm:
    from evoprune.search._nsga3 import NSGA3  # noqa: PLC0415

    return NSGA3(length, maximize, seed, options)


def _spea2(length: int, maximize: tuple[bool, ...], seed: int, options: SearchOptions) -> Algorithm:
    from evoprune.search._spea2 import SPEA2  # noqa: PLC0415

    return SPEA2(length, maximize, seed, options)


@dataclass(frozen=True)
class _Entry:
    """How an algorithm is made, and which options change what it does."""

    build: Callable[[int, tuple[bool, ...], int, SearchOptions], Algorithm]
    options: frozenset[str]


_SAMPLING = frozenset({"population", "initial_density"})
_ENTRIES = {
    "guided": _Entry(GuidedSearch, frozenset({"prior", "recombination"})),
    "genetic": _Entry(GeneticAlgorithm, _SAMPLING | {"selection", "crossover", "mutation_probability"}),
    "nsga2": _Entry(_nsga2, _SAMPLING | {"offspring"}),
    "nsga3": _Entry(_nsga3, _SAMPLING | {"offspring"}),
    "spea2": _Entry(_spea2, _SAMPLING | {"offspring"}),
    "random": _Entry(RandomSearch, _SAMPLING),
}

ALGORITHMS = tuple(_ENTRIES)
"""The names that `create` knows."""


def create(
    name: str,
    *,
    length: int,
    maximize: tuple[bool, ...],
    seed: int = 0,
    options: SearchOptions = PUBLISHED,
    guide: Guide | None = None,
) -> Algorithm:
    """Make a search algorithm by its name.

    Args:
        name: `guided` or `random` (any number of objectives), `genetic` (one), or `nsga2`, `nsga3`, `spea2`
            (two or more).
        length: L, the number of bits of a genome.
        maximize: the directions of the M objectives, True where larger is better.
        seed: of all random draws.
        options: settings; an option that the algorithm does not use must have its default.
        guide: what `guided` goes by besides evaluations; the others take none.

    Raises:
        ConfigError: the name is unknown, the algorithm does not take so many objectives, an
            option would have no effect, or an argument is out of range.
    """
    entry = _ENTRIES.get(name)
    if entry is None:
        nearest = get_close_matches(name, ALGORITHMS, n=1)
        hint = f"did you mean '{nearest[0]}'? Known are" if nearest else "choose one of"
        raise ConfigError(f"search '{name}' is unknown; {hint} {', '.join(ALGORITHMS)}")
    for option in SearchOptions.model_fields:
        value = getattr(options, option)
        if option not in entry.options and value != getattr(PUBLISHED, option):
            raise ConfigError(f"{option}={value!r} has no effect in search '{name}'; leave it out")
    if name == "guided":
        return GuidedSearch(length, maximize, seed, options, guide)
    if guide is not None:
        raise ConfigError(f"a guide has no effect in search '{name}'; leave it out, or choose search 'guided'")
    return entry.build(length, maximize, seed, options)
