"""How sure the difference between the chosen head and the one that is not pruned is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from evoprune._types import BoolArray

FEWEST = 3
"""Trainings from which on their spread says something: with two, Student's t makes 13 standard errors of it."""


@dataclass(frozen=True)
class Difference:
    """Test accuracy of the chosen head minus that of the one that is not pruned, 0..1.

    Attributes:
        mean: over the trainings.
        low: lower end of its 95 % interval.
        high: upper end.
        about: what the interval accounts for, in words.
    """

    mean: float
    low: float
    high: float
    about: str

    @property
    def verdict(self) -> str:
        """`better`, `worse`, or `alike` where the interval holds zero."""
        if self.low > 0:
            return "better"
        return "worse" if self.high < 0 else "alike"


def of_predictions(dense: BoolArray, evolved: BoolArray) -> Difference:
    """The difference where it is known which test rows each training of both heads gets right.

    The interval adds the variances of two means: over test rows, of how much more often a row is right (pairs,
    normal distribution); and, from three trainings on, of the whole difference (Student's t). Training noise is
    within the first already in part, so that the interval is rather too wide than too narrow.

    Args:
        dense: right or wrong `[S, N]`, a line a training.
        evolved: the same of the chosen head, with the same training seeds.
    """
    from scipy.stats import norm, t  # noqa: PLC0415

    better = evolved.astype(np.float64) - dense.astype(np.float64)
    seeds, rows = better.shape
    half = norm.ppf(0.975) * better.mean(axis=0).std(ddof=1) / np.sqrt(rows) if rows > 1 else np.inf
    about = "over test rows alone"
    if seeds >= FEWEST:
        half = np.hypot(half, t.ppf(0.975, seeds - 1) * better.mean(axis=1).std(ddof=1) / np.sqrt(seeds))
        about = "over test rows and trainings"
    mean = float(better.mean())
    return Difference(mean, mean - float(half), mean + float(half), about)


def of_spreads(dense: Mapping[str, Any], evolved: Mapping[str, Any]) -> Difference | None:
    """The difference where only means and standard deviations over trainings are known (Welch's interval).

    Args:
        dense: scores, as a summary has them.
        evolved: of the chosen head.

    Returns:
        None where there are fewer than three trainings, or a figure is missing.
    """
    from scipy.stats import t  # noqa: PLC0415

    means = [head["test_accuracy"] for head in (dense, evolved)]
    spreads = [head["test_accuracy_std"] for head in (dense, evolved)]
    counts = [head["seeds"] for head in (dense, evolved)]
    if None in means or None in spreads or min(counts) < FEWEST:
        return None
    parts = [spread**2 / count for spread, count in zip(spreads, counts, strict=True)]
    mean, variance = means[1] - means[0], sum(parts)
    if variance == 0:
        return Difference(mean, mean, mean, "over trainings alone")
    freedom = variance**2 / sum(part**2 / (count - 1) for part, count in zip(parts, counts, strict=True))
    half = float(t.ppf(0.975, freedom) * np.sqrt(variance))
    return Difference(mean, mean - half, mean + half, "over trainings alone")
