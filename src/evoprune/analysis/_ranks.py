"""Many methods on many data sets: average ranks, and how far apart they must be (Demsar, 2006)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from evoprune._types import FloatArray
from evoprune.analysis._rounding import rounded
from evoprune.errors import ConfigError


@dataclass(frozen=True, eq=False)
class Friedman:
    """A Friedman test.

    Attributes:
        statistic: chi-square with methods - 1 degrees of freedom, corrected for ties; NaN where nothing could be
            tested.
        p: p-value that all methods are alike; NaN where nothing could be tested.
        average_ranks: `[methods]`, 1 is best; NaN without a complete data set.
        datasets: rows that were ranked.
        missing: rows that were not, because a value is NaN or infinite.
        reason: why nothing could be tested, or None.
    """

    statistic: float
    p: float
    average_ranks: FloatArray
    datasets: int
    missing: int
    reason: str | None


def friedman(table: FloatArray, *, maximize: bool = True) -> Friedman:
    """Friedman's test of values `[datasets, methods]`, and the methods' average ranks.

    Methods are ranked on each data set, equal ones share the mean of their ranks. A data set on which a method is
    missing cannot be ranked; it is left out and counted. The p-value is that of the chi-square distribution, which
    needs more than about 10 data sets or 5 methods.

    Args:
        table: values of all methods on all data sets, each a mean over seeds; NaN where one is missing.
        maximize: True where larger is better.

    Raises:
        ConfigError: the table has not two axes, or fewer than 3 methods.
    """
    from scipy import stats  # noqa: PLC0415

    values = np.asarray(table, dtype=np.float64)
    if values.ndim != 2 or values.shape[1] < 3:
        raise ConfigError(
            f"a table of shape {values.shape} cannot be ranked; give [datasets, methods] with 3 methods or more, "
            "or compare two by wilcoxon"
        )
    complete = values[np.isfinite(values).all(axis=1)]
    n, missing = len(complete), len(values) - len(complete)
    if not n:
        return Friedman(np.nan, np.nan, np.full(values.shape[1], np.nan), 0, missing, "no complete data set")
    ranks = stats.rankdata(rounded(-complete if maximize else complete), axis=1)
    average = ranks.mean(axis=0)
    if n < 2 or not np.ptp(ranks):
        reason = "only 1 complete data set" if n < 2 else "all methods are equal on every data set"
        return Friedman(np.nan, np.nan, average, n, missing, reason)
    test = stats.friedmanchisquare(*ranks.T)
    return Friedman(float(test.statistic), float(test.pvalue), average, n, missing, None)


def critical_difference(methods: int, datasets: int, alpha: float = 0.05) -> float:
    """How far apart two average ranks must be to differ significantly, by the Nemenyi test (Demsar, 2006, section 3.2).

    It is q sqrt(k (k + 1) / 6 N) for k methods on N data sets, with q from the studentized range over sqrt(2), which
    takes into account that all pairs are compared. It should only be asked where Friedman's test is significant.

    Args:
        methods: k, from 2.
        datasets: N, from 1.
        alpha: chance that any two methods are told apart although all are alike.

    Raises:
        ConfigError: one of the three is out of range.
    """
    from scipy.stats import studentized_range  # noqa: PLC0415

    if methods < 2 or datasets < 1:
        raise ConfigError(
            f"{methods} method(s) on {datasets} data set(s) have no critical difference; give 2 or more, and 1 or more"
        )
    if not 0 < alpha < 1:
        raise ConfigError(f"alpha={alpha} is no chance of error; give a number between 0 and 1, such as 0.05")
    q = float(studentized_range.ppf(1 - alpha, methods, np.inf)) / math.sqrt(2)
    return q * math.sqrt(methods * (methods + 1) / (6 * datasets))


def cliques(average_ranks: Mapping[str, float], cd: float) -> list[tuple[str, ...]]:
    """Groups of methods that do not differ significantly: all their ranks lie closer together than the difference.

    Args:
        average_ranks: of each method, 1 is best.
        cd: the critical difference.

    Returns:
        Groups of two or more that are not part of another, each from best to worst, the best group first.

    Raises:
        ConfigError: a rank is not finite.
    """
    names = sorted(average_ranks, key=lambda name: average_ranks[name])
    ranks = rounded(np.array([average_ranks[name] for name in names], dtype=np.float64))
    if not np.isfinite(ranks).all():
        lost = [name for name in names if not math.isfinite(average_ranks[name])]
        raise ConfigError(f"no average rank is known of {', '.join(lost)}; leave these out")
    groups: list[tuple[str, ...]] = []
    reached = 0
    for start, rank in enumerate(ranks):
        end = int(np.searchsorted(ranks, rank + cd))
        # A group that ends where the last one did is part of it.
        if end > max(reached, start + 1):
            groups.append(tuple(names[start:end]))
        reached = max(reached, end)
    return groups
