"""Is one better than the other, pair by pair?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from evoprune._types import FloatArray
from evoprune.analysis._rounding import differences, finite_pairs
from evoprune.analysis._statistics import holm
from evoprune.errors import ConfigError

_EXACT = 50
"""Up to so many pairs without ties the distribution of the statistic is counted out."""

_EXACT_WITH_TIES = 13
"""Up to so many pairs with ties all 2^n signs are tried."""


@dataclass(frozen=True)
class SignedRank:
    """A Wilcoxon signed-rank test.

    Attributes:
        statistic: the smaller of the two sums of ranks; NaN where nothing could be tested.
        p: two-sided p-value; NaN where nothing could be tested.
        effect: matched-pairs rank-biserial correlation, -1..1; 1 where the first is larger in every pair that differs.
        n: pairs that were compared, equal ones included.
        zeros: how many of these are equal.
        missing: pairs that were not compared, because a value is NaN or infinite.
        method: `exact`, `normal` (an approximation), or `none`.
        reason: why nothing could be tested, or None.
    """

    statistic: float
    p: float
    effect: float
    n: int
    zeros: int
    missing: int
    method: str
    reason: str | None


@dataclass(frozen=True)
class Comparison:
    """One method against another, pair by pair.

    Attributes:
        method: the one.
        other: the other.
        mean_difference: mean of the one less the other, in natural sign; NaN without pairs.
        wins: pairs in which the one is better.
        ties: pairs in which both are equal.
        losses: pairs in which the other is better.
        test: positive effects say that the one is larger.
        adjusted: p-value, adjusted for all comparisons made together (Holm, 1979).
    """

    method: str
    other: str
    mean_difference: float
    wins: int
    ties: int
    losses: int
    test: SignedRank
    adjusted: float


def wilcoxon(a: FloatArray, b: FloatArray) -> SignedRank:
    """Wilcoxon signed-rank test, two-sided, of values `[n]` against their partners `[n]`.

    Equal pairs are ranked, and then their ranks left out (Pratt, 1959). The p-value is exact for up to 50 pairs, or 13
    where differences are tied or zero; beyond it is the normal approximation without correction for continuity.
    The effect is the difference of the two sums of ranks over their total (Kerby, 2014). Pairs should be independent:
    data sets, or seeds on one data set, but not both mixed.

    Raises:
        ConfigError: the two are no columns of one length.
    """
    first, second, missing = finite_pairs(a, b)
    return _signed_rank(differences(first, second), missing)


def compare_all(table: Mapping[str, FloatArray], against: str, *, maximize: bool = True) -> list[Comparison]:
    """Compare one method with each other one by the signed-rank test; p-values adjusted for all of them (Holm, 1979).

    Args:
        table: of each method the values `[n]`, of the same n data sets or seeds; NaN where one is missing. Pairs with
            a missing value are not compared, and counted in `test.missing`.
        against: the one method.
        maximize: True where larger is better; it decides what wins, and changes no sign.

    Returns:
        One comparison for each other method, in the table's order.

    Raises:
        ConfigError: the table lacks the method or any other, or columns differ in length.
    """
    if against not in table or len(table) < 2:
        raise ConfigError(f"{against!r} cannot be compared within {', '.join(table) or 'an empty table'}; give both")
    tests, gaps = [], []
    for values in (values for name, values in table.items() if name != against):
        first, second, missing = finite_pairs(table[against], values)
        gaps.append(differences(first, second))
        tests.append(_signed_rank(gaps[-1], missing))
    adjusted = holm(np.array([test.p for test in tests]))
    return [
        Comparison(
            method=against,
            other=other,
            mean_difference=float(gap.mean()) if len(gap) else np.nan,
            wins=int(((gap > 0) if maximize else (gap < 0)).sum()),
            ties=test.zeros,
            losses=int(((gap < 0) if maximize else (gap > 0)).sum()),
            test=test,
            adjusted=float(p),
        )
        for other, gap, test, p in zip([name for name in table if name != against], gaps, tests, adjusted, strict=True)
    ]


def _signed_rank(difference: FloatArray, missing: int) -> SignedRank:
    """The test of differences `[n]`, all finite."""
    from scipy import stats  # noqa: PLC0415

    n, zeros = len(difference), int((difference == 0).sum())
    if n < 2 or zeros == n:
        reason = "fewer than 2 pairs" if n < 2 else f"all {n} pairs are equal"
        return SignedRank(np.nan, np.nan, np.nan, n, zeros, missing, "none", reason)
    signed = stats.rankdata(np.abs(difference)) * np.sign(difference)
    above, below = float(signed[signed > 0].sum()), float(-signed[signed < 0].sum())
    tied = zeros > 0 or len(np.unique(np.abs(difference))) < n
    exact = n <= (_EXACT_WITH_TIES if tied else _EXACT)
    if exact and tied:
        # Each difference may as well have the other sign. SciPy's own test does not count this out in all versions.
        p = stats.permutation_test(
            (signed,), np.sum, permutation_type="samples", n_resamples=np.inf, vectorized=True
        ).pvalue
    else:
        p = stats.wilcoxon(difference, zero_method="pratt", method="auto").pvalue
    return SignedRank(
        statistic=min(above, below),
        p=float(p),
        effect=(above - below) / (above + below),
        n=n,
        zeros=zeros,
        missing=missing,
        method="exact" if exact else "normal",
        reason=None,
    )
