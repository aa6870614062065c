"""`EvoPruneSelector`: feature selection by evolution."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.feature_selection import SelectorMixin
from sklearn.utils.validation import check_is_fitted

from evoprune._types import BoolArray
from evoprune.sklearn._labelled import LabelledEstimator
from evoprune.sklearn._weights import ClassWeight
from evoprune.training import Recipe


class EvoPruneSelector(SelectorMixin, LabelledEstimator):  # type: ignore[misc]
    """Feature selection by evolution: keeps the features that the chosen head reads.

    Parameters and attributes are those of `EvoPruneClassifier`, except that a selector always
    prunes features and so has no `encoding`, and that by default it keeps at most half of them.

    Args:
        n_features_to_select: keep exactly so many features (a whole number), or this share of them (a float
            above 0 and up to 1); `max_share` has then no effect. The search's best genomes of about that size
            are brought to it and evaluated as well, up to 9 in addition to `evaluations`.
        max_share: largest share of the features that may be kept; None for no limit.
        hidden: see `EvoPruneClassifier`, here and below.
        objectives: what is searched for.
        algorithm: of the search.
        recipe: of the training.
        evaluations: number of evaluations of the search.
        folds: inner folds.
        class_weight: what each class counts in training.
        random_state: of everything.
        warm_start: continue the last fit's search.
        n_jobs: threads.
        verbose: above 0 to print progress.

    Attributes:
        support_: features that are kept `[D]`; see `EvoPruneClassifier` for the others.
    """

    def __init__(
        self,
        *,
        n_features_to_select: float | None = None,
        max_share: float | None = 0.5,
        hidden: int | Sequence[int] = (512,),
        objectives: str | Sequence[str] | None = None,
        algorithm: str = "guided",
        recipe: str | Recipe = "fast",
        evaluations: int = 200,
        folds: int | None = None,
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
            class_weight=class_weight,
            random_state=random_state,
            warm_start=warm_start,
            n_jobs=n_jobs,
            verbose=verbose,
        )
        self.n_features_to_select = n_features_to_select

    def _get_support_mask(self) -> BoolArray:
        check_is_fitted(self)
        return self.support_

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        return tags
