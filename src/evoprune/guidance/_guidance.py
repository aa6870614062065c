"""All that a guided search is run with: its guide, and fitness that can be believed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from evoprune._types import BoolArray, FloatArray
from evoprune.data import Fold
from evoprune.guidance._guide import Adviser, guide_for
from evoprune.guidance._optimism import CorrectedProblem, Correction, measured_correction
from evoprune.problem import Problem
from evoprune.training import Recipe

GUIDED_FOLDS = 3
"""Inner folds that fitness is averaged over in a guided search; see `guided_folds`."""

GUIDED_OBJECTIVES = ("calibrated_loss", "active")
"""What a guided search looks for, unless told otherwise."""


def guided_folds(encoding: str) -> int:
    """Inner folds of a guided search, by the name of its encoding, unless told otherwise.

    The weights that connections are chosen by fit the labels of the rows that they were trained on so well that
    inner folds, all of whose rows the guide has seen, would tell nothing. So for connections there is one validation
    part, which it does not see.
    """
    return 1 if encoding.startswith("connections") else GUIDED_FOLDS


class Measure(Protocol):
    """What measures genomes."""

    def __call__(self, genomes: BoolArray, on_progress: Callable[[int, int], None] | None = None, /) -> FloatArray:
        """Values `[P, M]` of genomes `[P, L]`; `on_progress` hears of the trainings done and their total."""


class Memory(Protocol):
    """Keeps what guidance has worked out, so that a continued search need not do so again."""

    def guide(self, guide: Adviser) -> Adviser:
        """A guide that answers as this one does, from memory where it was asked before."""

    def correction(self, measure: Callable[[], Correction]) -> Correction:
        """The correction that was measured before, or else is measured now."""


@dataclass(frozen=True, eq=False)
class Guidance:
    """A guide and what measures genomes.

    Attributes:
        guide: what the search goes by; None where there is nothing to go by.
        evaluate: corrected where the guide has seen the rows that fitness is measured on.
        correction: what `evaluate` adds to the problem's own values, or None.
    """

    guide: Adviser | None
    evaluate: Measure
    correction: Correction | None = None


def guidance_for(problem: Problem, seed: int, *, corrected: bool = True, memory: Memory | None = None) -> Guidance:
    """The guidance of a search.

    Args:
        problem: what genomes are measured by.
        seed: of all that is drawn.
        corrected: whether values are corrected for what the guide has seen. They never are with
            one fold, whose evaluation rows the guide does not see.
        memory: of an earlier session.
    """
    found = guide_for(problem.data, problem.encoding, problem.recipe, seed)
    if found is None:
        return Guidance(None, problem.evaluate)
    guide: Adviser = found if memory is None else memory.guide(found)
    if not corrected or len(problem.data.folds) == 1:
        return Guidance(guide, problem.evaluate)

    def measure() -> Correction:
        return measured_correction(problem, guide, seed)

    correction = measure() if memory is None else memory.correction(measure)
    return Guidance(guide, CorrectedProblem(problem, correction).evaluate, correction)


def guided_recipe(recipe: Recipe, encoding: str, seed: int) -> Recipe:
    """The recipe of a guided search: single connections are chosen for initial weights, which all trainings then have.

    Args:
        recipe: as it was given; one with an `initial_seed` stays as it is.
        encoding: its name.
        seed: of the search.
    """
    if not encoding.startswith("connections") or recipe.initial_seed is not None:
        return recipe
    return recipe.model_copy(update={"initial_seed": seed})


def fitness_recipe(recipe: Recipe, folds: Sequence[Fold], rows: int) -> Recipe:
    """The recipe that candidates are trained by on folds, so that they make as many steps as the chosen one will.

    The chosen head is trained on all rows of a search, candidates on those outside a fold alone. With equally
    many epochs they would make fewer steps, which large heads have more need of than small ones.

    Args:
        recipe: of the chosen head; one with early stopping ends by itself, and is left as it is.
        folds: of the search.
        rows: number of rows that the chosen head is trained on.
    """
    trained = float(np.mean([len(fold.train) for fold in folds]))
    if recipe.early_stopping is not None or not 0 < trained < rows:
        return recipe
    return recipe.model_copy(update={"epochs": round(recipe.epochs * rows / trained)})
