"""Centred kernel alignment: how alike two representations of the same samples are."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evoprune._types import FloatArray
from evoprune.errors import ConfigError

_ROUNDING = 1e-10
"""A kernel that centring leaves less than this share of has nothing but rounding left."""


def linear_cka(X: NDArray[np.floating[Any]], Y: NDArray[np.floating[Any]], *, unbiased: bool = False) -> float:
    """Alignment of the linear kernels of two representations of n samples (Kornblith et al., 2019, section 3).

    It is 1 for equal ones, and does not change when either is rotated, mirrored or scaled as a whole. The plain form
    is at least 0 and, with few samples and many columns, far above it even for representations that have nothing in
    common; the unbiased one is 0 there on average, and may be below.

    Args:
        X: `[n, p]`, such as activations of n images, or weights of n inputs.
        Y: `[n, q]` of the same n.
        unbiased: use the unbiased estimator of HSIC (Song et al., 2012), as Nguyen et al. (2021) do.

    Returns:
        The alignment, at most 1; NaN where one of the two is constant over the samples, or holds a value that is not
        finite.

    Raises:
        ConfigError: not two matrices of the same number of rows, or of too few: 2, or 4 for the unbiased form.
    """
    first, second = _checked(X, Y, unbiased=unbiased)
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        return np.nan
    first, second = _centred(first), _centred(second)
    return _alignment(first @ first.T, second @ second.T, unbiased=unbiased)


def rbf_cka(
    X: NDArray[np.floating[Any]], Y: NDArray[np.floating[Any]], sigma: float = 1.0, *, unbiased: bool = False
) -> float:
    """Alignment of the RBF kernels exp(-d^2 / 2 s^2) of two representations of n samples (Kornblith et al., 2019).

    The width s of each kernel is `sigma` times the square root of the median squared distance between two different
    rows; rows that are equal, as those of inputs that are off, are left out of the median. The figures published for
    this method have the width 1 (PROTOCOL section 8).

    Args:
        X: `[n, p]`.
        Y: `[n, q]` of the same n.
        sigma: width of the kernel as a share of that distance, above 0. Kornblith et al. show 0.2, 0.4 and 0.8.
        unbiased: as in `linear_cka`.

    Returns:
        As `linear_cka`.

    Raises:
        ConfigError: as in `linear_cka`, or `sigma` is not above 0.
    """
    if not 0 < sigma < math.inf:
        raise ConfigError(f"sigma={sigma} is no width of a kernel; give a number above 0, such as 1.0")
    first, second = _checked(X, Y, unbiased=unbiased)
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        return np.nan
    return _alignment(_rbf(first, sigma), _rbf(second, sigma), unbiased=unbiased)


def _checked(
    X: NDArray[np.floating[Any]], Y: NDArray[np.floating[Any]], *, unbiased: bool
) -> tuple[FloatArray, FloatArray]:
    if X.ndim != 2 or Y.ndim != 2 or len(X) != len(Y):
        raise ConfigError(
            f"representations of shapes {X.shape} and {Y.shape} are not of the same samples; give [n, p] and [n, q]"
        )
    fewest = 4 if unbiased else 2
    if len(X) < fewest:
        form = "the unbiased alignment" if unbiased else "an alignment"
        raise ConfigError(f"{len(X)} sample(s) are too few for {form}; give {fewest} or more")
    return X.astype(np.float64), Y.astype(np.float64)


def _centred(X: FloatArray) -> FloatArray:
    """Columns less their means; exactly 0 where constant."""
    X = X - X[0]
    centred: FloatArray = X - X.mean(axis=0)
    return centred


def _rbf(X: FloatArray, sigma: float) -> FloatArray:
    """The kernel `[n, n]`; that of equal rows is constant."""
    from scipy.spatial.distance import pdist, squareform  # noqa: PLC0415

    squared = pdist(X, "sqeuclidean")
    apart = squared[squared > 0]
    if not len(apart):
        return np.ones((len(X), len(X)))
    kernel: FloatArray = np.exp(squareform(squared) / (-2 * sigma**2 * np.median(apart)))
    return kernel


def _alignment(K: FloatArray, L: FloatArray, *, unbiased: bool) -> float:
    """Alignment of two kernels `[n, n]`: the cosine between them, after centring."""
    centre = _u_centred if unbiased else _double_centred
    first, second = centre(K), centre(L)
    sizes = np.linalg.norm(first), np.linalg.norm(second)
    if sizes[0] <= _ROUNDING * np.linalg.norm(K) or sizes[1] <= _ROUNDING * np.linalg.norm(L):
        return np.nan
    return float(np.vdot(first / sizes[0], second / sizes[1]))


def _double_centred(K: FloatArray) -> FloatArray:
    """H K H with H = I - 1/n."""
    means = K.mean(axis=0)
    centred: FloatArray = K - means - means[:, None] + means.mean()
    return centred


def _u_centred(K: FloatArray) -> FloatArray:
    """The centring whose inner product over n (n - 3) is the unbiased HSIC (Szekely and Rizzo, 2014)."""
    n = len(K)
    off = K.copy()
    np.fill_diagonal(off, 0.0)
    sums = off.sum(axis=0)
    centred: FloatArray = off - (sums + sums[:, None]) / (n - 2) + sums.sum() / ((n - 1) * (n - 2))
    np.fill_diagonal(centred, 0.0)
    return centred
