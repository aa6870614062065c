"""Scores that need no network: chance, statistical filters and a forest, all but chance from scikit-learn."""

from __future__ import annotations

import numpy as np

from evoprune._types import FloatArray
from evoprune.baselines._data import SelectionData
from evoprune.heads import Encoding

TREES = 200
"""Of the forest; more change its ranking little."""


def random_scores(data: SelectionData, encoding: Encoding, seed: int) -> FloatArray:
    """Chance: the control that every other method must beat."""
    return np.random.default_rng(seed).random(encoding.length)


def anova_scores(data: SelectionData, encoding: Encoding, seed: int) -> FloatArray:
    """F of a one-way analysis of variance of each feature over the classes `[D]`; NaN for constant features."""
    from sklearn.feature_selection import f_classif  # noqa: PLC0415

    # In float32 the sums of squares of features far from 0 lose their digits.
    X = data.X.astype(np.float64)
    varying = X.min(axis=0) != X.max(axis=0)
    scores = np.full(data.width, np.nan)
    if varying.any():
        # A feature that is constant within every class has F = infinity.
        with np.errstate(divide="ignore"):
            scores[varying] = f_classif(X[:, varying], data.y)[0]
    return scores


def mutual_info_scores(data: SelectionData, encoding: Encoding, seed: int) -> FloatArray:
    """Mutual information of each feature and the class `[D]`, estimated from nearest neighbours."""
    from sklearn.feature_selection import mutual_info_classif  # noqa: PLC0415

    scores: FloatArray = mutual_info_classif(data.X, data.y, random_state=sklearn_seed(seed))
    return scores


def forest_scores(data: SelectionData, encoding: Encoding, seed: int) -> FloatArray:
    """Mean decrease of impurity over the trees of a random forest, for each feature `[D]`."""
    from sklearn.ensemble import RandomForestClassifier  # noqa: PLC0415

    forest = RandomForestClassifier(TREES, random_state=sklearn_seed(seed)).fit(data.X, data.y)
    scores: FloatArray = forest.feature_importances_
    return scores


def sklearn_seed(seed: int) -> int:
    """A seed that scikit-learn takes (less than 2**31), from any that is not negative."""
    return int(np.random.default_rng(seed).integers(2**31))
