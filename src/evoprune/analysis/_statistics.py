"""Mean and spread, effect size, and p-values that stand together; what is missing is counted, never left out unsaid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evoprune._types import FloatArray
from evoprune.analysis._rounding import rounded
from evoprune.errors import ConfigError


@dataclass(frozen=True)
class Summary:
    """Mean and spread of a column.

    Attributes:
        mean: of the values that are there; NaN where there are none.
        std: standard deviation with n - 1; NaN for fewer than two values.
        n: how many values are there.
        missing: how many are not, because they are NaN or infinite.
    """

    mean: float
    std: float
    n: int
    missing: int


def summary(values: FloatArray) -> Summary:
    """Mean, standard deviation and number of values `[n]`, and how many are missing (not finite).

    Raises:
        ConfigError: the values are no single column.
    """
    column = np.asarray(values, dtype=np.float64)
    if column.ndim != 1:
        raise ConfigError(f"values of shape {column.shape} are no column; give [n]")
    there = column[np.isfinite(column)]
    return Summary(
        mean=float(there.mean()) if len(there) else np.nan,
        std=float(there.std(ddof=1)) if len(there) > 1 else np.nan,
        n=len(there),
        missing=len(column) - len(there),
    )


def holm(p_values: FloatArray) -> FloatArray:
    """P-values `[m]` adjusted for there being m of them (Holm, 1979: step-down Bonferroni).

    A test that could not be made (NaN) stays NaN and is not counted in m.

    Raises:
        ConfigError: they are no single column, or one is not from 0 to 1.
    """
    p = np.asarray(p_values, dtype=np.float64)
    if p.ndim != 1:
        raise ConfigError(f"p-values of shape {p.shape} are no column; give [m]")
    outside = p[(p < 0) | (p > 1)]
    if len(outside):
        raise ConfigError(f"{outside[0]} is no p-value; give numbers from 0 to 1, or NaN for a test that was not made")
    adjusted = np.full(len(p), np.nan)
    made = np.flatnonzero(~np.isnan(p))
    order = made[np.argsort(p[made], kind="stable")]
    steps = p[order] * np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return adjusted


def vargha_delaney(a: FloatArray, b: FloatArray) -> float:
    """Effect size A12 of values `[n]` against others `[m]`, which need not be pairs (Vargha and Delaney, 2000).

    The chance that one of the first is larger than one of the second; equal ones count half. 0.5 is no effect, 1 says
    that all of the first are larger. NaN where a value is NaN.

    Raises:
        ConfigError: one of the two is no column, or empty.
    """
    from scipy.stats import rankdata  # noqa: PLC0415

    first, second = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if first.ndim != 1 or second.ndim != 1 or not len(first) or not len(second):
        raise ConfigError(
            f"values of shapes {first.shape} and {second.shape} cannot be compared; give columns [n] and [m]"
        )
    n, m = len(first), len(second)
    ranks = rankdata(rounded(np.concatenate([first, second])), nan_policy="propagate")
    return float((ranks[:n].sum() - n * (n + 1) / 2) / (n * m))
