"""What the values of masks are corrected by, by their size: how much too good they look, and doubt.

A guide sees all rows of a search, those that fitness is measured on included. A mask that it
proposes fits the labels of these rows, and looks better on them than on new ones; most so where
many masks of its size are possible, and not at all where nothing is left out. Fitness without
a correction would therefore prefer sizes with much choice. The correction is measured, not
assumed: for each fold, masks are made once without the fold's evaluation rows and once with
them, and both are trained and evaluated alike.

Masks that were made alike differ by luck: that of their making and that of their training. A search
asks many of each size and takes the best, so that a difference of that order between two sizes says
nothing. In doubt the larger mask is right, for it has lost less; a tilt over the logarithm of the size
says so, one such standard deviation for each factor of four.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from evoprune._types import BoolArray, FloatArray, IntArray
from evoprune.guidance._guide import guide_for
from evoprune.problem import Problem

logger = logging.getLogger(__name__)

RUNS = 2
"""Runs of elimination on either side of the comparison."""

SHARES = (0.01, 0.02, 0.035, 0.05, 0.07, 0.1, 0.15, 0.25, 0.35, 0.5)
"""Sizes at which it is measured, as shares of all bits, whichever a search asks; between them it is interpolated
over the logarithm."""

DOUBT_FROM = 0.1
"""Share of all bits from which on the spread of masks that were made alike is measured; smaller ones differ more."""

FACTOR = 4.0
"""A mask this many times smaller than another has to be better by one spread."""

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
    """Measure how much too good the guide's masks look, by size and objective, and tilt for doubt.

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
    values = _made_alike(problem, guide, sizes.tolist(), seed)
    failed = np.isnan(values).any(axis=-1)
    if failed.any():
        logger.warning("%d of %d trainings of the correction failed and are left out of it", failed.sum(), failed.size)
    gaps = _mean(values[:, 0] - values[:, 1])
    padded = np.concatenate([gaps[:1], gaps, np.zeros_like(gaps[:1])])
    smooth = (padded[:-2] + 2 * padded[1:-1] + padded[2:]) / 4
    maximize = np.array(problem.maximize)
    tilt = np.log(length / sizes)[:, None] / np.log(FACTOR) * _spread(values[..., sizes >= DOUBT_FROM * length, :])
    worse = np.where(maximize, np.minimum(smooth, 0) - tilt, np.maximum(smooth, 0) + tilt)
    return Correction(sizes, worse, length)


def _spread(values: FloatArray) -> FloatArray:
    """Standard deviation `[M]` of means over folds, among masks of a size, of values `[F, 2, RUNS, K, M]`."""
    if not values.size or values.shape[2] < 2:
        return np.zeros(values.shape[-1])
    variance = _mean(values.var(axis=2, ddof=1)).mean(axis=0)
    return np.asarray(np.sqrt(variance / len(values)), dtype=np.float64)


def _mean(values: FloatArray) -> FloatArray:
    """Means `[K, M]` over the first two axes, without those that failed; 0 where all did."""
    fine = np.isfinite(values)
    counts = np.maximum(fine.sum(axis=(0, 1)), 1)
    return np.asarray(np.where(fine, values, 0).sum(axis=(0, 1)) / counts, dtype=np.float64)


def _made_alike(problem: Problem, guide: Scores, sizes: Sequence[int], seed: int) -> FloatArray:
    """Values `[F, 2, RUNS, K, M]` on each fold of masks that were made without it, and of masks made with it."""
    seen, data = _masks(guide, sizes), problem.data
    values = []
    for number in range(len(data.folds)):
        alone = data.alone(number)
        blind = guide_for(alone, problem.encoding, problem.recipe, seed + _STREAM * (number + 1), eliminations=RUNS)
        without = seen if blind is None else _masks(blind, sizes)
        measured = problem.on(alone).evaluate(np.concatenate([without, seen]))
        values.append(measured.reshape(2, -1, len(sizes), len(problem.objectives)))
    return np.stack(values)


def _masks(guide: Scores, sizes: Sequence[int]) -> BoolArray:
    """The best by each of the guide's first runs, for all sizes: `[RUNS * K, L]`."""
    scores = guide.scores()[:RUNS]
    masks = np.zeros((len(scores), len(sizes), scores.shape[1]), dtype=np.bool_)
    for row, order in zip(masks, np.argsort(-scores, axis=1, kind="stable"), strict=True):
        for mask, size in zip(row, sizes, strict=True):
            mask[order[:size]] = True
    return masks.reshape(-1, scores.shape[1])
