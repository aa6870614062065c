"""Equal to the last bit: what rounding has made unequal would otherwise be ranked."""

from __future__ import annotations

import numpy as np

from evoprune._types import BoolArray, FloatArray
from evoprune.errors import ConfigError

_DIGITS = 12
"""What differs only beyond so many digits was made unequal by rounding."""


def rounded(values: FloatArray) -> FloatArray:
    """Values of any shape, each to 12 digits; not finite ones as they are."""
    mantissa, exponent = np.frexp(values)
    return np.ldexp(np.round(mantissa, _DIGITS), exponent)


def differences(first: FloatArray, second: FloatArray) -> FloatArray:
    """First less second `[n]`, finite, such that 0.9 - 0.8 equals 0.8 - 0.7: to 12 digits of the pairs' usual size."""
    exact: FloatArray = first - second
    sizes = np.maximum(np.abs(first), np.abs(second))
    if not sizes.any():
        return exact
    # Not the largest: one value that is far out would make all others equal.
    size = float(np.median(sizes[sizes > 0]))
    return np.round(exact / size, _DIGITS) * size


def finite_pairs(a: FloatArray, b: FloatArray) -> tuple[FloatArray, FloatArray, int]:
    """The pairs `[k]` of two columns `[n]` in which both are finite, and how many others there are.

    Raises:
        ConfigError: the two are no columns of one length.
    """
    first, second = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if first.ndim != 1 or first.shape != second.shape:
        raise ConfigError(f"values of shapes {first.shape} and {second.shape} are no pairs; give two columns [n]")
    there: BoolArray = np.isfinite(first) & np.isfinite(second)
    return first[there], second[there], int((~there).sum())
