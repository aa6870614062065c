"""Search: algorithms that propose genomes and learn from their objective values.

A genome is a row of a boolean array `[P, L]`, objective values are float64 `[P, M]` in their
natural sign with a tuple of directions (`maximize`). Nothing else passes between search and
problem. `create` makes an algorithm by its name; pymoo, slow to import, is loaded only by
the algorithms and functions that need it.
"""

from evoprune.search._base import Algorithm
from evoprune.search._create import ALGORITHMS, create
from evoprune.search._front import non_dominated
from evoprune.search._genetic import GeneticAlgorithm
from evoprune.search._initial import InitialDensity
from evoprune.search._options import SearchOptions
from evoprune.search._random import RandomSearch
from evoprune.search._ranking import best_index, ranking

__all__ = [
    "ALGORITHMS",
    "Algorithm",
    "GeneticAlgorithm",
    "InitialDensity",
    "RandomSearch",
    "SearchOptions",
    "best_index",
    "create",
    "non_dominated",
    "ranking",
]
