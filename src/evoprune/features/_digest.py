"""The digest of features: equal where a study would see the same."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evoprune._types import Float32Array, IntArray
from evoprune.data import Division


def features_digest(X: Float32Array, y: IntArray, divisions: Sequence[Division]) -> str:
    """SHA-256 over features `[N, D]`, class numbers `[N]` and the divisions, hexadecimal."""
    digest = hashlib.sha256()
    for array in (X, y):
        _add(digest, array)
    for division in divisions:
        for rows in (division.train, division.validation, division.test):
            # No validation part is not the same as an empty one.
            digest.update(b"\0" if rows is None else b"\1")
            if rows is not None:
                _add(digest, rows)
    return digest.hexdigest()


def arrays_digest(*arrays: NDArray[Any], words: Sequence[str] = ()) -> str:
    """SHA-256 over arrays (type, shape and values) and words, in this order, hexadecimal."""
    digest = hashlib.sha256("\0".join(words).encode())
    for array in arrays:
        _add(digest, array)
    return digest.hexdigest()


def row_keys(X: Float32Array) -> list[str]:
    """A key for each row of features `[N, D]`; keys are equal where all bytes of two rows are."""
    return [hashlib.sha256(row.tobytes()).hexdigest() for row in X]


def _add(digest: Any, array: NDArray[Any]) -> None:
    digest.update(f"{array.dtype.str}{list(array.shape)}".encode())
    digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
