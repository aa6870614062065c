"""From raw maps to heatmaps in 0..1."""

from __future__ import annotations

import numpy as np

from evoprune._types import Float32Array, FloatArray

_FLAT = 1e-6
"""Differences within a map that are smaller than this share of its largest value are rounding."""


def scaled(maps: FloatArray) -> Float32Array:
    """Maps `[N, h, w]`, each from 0 where it is lowest to 1 where it is highest.

    A map that is the same everywhere says nothing about where, and becomes zero; so does one of zeros.
    """
    low = maps.min(axis=(1, 2), keepdims=True)
    span = maps.max(axis=(1, 2), keepdims=True) - low
    flat = span <= _FLAT * np.abs(maps).max(axis=(1, 2), keepdims=True)
    return np.where(flat, 0.0, (maps - low) / np.where(flat, 1.0, span)).astype(np.float32)
