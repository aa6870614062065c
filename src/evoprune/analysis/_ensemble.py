"""Ensembles as published: windows over a front, and the vote on foreign images.

Source: MO-EvoPruneDeepTL (arXiv 2302.10253, section on ensembles) and its published program.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from evoprune._types import FloatArray, IntArray
from evoprune.errors import ConfigError
from evoprune.heads import Vote

WINDOWS = tuple((low, low + 10) for low in range(50, 90, 5))
"""Lower and upper quantile of the published windows, in percent: 50-60, 55-65, .. 85-95."""


_SIDES: tuple[Literal["left"], Literal["right"]] = ("left", "right")


@dataclass(frozen=True, eq=False)
class Panel:
    """What P heads say of the same rows.

    Attributes:
        probabilities: class probabilities `[P, N, C]`.
        labels: class numbers `[N]`.
        inside: outlier scores of these rows `[P, N]`, higher where more outlying; None where there are none.
        outside: those of out-of-distribution rows `[P, M]`; None likewise.

    Raises:
        ConfigError: the shapes do not fit.
    """

    probabilities: FloatArray
    labels: IntArray
    inside: FloatArray | None = None
    outside: FloatArray | None = None

    def __post_init__(self) -> None:
        heads, rows = self.probabilities.shape[:2]
        scored = (self.inside is None) == (self.outside is None) and (
            self.inside is None
            or self.outside is None
            or (self.inside.shape == (heads, rows) and len(self.outside) == heads)
        )
        if self.labels.shape != (rows,) or not scored:
            raise ConfigError(
                f"probabilities of shape {self.probabilities.shape}, labels of shape {self.labels.shape} and their "
                "outlier scores do not go together; give [P, N, C], [N], [P, N] and [P, M]"
            )

    def __len__(self) -> int:
        return len(self.probabilities)

    def of(self, members: IntArray) -> Panel:
        """The panel of some of the heads `[K]`, which may repeat."""
        inside = None if self.inside is None else self.inside[members]
        outside = None if self.outside is None else self.outside[members]
        return Panel(self.probabilities[members], self.labels, inside, outside)


def outlier_vote(inside: FloatArray, outside: FloatArray, vote: Vote) -> tuple[FloatArray, FloatArray]:
    """Outlier scores of an ensemble, higher where more outlying.

    `majority` is as published: at every share of the images inside that is to be rejected, each member has a threshold
    of its own, and an image is foreign where at least half of the members reject it. The score is the share from which
    on a majority accepts the image: the (upper) median over members of the share of images inside that score lower.
    The published program tries 100 shares; this is all of them, and of one member its own order. `soft` is the mean of
    the members' scores.

    Args:
        inside: scores of K members on images inside the distribution `[K, N]`.
        outside: their scores on images outside `[K, M]`.
        vote: `soft` or `majority`.

    Returns:
        Scores `[N]` and `[M]`; NaN where a member has NaN.

    Raises:
        ConfigError: there is no member, or the two are not of the same ones.
    """
    if inside.ndim != 2 or outside.ndim != 2 or len(inside) != len(outside) or not len(inside):
        raise ConfigError(
            f"outlier scores of shapes {inside.shape} and {outside.shape} are of no ensemble; "
            "give [K, N] and [K, M] of the same K members, 1 or more"
        )
    if vote == "soft":
        return inside.mean(axis=0), outside.mean(axis=0)
    return _upper_median(_rejected(inside, inside)), _upper_median(_rejected(inside, outside))


def _rejected(inside: FloatArray, scores: FloatArray) -> FloatArray:
    """Of each member the share of images inside that score lower `[K, n]`, equal ones half; NaN where a score is."""
    shares = []
    for own, row in zip(np.sort(inside, axis=1), scores, strict=True):
        places = [np.searchsorted(own, row, side=side) for side in _SIDES]
        shares.append((places[0] + places[1]) / (2 * len(own)))
    broken = np.isnan(inside).any(axis=1, keepdims=True) | np.isnan(scores)
    return np.where(broken, np.nan, np.stack(shares))


def _upper_median(shares: FloatArray) -> FloatArray:
    """The smallest value that more than half of the members reach or stay below `[n]`, of `[K, n]`."""
    # NaN sorts last, and would be passed over.
    median: FloatArray = np.where(np.isnan(shares).any(axis=0), np.nan, np.sort(shares, axis=0)[len(shares) // 2])
    return median


def window_members(values: FloatArray, window: tuple[int, int]) -> IntArray:
    """Members whose value lies between two quantiles of all, both included; in their order, none where none does.

    Quantiles are interpolated linearly, as published.

    Args:
        values: accuracy (or AUROC) of each member `[P]`, finite.
        window: lower and upper quantile, percent.
    """
    low, high = np.percentile(values, window)
    return np.flatnonzero((values >= low) & (values <= high))
