"""Outlier scores by name, and a detector that scores images with one of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evoprune import _large
from evoprune._types import Float32Array, FloatArray, IntArray
from evoprune.heads import CompactHead
from evoprune.objectives._lookup import unknown
from evoprune.objectives._ood_features import FeatureScore, fit_mahalanobis, fit_nearest_neighbour
from evoprune.objectives._ood_scores import energy, maxlogit, msp, odin
from evoprune.training import head_logits, penultimate


@dataclass(frozen=True)
class OODScore:
    """One way to say how outlying an image is; it has either `of_logits` or `fit`.

    Attributes:
        name: what the user types.
        title: what tables and figures show.
        of_logits: from logits `[..., N, C]` to scores `[..., N]`, higher where more outlying.
        fit: from features of the last hidden layer `[n, h]` and class numbers `[n]` of the
            training images to the fitted score.
    """

    name: str
    title: str
    of_logits: Callable[[NDArray[np.floating[Any]]], FloatArray] | None = None
    fit: Callable[[FloatArray, IntArray], FeatureScore] | None = None

    @property
    def needs_features(self) -> bool:
        """Whether it is fitted to features of training images, rather than computed from logits."""
        return self.fit is not None


OOD_SCORES = {
    score.name: score
    for score in (
        OODScore("odin", "ODIN", of_logits=odin),
        OODScore("msp", "maximum softmax", of_logits=msp),
        OODScore("energy", "energy", of_logits=energy),
        OODScore("maxlogit", "maximum logit", of_logits=maxlogit),
        OODScore("mahalanobis", "Mahalanobis distance", fit=fit_mahalanobis),
        OODScore("knn", "nearest neighbours", fit=fit_nearest_neighbour),
    )
}


def get_ood_score(name: str) -> OODScore:
    """The outlier score of a name.

    Raises:
        ConfigError: the name is unknown.
    """
    if name not in OOD_SCORES:
        raise unknown("OOD score", name, OOD_SCORES)
    return OOD_SCORES[name]


@dataclass(frozen=True, eq=False)
class Detector:
    """Tells outliers: a head and, where the score needs it, what was fitted to its training images.

    Attributes:
        name: of the score, in `OOD_SCORES`.
        head: compact head on raw features.
        fitted: score in feature space; None for a score of logits, and where the head's
            features of the training images are not finite.
    """

    name: str
    head: CompactHead
    fitted: FeatureScore | None = None

    def score(self, X: Float32Array) -> FloatArray:
        """Scores `[N]` of raw features `[N, D]`, higher where more outlying; NaN where they cannot be had.

        Raises:
            DataError: the features have another width.
            ConfigError: the score's name is unknown.
        """
        of_logits = get_ood_score(self.name).of_logits
        if of_logits is not None:
            return of_logits(head_logits(self.head, X))
        features = _features(self.head, X)
        scores = np.full(len(X), np.nan)
        finite = np.isfinite(features).all(axis=1)
        if self.fitted is not None and finite.any():
            scores[finite] = self.fitted(features[finite])
        return scores


def fit_detector(name: str, head: CompactHead, X_train: Float32Array, y_train: IntArray) -> Detector:
    """A detector for a trained head.

    Args:
        name: of the score, in `OOD_SCORES`.
        head: compact head on raw features.
        X_train: raw features of the images that the head was trained on `[n, D]`.
        y_train: their class numbers `[n]`.

    Raises:
        ConfigError: the score's name is unknown.
        DataError: the features have another width.
    """
    fit = get_ood_score(name).fit
    if fit is None:
        return Detector(name, head)
    features = _features(head, X_train)
    return Detector(name, head, fit(features, y_train) if np.isfinite(features).all() else None)


def _features(head: CompactHead, X: Float32Array) -> FloatArray:
    """Features `[N, h]` in which a head's images are compared."""
    features: FloatArray = _large.convert(penultimate(head, X), np.float64)
    # A head with nothing active tells no images apart, as if it had one unit that is always 0.
    return features if features.shape[1] else np.zeros((len(X), 1))
