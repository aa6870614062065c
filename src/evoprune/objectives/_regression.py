"""Scores of predicted values `[N, C]` against what they should be; NaN where a prediction is not finite."""

from __future__ import annotations

import numpy as np

from evoprune._types import Float32Array, FloatArray


def mean_squared_error(
    outputs: Float32Array, values: Float32Array | FloatArray, weights: FloatArray | None = None
) -> float:
    """Mean over rows and values of squared differences, in the square of the values' units; less is better.

    Args:
        outputs: predicted values `[N, C]`.
        values: what they should be `[N, C]`.
        weights: what each row counts `[N]`; None for all alike.
    """
    if not np.isfinite(outputs).all():
        return float("nan")
    return float(np.average((outputs.astype(np.float64) - values) ** 2, axis=0, weights=weights).mean())


def r2_score(outputs: Float32Array, values: Float32Array | FloatArray, weights: FloatArray | None = None) -> float:
    """Coefficient of determination, mean over the C values; up to 1, more is better, 0 for a constant guess.

    One minus the squared error over the squared deviation from the mean of these rows. A value that is the same
    in all rows has no deviation: it counts as 1 where it is predicted exactly, and as 0 elsewhere.

    Args:
        outputs: predicted values `[N, C]`.
        values: what they should be `[N, C]`.
        weights: what each row counts `[N]`; None for all alike.
    """
    if not np.isfinite(outputs).all():
        return float("nan")
    exact = values.astype(np.float64)
    error = np.average((outputs - exact) ** 2, axis=0, weights=weights)
    spread = np.average((exact - np.average(exact, axis=0, weights=weights)) ** 2, axis=0, weights=weights)
    share = np.where(spread > 0, error / np.where(spread > 0, spread, 1), error > 0)
    return float(np.mean(1 - share))
