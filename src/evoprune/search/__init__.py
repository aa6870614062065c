"""Search: algorithms that propose genomes and learn from their objective values.

A genome is a row of a boolean array `[P, L]`, objective values are float64 `[P, M]` in their
natural sign with a tuple of directions (`maximize`). Nothing else passes between search and
problem. `create` makes an algorithm by its name. The functions that follow a search need the
same arrays only: they merge, measure and compare fronts, and choose a member. pymoo, slow to
import, is loaded only by the algorithms and functions that need it.
"""

from evoprune.search._attainment import attainment, attainment_surface
from evoprune.search._base import Algorithm
from evoprune.search._choose import knee, weighted
from evoprune.search._conditions import Condition, parse_conditions, satisfying
from evoprune.search._create import ALGORITHMS, create
from evoprune.search._front import non_dominated
from evoprune.search._genetic import GeneticAlgorithm
from evoprune.search._guide import Guide
from evoprune.search._guided import GuidedSearch
from evoprune.search._hypervolume import hypervolume, hypervolume_trace
from evoprune.search._initial import InitialDensity
from evoprune.search._merge import merge_fronts
from evoprune.search._options import SearchOptions
from evoprune.search._random import RandomSearch
from evoprune.search._ranking import best_index, ranking

__all__ = [
    "ALGORITHMS",
    "Algorithm",
    "Condition",
    "GeneticAlgorithm",
    "Guide",
    "GuidedSearch",
    "InitialDensity",
    "RandomSearch",
    "SearchOptions",
    "attainment",
    "attainment_surface",
    "best_index",
    "create",
    "hypervolume",
    "hypervolume_trace",
    "knee",
    "merge_fronts",
    "non_dominated",
    "parse_conditions",
    "ranking",
    "satisfying",
    "weighted",
]
