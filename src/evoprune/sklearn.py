"""scikit-learn estimators: `EvoPruneClassifier` and `EvoPruneSelector`, for any feature matrix."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.feature_selection import SelectorMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from evoprune._types import BoolArray, Float32Array, FloatArray
from evoprune.data import Division, partition
from evoprune.heads import Head, parse_encoding
from evoprune.model import Model
from evoprune.objectives import get_objectives
from evoprune.problem import Problem
from evoprune.search import create, ranking
from evoprune.study import Store, StudyKey, search
from evoprune.training import Recipe, TrainingSet, get_recipe, train_population

_BATCH = 10
"""Candidates trained at a time; it changes no result."""


class _EvoPruneEstimator(BaseEstimator):  # type: ignore[misc]
    """What classifier and selector share: a search on a validation part of the training rows."""

    encoding = "features"

    def __init__(
        self,
        *,
        hidden: int | Sequence[int] = (512,),
        objective: str = "accuracy",
        recipe: str | Recipe = "fast",
        evaluations: int = 200,
        folds: int = 1,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.hidden = hidden
        self.objective = objective
        self.recipe = recipe
        self.evaluations = evaluations
        self.folds = folds
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: ArrayLike) -> _EvoPruneEstimator:
        """Search, then train the best head on all rows.

        Args:
            X: features `[N, D]`, finite.
            y: class labels `[N]`, at least two rows of each of at least two classes.

        Returns:
            The estimator itself.

        Raises:
            ConfigError: a parameter is unknown or does not fit the others.
            DataError: a class has too few rows.
            ValueError: X or y cannot be used (as scikit-learn says it).
        """
        rows, targets = validate_data(self, X, y, dtype=np.float32, ensure_min_samples=2)
        return self._fit(rows, targets)

    def _fit(self, X: Float32Array, targets: NDArray[Any]) -> _EvoPruneEstimator:
        check_classification_targets(targets)
        self.classes_, labels = np.unique(targets, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"y holds one class ({self.classes_[0]!r}) only; a classifier needs at least two classes")
        seed = self._seed()
        rows = np.arange(len(X))
        labels = labels.astype(np.int64)
        parts = partition([Division(rows, rows[:0])], labels, folds=self.folds, seed=seed)
        recipe = get_recipe(self.recipe)
        encoding = parse_encoding(
            self.encoding, Head(*np.atleast_1d(self.hidden)), width=X.shape[1], classes=len(self.classes_)
        )
        data = TrainingSet(X, labels, len(self.classes_), parts.search)
        problem = Problem(data, encoding, recipe, get_objectives([self.objective]), seed=seed)
        algorithm = create("genetic", length=encoding.length, maximize=problem.maximize, seed=seed)
        with closing(Store(None, StudyKey(encoding.length, (self.objective,), ""), recipe=recipe.name)) as store:
            search(algorithm, problem.evaluate, store, budget=self.evaluations, batch=_BATCH)
            evaluations = store.evaluations()
        genomes = np.stack([e.genome for e in evaluations])
        values = np.stack([e.values for e in evaluations])
        best = ranking(genomes, values, problem.maximize)[0]
        self.genome_: BoolArray = genomes[best]
        self.history_: FloatArray = values[:, 0]
        structure = encoding.decode(self.genome_)
        self.support_: BoolArray = structure.inputs
        (trained,) = train_population(
            TrainingSet(X, labels, len(self.classes_), parts.report),
            [structure],
            head=encoding.head,
            recipe=recipe,
            seeds=[seed],
        )
        self.model_ = Model(trained.heads[0][0], tuple(map(str, self.classes_)))
        return self

    def _seed(self) -> int:
        if isinstance(self.random_state, (int, np.integer)):
            return int(self.random_state)
        source = self.random_state or np.random.default_rng()
        draw = source.randint if isinstance(source, np.random.RandomState) else source.integers
        return int(draw(2**31 - 1))


class EvoPruneClassifier(ClassifierMixin, _EvoPruneEstimator):  # type: ignore[misc]
    """A classifier head whose features or hidden units are chosen by evolution.

    Fitness is measured on a stratified quarter of the training rows (or on inner folds);
    the best head is then trained on all of them.

    Args:
        hidden: units of the one or two hidden layers.
        encoding: what is pruned: `features`, `first`, `second`, `both` or `connections`.
        objective: `accuracy` (maximised) or `loss` (minimised).
        recipe: `fast`, `paper` or a `Recipe`.
        evaluations: number of evaluations of the search.
        folds: inner folds that fitness is averaged over; 1 for one validation part.
        random_state: of splits, search and training.

    Attributes:
        classes_: labels `[C]`.
        support_: features that are read `[D]`.
        genome_: best genome `[L]`.
        history_: fitness of every evaluation, in order.
        model_: the trained model.
    """

    def __init__(
        self,
        *,
        hidden: int | Sequence[int] = (512,),
        encoding: str = "features",
        objective: str = "accuracy",
        recipe: str | Recipe = "fast",
        evaluations: int = 200,
        folds: int = 1,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        super().__init__(
            hidden=hidden,
            objective=objective,
            recipe=recipe,
            evaluations=evaluations,
            folds=folds,
            random_state=random_state,
        )
        self.encoding = encoding

    def predict(self, X: ArrayLike) -> Any:
        """Labels `[N]` of features `[N, D]`."""
        check_is_fitted(self)
        return self.classes_[self.predict_proba(X).argmax(axis=1)]

    def predict_proba(self, X: ArrayLike) -> FloatArray:
        """Class probabilities `[N, C]` of features `[N, D]`, columns as in `classes_`."""
        check_is_fitted(self)
        return self.model_.probabilities(validate_data(self, X, dtype=np.float32, reset=False))


class EvoPruneSelector(SelectorMixin, _EvoPruneEstimator):  # type: ignore[misc]
    """Feature selection by evolution: keeps the features that the best head reads.

    Parameters and attributes are those of `EvoPruneClassifier`, except that a selector always
    prunes features and so has no `encoding`.
    """

    def _get_support_mask(self) -> BoolArray:
        check_is_fitted(self)
        return self.support_

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        return tags
