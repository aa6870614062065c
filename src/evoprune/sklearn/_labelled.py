"""What classifier and selector share: labels, weights, and a head with class names."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import validate_data

from evoprune._types import IntArray
from evoprune.model import Model
from evoprune.sklearn._estimator import EvoPruneEstimator
from evoprune.sklearn._weights import ClassWeight, class_weights, counted_rows
from evoprune.training import Recipe, TrainingSet


class LabelledEstimator(EvoPruneEstimator):
    """Base of classifier and selector; see `EvoPruneClassifier` for parameters and attributes."""

    def __init__(
        self,
        *,
        hidden: int | Sequence[int] = (512,),
        objectives: str | Sequence[str] | None = None,
        algorithm: str = "guided",
        recipe: str | Recipe = "fast",
        evaluations: int = 200,
        folds: int | None = None,
        max_share: float | None = None,
        class_weight: ClassWeight = None,
        random_state: int | np.random.RandomState | np.random.Generator | None = None,
        warm_start: bool = False,
        n_jobs: int | None = None,
        verbose: int = 0,
    ) -> None:
        super().__init__(
            hidden=hidden,
            objectives=objectives,
            algorithm=algorithm,
            recipe=recipe,
            evaluations=evaluations,
            folds=folds,
            max_share=max_share,
            random_state=random_state,
            warm_start=warm_start,
            n_jobs=n_jobs,
            verbose=verbose,
        )
        self.class_weight = class_weight

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> LabelledEstimator:
        """Search, then train the chosen head on all rows.

        Args:
            X: features `[N, D]`, finite; an array, or a table of pandas or polars.
            y: class labels `[N]`, of at least two classes, with as many rows of each as there are inner
                folds (two for `folds=1`).
            sample_weight: what each row counts `[N]`, 0 or more, in training and where fitness is measured.
                Rows of weight 0 are left out altogether. A row of weight 2 pulls as strongly as two equal
                rows; the batches that rows come in, and with them the exact result, are others. What ranks
                features for `guided` counts all alike.

        Returns:
            The estimator itself.

        Raises:
            ConfigError: a parameter is unknown or does not fit the others.
            DataError: a class has too few rows.
            ValueError: X, y, sample_weight or class_weight cannot be used (as scikit-learn says it).
        """
        rows, targets = validate_data(self, X, y, dtype=np.float32, ensure_min_samples=2)
        check_classification_targets(targets)
        rows, targets, weights = counted_rows(sample_weight, rows, targets)
        self.classes_, labels = np.unique(targets, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"y holds one class ({targets.tolist()[0]!r}) only; give rows of at least two classes")
        labels = labels.astype(np.int64)
        trained, by_class = weights, class_weights(self.class_weight, self.classes_, labels, weights)
        if by_class is not None:
            trained = by_class[labels] if weights is None else by_class[labels] * weights
        data = TrainingSet(
            np.ascontiguousarray(rows),
            labels,
            len(self.classes_),
            (),
            weights=trained,
            evaluation_weights=weights,
        )
        self.model_ = Model(self._fit(data), tuple(map(str, self.classes_)))
        return self

    def _rarest(self, strata: IntArray) -> tuple[int, str]:
        counts = np.bincount(strata)
        return int(counts.min()), f"class {self.classes_.tolist()[counts.argmin()]!r} has {counts.min()} row(s)"
