"""What rows and classes count."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.validation import _check_sample_weight

from evoprune._types import Float32Array, FloatArray, IntArray

ClassWeight: TypeAlias = Mapping[Any, float] | str | None
"""Weights by label, `balanced`, or None for all alike."""


def row_weights(sample_weight: ArrayLike | None, X: Float32Array) -> FloatArray | None:
    """What each row of X `[N, D]` counts `[N]`; None where all count alike.

    Raises:
        ValueError: they do not fit the rows, one is not finite or negative, or all are 0.
    """
    if sample_weight is None:
        return None
    weights: FloatArray = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
    if not weights.any():
        raise ValueError("sample_weight is 0 for all rows; give some of them more, or leave it out")
    return None if (weights == weights[0]).all() else weights


def counted_rows(
    sample_weight: ArrayLike | None, X: Float32Array, y: NDArray[Any]
) -> tuple[Float32Array, NDArray[Any], FloatArray | None]:
    """The rows of X `[N, D]` and y `[N, ..]` that count at all, and what they count; see `row_weights`."""
    weights = row_weights(sample_weight, X)
    if weights is None:
        return X, y, None
    counted = weights > 0
    return X[counted], y[counted], weights[counted]


def class_weights(
    class_weight: ClassWeight, classes: NDArray[Any], labels: IntArray, weights: FloatArray | None
) -> FloatArray | None:
    """What each class counts `[C]`; None where all count alike.

    Args:
        class_weight: by label (1 where a label is missing), `balanced` for equal shares of all classes, or None.
        classes: labels `[C]`.
        labels: class numbers of the rows `[N]`.
        weights: of the rows `[N]`, which `balanced` counts by; None for all alike.

    Raises:
        ValueError: it is none of these, or names a label that there is not.
    """
    if class_weight is None:
        return None
    if isinstance(class_weight, str) and class_weight == "balanced":
        shares = np.bincount(labels, weights, minlength=len(classes))
        return np.asarray(shares.sum() / (len(classes) * shares), dtype=np.float64)
    found: FloatArray = compute_class_weight(class_weight, classes=classes, y=classes[labels])
    return found
