"""`EvoPruneRegressor`: a regression head whose features or hidden units are chosen by evolution."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import MultiOutputMixin, RegressorMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from evoprune._types import FloatArray, IntArray
from evoprune.heads import forward
from evoprune.sklearn._estimator import EvoPruneEstimator
from evoprune.sklearn._plan import VALUED
from evoprune.sklearn._weights import counted_rows
from evoprune.training import Recipe, TrainingSet


class EvoPruneRegressor(MultiOutputMixin, RegressorMixin, EvoPruneEstimator):  # type: ignore[misc]
    """A regression head whose features or hidden units are chosen by evolution.

    It is trained by the mean squared error on standardised values, one or several a row. Fitness is measured on
    rows that a candidate was not trained on: inner folds, or a quarter of the rows. The chosen head is then
    trained on all of them. Parameters and attributes are those of `EvoPruneClassifier`, save for these.

    Args:
        hidden: units of the one or two hidden layers.
        encoding: what is pruned.
        objectives: one name or several, the first being what the choice goes by: `mse`, `r2`, `active`,
            `parameters`, `flops`. By default `guided` and those that take several minimise the mean squared
            error and the active share, `genetic` and `random` the mean squared error.
        algorithm: of the search.
        recipe: `fast` (at least 150 steps, and no dropout of the inputs, which blurs values), `paper` or a `Recipe`.
        evaluations: number of evaluations of the search.
        folds: inner folds.
        max_share: largest share of all features (or of what else is pruned) that may be active.
        random_state: of everything.
        warm_start: continue the last fit's search.
        n_jobs: threads.
        verbose: above 0 to print progress.

    Attributes:
        head_: the trained head; `head_.logits(X)` are its values `[N, C]`.
        n_outputs_: C, values of a row.
    """

    _default_objectives = VALUED

    def __init__(
        self,
        *,
        hidden: int | Sequence[int] = (512,),
        encoding: str = "features",
        objectives: str | Sequence[str] | None = None,
        algorithm: str = "guided",
        recipe: str | Recipe = "fast",
        evaluations: int = 200,
        folds: int | None = None,
        max_share: float | None = None,
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
        self.encoding = encoding

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> EvoPruneRegressor:
        """Search, then train the chosen head on all rows.

        Args:
            X: features `[N, D]`, finite; an array, or a table of pandas or polars.
            y: values `[N]` or `[N, C]`, finite.
            sample_weight: what each row counts `[N]`, 0 or more, in training and where fitness is measured.
                Rows of weight 0 are left out altogether. What ranks features for `guided` counts all alike.

        Returns:
            The estimator itself.

        Raises:
            ConfigError: a parameter is unknown or does not fit the others.
            DataError: there are too few rows.
            ValueError: X, y or sample_weight cannot be used (as scikit-learn says it).
        """
        rows, values = validate_data(
            self, X, y, dtype=np.float32, multi_output=True, y_numeric=True, ensure_min_samples=2
        )
        rows, values, weights = counted_rows(sample_weight, rows, values)
        self._flat = values.ndim == 1
        exact = values.reshape(len(values), -1).astype(np.float64)
        self.n_outputs_ = exact.shape[1]
        self.head_ = self._fit(
            TrainingSet.regression(np.ascontiguousarray(rows), exact, (), weights, evaluation_weights=weights)
        )
        return self

    def predict(self, X: ArrayLike) -> FloatArray:
        """Values `[N]`, or `[N, C]` where the fit was given a table of them, of features `[N, D]`."""
        check_is_fitted(self)
        rows = validate_data(self, X, dtype=np.float32, reset=False)
        # In double precision a row's values do not depend on the rows that it is predicted with.
        read: Any = rows[:, self.head_.inputs].astype(np.float64)
        values = np.asarray(forward(read, self.head_.matrices, self.head_.biases), dtype=np.float64)
        return values[:, 0] if self._flat else values

    def _recipe(self, rows: int) -> Recipe:
        recipe = super()._recipe(rows)
        return recipe.model_copy(update={"input_dropout": 0.0}) if self.recipe == "fast" else recipe

    def _rarest(self, strata: IntArray) -> tuple[int, str]:
        return len(strata), f"there are {len(strata)} row(s)"
