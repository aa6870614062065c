"""How much too good a mask looks on rows that it was chosen with, by its size.

A guide sees all rows of a search, those that fitness is measured on included. A mask that it
proposes fits the labels of these rows, and looks better on them than on new ones; most so where
many masks of its size are possible, and not at all where nothing is left out. Fitness without
a correction would therefore prefer sizes with much choice. The correction is measured, not
assumed: for each fold, masks are made once without the fold's evaluation rows and once with
them, and both are trained and evaluated alike.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from evoprune._types import BoolArray, FloatArray, IntArray
from evoprune.guidance._guide import guide_for
from evoprune.problem import Problem
from evoprune.training import TrainingSet

RUNS = 2
"""Runs of elimination on either side of the comparison."""

SHARES = (0.01, 0.02, 0.035, 0.05, 0.07, 0.1, 0.15, 0.25, 0.35, 0.5, 0.75)
"""Sizes at which it is measured, as shares of all bits, whichever a search asks; between them it is interpolated
over the logarithm."""

_STREAM = 1_000
"""Keeps the seeds of the guides that do not see a fold apart from that of the search's guide."""


class Scores(Protocol):
    """What says how important bits are; see `Guide`."""

    def scores(self) -> FloatArray:
        """Importance of each bit by several sources `[S, L]`, higher is more important."""


@dataclass(frozen=True, eq=False)
class Correction:
    """What is added to objective values that were measured on rows the guide has seen.

    Attributes:
        sizes: numbers of active bits `[K]`, ascending.
        gaps: correction at these sizes `[K, M]`, in the natural sign of each objective; 0 or for the worse.
        length: L; the full genome is not corrected.
    """

    sizes: IntArray
    gaps: FloatArray
    length: int

    def of(self, genomes: BoolArray) -> FloatArray:
        """Corrections `[P, M]` of genomes `[P, L]`."""
        places = np.log(np.append(self.sizes, self.length))
        at = np.log(np.maximum(genomes.sum(axis=1), 1))
        return np.stack([np.interp(at, places, np.append(gap, 0.0)) for gap in self.gaps.T], axis=1)


@dataclass(frozen=True, eq=False)
class CorrectedProblem:
    """A problem whose values are corrected.

    Attributes:
        problem: what is measured.
        correction: what is added.
    """

    problem: Problem
    correction: Correction

    def evaluate(self, genomes: BoolArray, on_progress: Callable[[int, int], None] | None = None, /) -> FloatArray:
        """Corrected objective values `[P, M]` of genomes `[P, L]`; see `Problem.evaluate`."""
        return self.problem.evaluate(genomes, on_progress) + self.correction.of(genomes)


def measured_correction(problem: Problem, guide: Scores, seed: int) -> Correction:
    """Measure how much too good the guide's masks look, by size and objective.

    Neighbouring sizes are averaged, for each gap is a mean of a few trainings; what would
    make a value better counts as 0.

    Args:
        problem: of the search.
        guide: of the search.
        seed: of the guides that do not see a fold.
    """
    length = problem.length
    sizes = np.array(sorted({max(1, round(share * length)) for share in SHARES} - {length}), dtype=np.int64)
    if not len(sizes):
        return Correction(np.array([length]), np.zeros((1, len(problem.objectives))), length)
    gaps = _gaps(problem, guide, sizes.tolist(), seed)
    padded = np.concatenate([gaps[:1], gaps, np.zeros_like(gaps[:1])])
    smooth = (padded[:-2] + 2 * padded[1:-1] + padded[2:]) / 4
    maximize = np.array(problem.maximize)
    return Correction(sizes, np.where(maximize, np.minimum(smooth, 0), np.maximum(smooth, 0)), length)


def _gaps(problem: Problem, guide: Scores, sizes: Sequence[int], seed: int) -> FloatArray:
    """Mean over folds and runs of the value of masks made without a fold, minus that of masks made with it `[K, M]`."""
    seen, data = _masks(guide, sizes), problem.data
    gaps = []
    for number, fold in enumerate(data.folds):
        extra = {name: (rows[number],) for name, rows in data.extra.items()}
        alone = TrainingSet(data.X, data.y, data.classes, (fold,), extra)
        blind = guide_for(
            alone, problem.encoding, problem.recipe.precision, seed + _STREAM * (number + 1), eliminations=RUNS
        )
        if blind is None:
            continue
        on_fold = Problem(
            alone,
            problem.encoding,
            problem.recipe,
            problem.objectives,
            seed=problem.seeds[0],
            ood_score=problem.ood_score,
            device=str(problem.trainer.device),
        )
        values = on_fold.evaluate(np.concatenate([_masks(blind, sizes), seen]))
        without, within = values.reshape(2, RUNS, len(sizes), -1)
        gaps.append(np.nan_to_num(without - within).mean(axis=0))
    means: FloatArray = np.mean(gaps, axis=0)
    return means


def _masks(guide: Scores, sizes: Sequence[int]) -> BoolArray:
    """The best by each of the guide's first runs, for all sizes: `[RUNS * K, L]`."""
    scores = guide.scores()[:RUNS]
    masks = np.zeros((len(scores), len(sizes), scores.shape[1]), dtype=np.bool_)
    for row, order in zip(masks, np.argsort(-scores, axis=1, kind="stable"), strict=True):
        for mask, size in zip(row, sizes, strict=True):
            mask[order[:size]] = True
    return masks.reshape(-1, scores.shape[1])
