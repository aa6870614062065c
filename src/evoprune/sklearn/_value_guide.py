"""A guide to searches whose rows have values to predict: what scikit-learn's models make of each feature."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.feature_selection import f_regression
from sklearn.linear_model import Ridge

from evoprune._types import BoolArray, Float32Array, FloatArray
from evoprune.problem import Problem

TREES = 100
"""Randomised trees whose splits are counted."""


def guide_to_values(problem: Problem, seed: int) -> ValueGuide | None:
    """The guide of a search on rows with values, or None where bits are no features.

    It sees the rows that candidates are trained on in any fold.

    Args:
        problem: of the search.
        seed: of the trees.
    """
    data = problem.data
    if problem.encoding.name != "features" or data.targets is None:
        return None
    rows = np.unique(np.concatenate([fold.train for fold in data.folds]))
    return ValueGuide(data.X[rows], np.asarray(data.targets[rows], dtype=np.float64), seed)


class ValueGuide:
    """Ranks of features by three models: alone and linear, together and linear, together and by splits of trees.

    Args:
        X: features of the rows it may see `[n, D]`.
        values: what they are to be predicted as `[n, C]`.
        seed: of the trees.
    """

    def __init__(self, X: Float32Array, values: FloatArray, seed: int) -> None:
        self._X, self._values, self._seed = X, values, seed

    @cached_property
    def _scores(self) -> FloatArray:
        def standardized(columns: Float32Array | FloatArray) -> FloatArray:
            spread = columns.std(axis=0)
            return np.asarray((columns - columns.mean(axis=0)) / np.where(spread > 0, spread, 1), dtype=np.float64)

        X, values = standardized(self._X), standardized(self._values)
        varied = X.any(axis=0)
        alone = np.zeros(X.shape[1])
        for column in values.T:
            # Without deviation there is no correlation to be had.
            alone[varied] += f_regression(X[:, varied], column)[0]
        together = np.abs(np.atleast_2d(Ridge().fit(X, values).coef_)).sum(axis=0)
        trees = ExtraTreesRegressor(TREES, random_state=self._seed).fit(X, values.squeeze()).feature_importances_
        worth = np.stack([np.nan_to_num(alone), together, trees])
        return np.asarray(worth.argsort(axis=1, kind="stable").argsort(axis=1, kind="stable"), dtype=np.float64)

    def scores(self) -> FloatArray:
        """Rank of each feature by each model `[3, D]`, higher is more important."""
        return self._scores.copy()

    def recombine(self, pools: BoolArray, count: int, seed: int) -> BoolArray:
        """The `count` features of each pool that rank highest in all, some ranks changed by chance.

        Args:
            pools: K pools `[K, D]`, of at least `count` features each.
            count: size of the children.
            seed: of what is changed.

        Returns:
            Children `[K, D]` with `count` features each, all of their pool.
        """
        rng = np.random.default_rng([self._seed, seed])
        chosen = rng.integers(len(self._scores), size=(len(pools), 2))
        worth = self._scores[chosen].mean(axis=1) + rng.random(pools.shape)
        kept = np.argsort(-np.where(pools, worth, -1.0), axis=1, kind="stable")[:, :count]
        children = np.zeros_like(pools)
        np.put_along_axis(children, kept, True, axis=1)
        return children
