"""How well outlier scores tell out-of-distribution images ("outside") from others ("inside").

All take scores `[..., N]` of images inside and `[..., M]` of images outside with the same
leading axes, higher where more outlying, and give one value for each of these. Scores are
compared in float64, ties included; where a score is NaN the value is NaN.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from evoprune._types import FloatArray
from evoprune.errors import ConfigError


def auroc(inside: NDArray[np.floating[Any]], outside: NDArray[np.floating[Any]]) -> FloatArray:
    """Area under the ROC curve `[...]`: the chance that an image outside scores higher than one inside.

    Exact, from ranks (Mann-Whitney U); equal scores count half. 0.5 is guessing, 1 is best.

    Raises:
        ConfigError: no images inside or outside, or other leading axes.
    """
    within, beyond = _checked(inside, outside)
    n, m = within.shape[-1], beyond.shape[-1]
    ranks = _ranks(np.concatenate([within, beyond], axis=-1), "average")
    area: FloatArray = (ranks[..., n:].sum(axis=-1) - m * (m + 1) / 2) / (n * m)
    return area


def aupr(inside: NDArray[np.floating[Any]], outside: NDArray[np.floating[Any]]) -> FloatArray:
    """Average precision `[...]`, images outside being the positives; M / (N + M) is guessing, 1 is best.

    The mean over images outside of the share of images outside among all that score at least as high.

    Raises:
        ConfigError: no images inside or outside, or other leading axes.
    """
    within, beyond = _checked(inside, outside)
    everything = _ranks(-np.concatenate([within, beyond], axis=-1), "max")
    precision = _ranks(-beyond, "max") / everything[..., within.shape[-1] :]
    average: FloatArray = precision.mean(axis=-1)
    return average


def fpr_at_tpr(inside: NDArray[np.floating[Any]], outside: NDArray[np.floating[Any]], tpr: float = 0.95) -> FloatArray:
    """Share of the images outside that are taken for inside `[...]`, when nearly all inside are; 0 is best.

    As in the literature on this task, images *inside* are the positives here: the threshold
    is the smallest score that accepts at least the share `tpr` of them (a score equal to it
    is accepted). pytorch-ood's function of this name has the parts exchanged.

    Args:
        inside: scores `[..., N]`.
        outside: scores `[..., M]`.
        tpr: share of images inside to accept, over 0 up to 1.

    Raises:
        ConfigError: no images inside or outside, or other leading axes; `tpr` out of range.
    """
    if not 0 < tpr <= 1:
        raise ConfigError(f"tpr={tpr} is no share of images to accept; give more than 0 and at most 1, such as 0.95")
    within, beyond = _checked(inside, outside)
    shares = np.arange(1, within.shape[-1] + 1) / within.shape[-1]
    threshold = np.sort(within, axis=-1)[..., np.argmax(shares >= tpr)]
    accepted: FloatArray = np.mean(beyond <= threshold[..., None], axis=-1)
    undefined = np.isnan(within).any(axis=-1) | np.isnan(beyond).any(axis=-1)
    return np.where(undefined, np.nan, accepted)


def _checked(inside: NDArray[np.floating[Any]], outside: NDArray[np.floating[Any]]) -> tuple[FloatArray, FloatArray]:
    if not inside.ndim or not outside.ndim or inside.shape[:-1] != outside.shape[:-1]:
        raise ConfigError(
            f"scores of shapes {inside.shape} and {outside.shape} do not go together; give [..., N] and [..., M] "
            "with the same leading axes"
        )
    if not inside.shape[-1] or not outside.shape[-1]:
        raise ConfigError(
            f"there are {inside.shape[-1]} image(s) inside and {outside.shape[-1]} outside the distribution; "
            "give at least one of each"
        )
    return inside.astype(np.float64), outside.astype(np.float64)


def _ranks(scores: FloatArray, method: str) -> FloatArray:
    """Ranks along the last axis, from 1; all NaN where a score is NaN."""
    from scipy.stats import rankdata  # noqa: PLC0415

    ranks: FloatArray = rankdata(scores, method, axis=-1, nan_policy="propagate")
    return ranks
