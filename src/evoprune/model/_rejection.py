"""When not to trust a model: a bound on how outlying an image may be before it is called unknown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from evoprune._types import BoolArray, Float32Array, FloatArray, IntArray
from evoprune.errors import ConfigError
from evoprune.heads import CompactHead, EnsembleHead
from evoprune.model._stored_head import AnyHead
from evoprune.objectives import Detector, FeatureScore, Mahalanobis, NearestNeighbour, fit_detector, get_ood_score

DEFAULT_SCORE = "mahalanobis"
"""The score where a run names none: it needs no images from outside, and on features of ImageNet networks told
foreign images from every one of our data sets, where scores of logits mostly failed (AUROC .88-1.0 against .02-.82)."""

ENSEMBLE_SCORE = "msp"
"""The same for an ensemble, whose members have no hidden layer in common."""

Fitted: TypeAlias = FeatureScore | None


@dataclass(frozen=True, eq=False)
class Rejection:
    """The out-of-distribution (OOD) score of a model, and where it draws the line.

    Attributes:
        score: its name in `OOD_SCORES`; higher means more outlying.
        threshold: an image with a higher score, or none, is unknown.
        tpr: share of the data set's own validation images for which the threshold was chosen, 0..1.
        fitted: to the last hidden layer of the model's training images, where the score needs that.
        measured: figures on images not used for it, by name (`tpr`, `auroc`, `fpr`, ..).
    """

    score: str
    threshold: float
    tpr: float
    fitted: Fitted = None
    measured: dict[str, float] = field(default_factory=dict)

    def scores(self, head: AnyHead, X: Float32Array) -> FloatArray:
        """Scores `[N]` of features `[N, D]` under a head, higher where more outlying.

        Raises:
            DataError: the features have another width.
        """
        return ood_scores(self.score, head, X, self.fitted)

    def unknown(self, scores: FloatArray) -> BoolArray:
        """Which images `[N]` are unknown, by their scores; NaN is."""
        beyond: BoolArray = ~(scores <= self.threshold)
        return beyond

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What was fitted, by name; float32, which holds it exactly (see `fit_score`)."""
        if isinstance(self.fitted, Mahalanobis):
            return {"means": _short(self.fitted.means), "whitening": _short(self.fitted.whitening)}
        return {"features": _short(self.fitted.features)} if isinstance(self.fitted, NearestNeighbour) else {}

    def facts(self) -> dict[str, Any]:
        """What the arrays do not say, for JSON."""
        k = {"k": self.fitted.k} if isinstance(self.fitted, NearestNeighbour) else {}
        kept = {"score": self.score, "threshold": self.threshold, "tpr": self.tpr, "measured": self.measured}
        return {**kept, **k}


def read_rejection(arrays: Mapping[str, NDArray[Any]], facts: Mapping[str, Any], hidden: int) -> Rejection:
    """A rejection from its arrays and facts.

    Args:
        arrays: as `Rejection.arrays` gives them.
        facts: as `Rejection.facts` gives them.
        hidden: h, units of the last hidden layer of the model's head.

    Raises:
        KeyError, TypeError, ValueError, ConfigError: something is missing, unknown, or does not fit together.
    """
    score = get_ood_score(str(facts["score"])).name
    fitted: Fitted = None
    if score == "mahalanobis":
        fitted = Mahalanobis(_matrix(arrays["means"], hidden), _matrix(arrays["whitening"], hidden))
        if len(fitted.whitening) != hidden:
            raise ValueError("the fitted score does not fit the head")
    elif score == "knn":
        fitted = NearestNeighbour(_matrix(arrays["features"], hidden), int(facts["k"]))
        if not 1 <= fitted.k <= len(fitted.features):
            raise ValueError("the fitted score does not fit together")
    measured = {str(name): float(value) for name, value in facts["measured"].items()}
    return Rejection(score, float(facts["threshold"]), float(facts["tpr"]), fitted, measured)


def _matrix(array: NDArray[Any], width: int) -> FloatArray:
    if array.dtype != np.float32 or array.ndim != 2 or array.shape[1] != width or not len(array):
        raise ValueError("the fitted score does not fit the head")
    return array.astype(np.float64)


def usable_score(name: str, head: AnyHead) -> str:
    """The score of a name, or `msp` where it says nothing of the votes of an ensemble.

    The energy of class shares is the same for every image, and members have no hidden layer in common.

    Raises:
        ConfigError: the name is unknown.
    """
    score = get_ood_score(name)
    useless = score.needs_features or name == "energy"
    return ENSEMBLE_SCORE if useless and isinstance(head, EnsembleHead) else score.name


def fit_score(name: str, head: AnyHead, X_train: Float32Array, y_train: IntArray) -> Fitted:
    """What a score needs beside the head, rounded to float32 so that a file holds all of it; None for scores of logits.

    Args:
        name: of the score.
        head: trained on these images.
        X_train: features `[n, D]`.
        y_train: class numbers `[n]`.
    """
    if isinstance(head, EnsembleHead):
        return None
    fitted = fit_detector(name, head, X_train, y_train).fitted
    if isinstance(fitted, Mahalanobis):
        return Mahalanobis(_rounded(fitted.means), _rounded(fitted.whitening))
    return NearestNeighbour(_rounded(fitted.features), fitted.k) if isinstance(fitted, NearestNeighbour) else fitted


def _short(array: FloatArray) -> Float32Array:
    return array.astype(np.float32)


def _rounded(array: FloatArray) -> FloatArray:
    return _short(array).astype(np.float64)


def ood_scores(name: str, head: AnyHead, X: Float32Array, fitted: Fitted = None) -> FloatArray:
    """Scores `[N]` of features `[N, D]`, higher where more outlying; NaN where they cannot be had.

    Raises:
        ConfigError: the score's name is unknown, or it does not go with an ensemble.
    """
    if isinstance(head, CompactHead):
        return Detector(name, head, fitted).score(X)
    of_logits = get_ood_score(usable_score(name, head)).of_logits
    if of_logits is None or name != usable_score(name, head):
        raise ConfigError(f"the OOD score {name!r} says nothing of an ensemble's votes; take {ENSEMBLE_SCORE!r}")
    return of_logits(head.logits(X))


def threshold_for(scores: FloatArray, tpr: float) -> float:
    """The smallest score that accepts at least the share `tpr` of these images, as `fpr_at_tpr` takes it.

    Args:
        scores: of images of the data set's own classes `[N]`, not used for training.
        tpr: over 0 up to 1.

    Raises:
        ConfigError: the share is out of range, or there are no scores, or one is not finite.
    """
    if not 0 < tpr <= 1:
        raise ConfigError(f"tpr={tpr} is no share of images to accept; give more than 0 and at most 1, such as 0.95")
    if not scores.size or not np.isfinite(scores).all():
        raise ConfigError("the validation images have no finite OOD scores; choose another member with --member")
    shares = np.arange(1, scores.size + 1) / scores.size
    return float(np.sort(scores)[np.argmax(shares >= tpr)])
