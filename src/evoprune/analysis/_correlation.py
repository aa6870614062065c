"""Rank correlation, with an interval."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evoprune._types import FloatArray
from evoprune.analysis._rounding import finite_pairs, rounded
from evoprune.errors import ConfigError

_RESAMPLES = 2000
"""Draws of the bootstrap."""

_FEWEST = 4
"""Pairs; fewer have only a handful of different draws."""


@dataclass(frozen=True)
class Correlation:
    """A rank correlation with its interval.

    Attributes:
        rho: Spearman's, -1..1; NaN where it does not exist.
        low: lower end of the interval; NaN where there is none.
        high: upper end of the interval; NaN where there is none.
        n: pairs that were used.
        missing: pairs that were not, because a value is NaN or infinite.
        reason: why rho or the interval could not be had, or None.
    """

    rho: float
    low: float
    high: float
    n: int
    missing: int
    reason: str | None


def spearman_with_interval(x: FloatArray, y: FloatArray, level: float = 0.95, *, seed: int) -> Correlation:
    """Spearman's rank correlation of values `[n]` with others `[n]`, and a bootstrap interval.

    The interval lies between the quantiles of 2000 draws of n pairs with replacement (percentile bootstrap; Efron and
    Tibshirani, 1993). It supposes independent pairs, and of fewer than about 20 it is rather too narrow.

    Args:
        x: the ones.
        y: the others.
        level: the share of such intervals that hold the true value, between 0 and 1.
        seed: of the draws.

    Raises:
        ConfigError: the two are no columns of one length, or the level is out of range.
    """
    from scipy.stats import rankdata  # noqa: PLC0415

    if not 0 < level < 1:
        raise ConfigError(f"level={level} is no share of intervals; give a number between 0 and 1, such as 0.95")
    across, up, missing = finite_pairs(x, y)
    across, up = rounded(across), rounded(up)
    n = len(across)
    if n < 2 or np.ptp(across) == 0 or np.ptp(up) == 0:
        reason = "fewer than 2 pairs" if n < 2 else "all values of a column are equal"
        return Correlation(np.nan, np.nan, np.nan, n, missing, reason)
    rho = float(_correlation(rankdata(across), rankdata(up)))
    if n < _FEWEST:
        return Correlation(rho, np.nan, np.nan, n, missing, f"{n} pairs are too few for an interval")
    drawn = np.random.default_rng(seed).integers(n, size=(_RESAMPLES, n))
    resampled = _correlation(rankdata(across[drawn], axis=1), rankdata(up[drawn], axis=1))
    # A draw in which a column is constant has no correlation.
    low, high = np.nanquantile(resampled, [(1 - level) / 2, (1 + level) / 2])
    return Correlation(rho, float(low), float(high), n, missing, None)


def _correlation(x: FloatArray, y: FloatArray) -> FloatArray:
    """Pearson correlation `[...]` along the last axis; NaN where one of the two is constant."""
    x, y = x - x.mean(axis=-1, keepdims=True), y - y.mean(axis=-1, keepdims=True)
    with np.errstate(invalid="ignore"):
        correlation: FloatArray = (x * y).sum(axis=-1) / np.sqrt((x**2).sum(axis=-1) * (y**2).sum(axis=-1))
    # Rounding may lead over 1.
    return np.clip(correlation, -1.0, 1.0)
