"""Dividing rows into parts: stratified, seeded, every class in every part."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

from evoprune._types import FloatArray, IntArray
from evoprune.data._dataset import Division
from evoprune.errors import ConfigError, DataError

Split: TypeAlias = tuple[float, float, float]
"""Shares of the training, validation and test part; they sum to 1, validation may be 0."""

DEFAULT_SPLIT: Split = (0.6, 0.2, 0.2)


def split_rows(labels: IntArray, class_names: Sequence[str], *, split: Split, seed: int, where: str) -> Division:
    """Divide all rows into training, validation and test part, class by class at random.

    Args:
        labels: class numbers `[N]`, 0..C-1.
        class_names: C names, for errors.
        split: shares of training, validation and test part.
        seed: of the random draw.
        where: what is divided (a path or a name), for errors.

    Raises:
        ConfigError: shares that do not sum to 1, or leave nothing to train on or to test on; a bad seed.
        DataError: a class has fewer rows than there are parts.
    """
    shares = _checked_shares(split)
    counts = np.bincount(labels, minlength=len(class_names))
    needed = int(np.count_nonzero(shares))
    if counts.min() < needed:
        scarce = int(counts.argmin())
        raise DataError(
            f"class {class_names[scarce]!r} of {where} has {counts[scarce]} image(s) or row(s), too few for "
            f"a split into {needed} parts; at least {needed} are needed"
        )
    train, validation, test = stratified_parts(labels, shares, seed)
    return Division(train, test, validation if shares[1] > 0 else None)


def stratified_parts(labels: IntArray, shares: FloatArray, seed: int) -> list[IntArray]:
    """Divide the rows 0..N-1 into parts that hold nearly the same share of each class.

    Within a class the sizes are the shares rounded by largest remainder, and a part whose share
    is not 0 gets at least one row as long as the class has that many.

    Args:
        labels: class numbers `[N]`.
        shares: share of each part `[K]`, summing to 1.
        seed: of the random draw.

    Returns:
        K sorted, disjoint arrays that together hold every row.

    Raises:
        ConfigError: a negative seed.
    """
    rng = np.random.default_rng(checked_seed(seed))
    parts: list[list[IntArray]] = [[] for _ in shares]
    for number in np.unique(labels):
        rows = rng.permutation(np.flatnonzero(labels == number))
        edges = np.cumsum(_sizes(len(rows), shares))[:-1]
        for part, chunk in zip(parts, np.split(rows, edges), strict=True):
            part.append(chunk.astype(np.int64))
    return [np.sort(np.concatenate(part)) for part in parts]


def checked_seed(seed: int) -> int:
    """The seed itself.

    Raises:
        ConfigError: it is negative.
    """
    if seed < 0:
        raise ConfigError(f"seed={seed} is negative; give 0 or more")
    return seed


def _checked_shares(split: Split) -> FloatArray:
    shares = np.asarray(split, dtype=np.float64)
    if (
        shares.shape != (3,)
        or not np.isfinite(shares).all()
        or shares.min() < 0
        or min(shares[0], shares[2]) <= 0
        or not math.isclose(shares.sum(), 1, abs_tol=1e-6)
    ):
        raise ConfigError(
            f"split={split} is not usable; give the shares of training, validation and test part, which sum "
            "to 1 (validation may be 0), for example (0.6, 0.2, 0.2)"
        )
    return shares


def _sizes(count: int, shares: FloatArray) -> IntArray:
    exact = count * shares
    # The small constant keeps 0.6 * 5 from being rounded down to 2.
    sizes = np.floor(exact + 1e-9).astype(np.int64)
    rest = count - int(sizes.sum())
    sizes[np.argsort(sizes - exact, kind="stable")[:rest]] += 1
    for empty in np.flatnonzero((sizes == 0) & (shares > 0)):
        largest = int(sizes.argmax())
        if sizes[largest] > 1:
            sizes[largest] -= 1
            sizes[empty] += 1
    return sizes
