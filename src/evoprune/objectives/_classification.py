"""Scores of logits `[N, C]` against class numbers `[N]`; NaN where a logit is not finite."""

from __future__ import annotations

import numpy as np

from evoprune._types import Float32Array, FloatArray, IntArray

CALIBRATION_BINS = 15
"""Equal-width bins of the confidence in Guo et al. 2017 (arXiv 1706.04599), section 4."""


def accuracy_score(logits: Float32Array, labels: IntArray, weights: FloatArray | None = None) -> float:
    """Share of rows `[N, C]` whose largest logit is at the label; of equal logits the first counts.

    Args:
        logits: `[N, C]`.
        labels: class numbers `[N]`.
        weights: what each row counts `[N]`; None for all alike.
    """
    if not np.isfinite(logits).all():
        return float("nan")
    return float(np.average(logits.argmax(axis=1) == labels, weights=weights))


def balanced_accuracy_score(logits: Float32Array, labels: IntArray, weights: FloatArray | None = None) -> float:
    """Mean over the classes that have rows of the share of their rows that is recognised; 0..1, more is better.

    Args:
        logits: `[N, C]`.
        labels: class numbers `[N]`.
        weights: what each row counts `[N]`; None for all alike.
    """
    if not np.isfinite(logits).all():
        return float("nan")
    table = _confusion(logits, labels, weights)
    rows = table.sum(axis=1)
    return float(np.mean(table.diagonal()[rows > 0] / rows[rows > 0]))


def f1_score(logits: Float32Array, labels: IntArray, weights: FloatArray | None = None) -> float:
    """Macro F1: mean over all C classes of the harmonic mean of precision and recall; 0..1, more is better.

    A class that has no rows and is never predicted counts as 0.

    Args:
        logits: `[N, C]`.
        labels: class numbers `[N]`.
        weights: what each row counts `[N]`; None for all alike.
    """
    if not np.isfinite(logits).all():
        return float("nan")
    table = _confusion(logits, labels, weights)
    either = table.sum(axis=0) + table.sum(axis=1)
    return float(np.mean(2 * table.diagonal() / np.where(either > 0, either, 1)))


def _confusion(logits: Float32Array, labels: IntArray, weights: FloatArray | None) -> IntArray | FloatArray:
    """Number, or weight, of the rows of each class (row) and predicted class (column) `[C, C]`."""
    classes = logits.shape[1]
    pairs = labels * classes + logits.argmax(axis=1)
    table: IntArray | FloatArray = np.bincount(pairs, weights, minlength=classes * classes)
    return table.reshape(classes, classes)


def cross_entropy(logits: Float32Array | FloatArray, labels: IntArray, weights: FloatArray | None = None) -> float:
    """Mean negative log-likelihood of the labels under the softmax of logits `[N, C]`, natural log.

    Args:
        logits: `[N, C]`.
        labels: class numbers `[N]`.
        weights: what each row counts `[N]`; None for all alike.
    """
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    likelihood = shifted[np.arange(len(labels)), labels] - np.log(np.exp(shifted).sum(axis=1))
    return float(-np.average(likelihood, weights=weights))


def calibrated_cross_entropy(logits: Float32Array, labels: IntArray, weights: FloatArray | None = None) -> float:
    """Cross entropy at the temperature that is best for these very rows; 0..ln C, less is better.

    It says how well the logits order the classes and how sure they are *in relation to each other*: a head
    that is over-confident throughout does not lose by it (temperature scaling: Guo et al. 2017,
    arXiv 1706.04599, section 4.2). The temperature is sought between 1/20 and 20.

    Args:
        logits: `[N, C]`.
        labels: class numbers `[N]`.
        weights: what each row counts `[N]`; None for all alike.
    """
    if not np.isfinite(logits).all():
        return float("nan")
    # scipy.optimize is slow to import, and only searches with this objective need it.
    from scipy.optimize import minimize_scalar  # noqa: PLC0415

    exact = logits.astype(np.float64)
    ends = (-np.log(20), np.log(20))

    def scaled(log: float) -> float:
        return cross_entropy(exact * np.exp(log), labels, weights)

    # It is convex in the inverse temperature, and has one minimum over its logarithm, maybe at an end.
    found = minimize_scalar(scaled, bounds=ends, method="bounded", options={"xatol": 1e-3})
    return min(float(found.fun), *map(scaled, ends), float(np.log(logits.shape[1])))


def calibration_error(logits: Float32Array, labels: IntArray, weights: FloatArray | None = None) -> float:
    """Expected calibration error: how far confidence and accuracy lie apart; 0..1, less is better.

    Rows are sorted into 15 bins of equal width by their confidence, the largest softmax
    probability. In each bin the mean confidence is held against the accuracy; the
    differences are averaged with the bins' shares of rows (Guo et al. 2017, arXiv
    1706.04599, section 2, equation 3). A bin contains its upper edge.

    Args:
        logits: `[N, C]`.
        labels: class numbers `[N]`.
        weights: what each row counts `[N]`; None for all alike.
    """
    if not np.isfinite(logits).all():
        return float("nan")
    confidence = _confidence(logits)
    edges = np.linspace(0, 1, CALIBRATION_BINS + 1)
    gap = (logits.argmax(axis=1) == labels) - confidence
    total = float(len(labels))
    if weights is not None:
        gap, total = gap * weights, float(weights.sum())
    by_bin = np.bincount(np.searchsorted(edges[1:-1], confidence), gap, minlength=CALIBRATION_BINS)
    return float(np.abs(by_bin).sum() / total)


def _confidence(logits: Float32Array) -> FloatArray:
    """Largest softmax probability of each row `[N]`."""
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    confidence: FloatArray = 1 / np.exp(shifted).sum(axis=1)
    return confidence
