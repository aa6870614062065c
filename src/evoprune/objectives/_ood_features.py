"""How outlying an image is, from its place among the training images in a head's last hidden layer.

Higher scores mean more outlying. Fitted scores are plain arrays, so that they can be kept in a file.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from evoprune import _large
from evoprune._types import FloatArray, IntArray

NEIGHBOURS = 50
"""k of the k-th nearest neighbour (Sun et al. 2022, section 4: chosen for data sets of the size of CIFAR-10)."""

_ROWS = 4096
"""Rows that are centred at a time."""


class FeatureScore(Protocol):
    """A score fitted to training features."""

    def __call__(self, features: FloatArray) -> FloatArray:
        """Scores `[N]` of features `[N, h]`."""


@dataclass(frozen=True, eq=False)
class Mahalanobis:
    """Squared Mahalanobis distance to the nearest class mean (Lee et al. 2018, arXiv 1807.03888, section 2.1).

    Attributes:
        means: of the K classes, whitened `[K, h]`.
        whitening: `[h, h]`; its product with its transpose is the inverse of the covariance
            that all classes share.
    """

    means: FloatArray
    whitening: FloatArray

    def __call__(self, features: FloatArray) -> FloatArray:
        """Scores `[N]` of features `[N, h]`."""
        from scipy.spatial.distance import cdist  # noqa: PLC0415

        distances: FloatArray = cdist(features @ self.whitening, self.means, "sqeuclidean")
        nearest: FloatArray = distances.min(axis=1)
        return nearest


def fit_mahalanobis(features: FloatArray, labels: IntArray) -> Mahalanobis:
    """Fit class means and one covariance to training features `[n, h]` with class numbers `[n]`.

    The covariance is shrunk towards a multiple of the identity by the share that Ledoit and
    Wolf (2004) estimate from the data, which makes it invertible even where there are units
    that are never active, or more units than images.
    """
    from sklearn.covariance import ledoit_wolf  # noqa: PLC0415

    classes, numbers = np.unique(labels, return_inverse=True)
    means = np.stack([features[numbers == number].mean(axis=0) for number in range(len(classes))])
    centred = _large.empty(features.shape, features.dtype)
    for start in range(0, len(features), _ROWS):
        rows = slice(start, start + _ROWS)
        np.subtract(features[rows], means[numbers[rows]], out=centred[rows])
    covariance, _ = ledoit_wolf(centred, assume_centered=True)
    variances, directions = np.linalg.eigh(covariance)
    # Directions without variation have no scale; they count for nothing, as in a pseudo-inverse.
    known = variances > variances[-1] * len(variances) * np.finfo(np.float64).eps
    whitening = directions / np.sqrt(np.where(known, variances, np.inf))
    return Mahalanobis(means @ whitening, whitening)


@dataclass(frozen=True, eq=False)
class NearestNeighbour:
    """Distance to the k-th nearest training image, all features scaled to unit length.

    Sun et al. 2022 (arXiv 2204.06507), section 3.

    Attributes:
        features: of the training images, of unit length `[n, h]`.
        k: which neighbour counts, 1 for the nearest.
    """

    features: FloatArray
    k: int

    def __call__(self, features: FloatArray) -> FloatArray:
        """Scores `[N]` of features `[N, h]`, 0..2."""
        from sklearn.neighbors import NearestNeighbors  # noqa: PLC0415

        index = NearestNeighbors(n_neighbors=self.k, algorithm="brute").fit(self.features)
        distances, _ = index.kneighbors(_unit(features))
        farthest: FloatArray = distances[:, -1]
        return farthest


def fit_nearest_neighbour(features: FloatArray, labels: IntArray) -> NearestNeighbour:
    """Keep the training features `[n, h]`, with class numbers `[n]`.

    k is 50, or the mean number of images of a class where that is smaller: the k-th
    neighbour of an image of the data set should still be of its own class.
    """
    return NearestNeighbour(_unit(features), min(NEIGHBOURS, len(features) // len(np.unique(labels))))


def _unit(features: FloatArray) -> FloatArray:
    """Features `[N, h]` scaled to length 1; those of length 0 stay."""
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    scaled: FloatArray = features / np.where(lengths > 0, lengths, 1)
    return scaled
