"""`EvoPruneClassifier`: a classifier head whose features or hidden units are chosen by evolution."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import ClassifierMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from evoprune._types import FloatArray
from evoprune.sklearn._labelled import LabelledEstimator
from evoprune.sklearn._weights import ClassWeight
from evoprune.training import Recipe


class EvoPruneClassifier(ClassifierMixin, LabelledEstimator):  # type: ignore[misc]
    """A classifier head whose features or hidden units are chosen by evolution.

    Fitness is measured on rows that a candidate was not trained on: inner folds, or a stratified
    quarter of the rows. The chosen head is then trained on all of them.

    Args:
        hidden: units of the one or two hidden layers.
        encoding: what is pruned: `features`, `first`, `second`, `both` or `connections`.
        objectives: one name or several, the first being what the choice goes by, such as `accuracy`, `f1`,
            `balanced_accuracy`, `loss`, `calibrated_loss`, `active`, `parameters`. By default `guided` minimises
            the calibrated cross entropy and the active share, `genetic` and `random` maximise the
            accuracy, and the others do both with accuracy and active share.
        algorithm: `guided` (any number of objectives), `genetic` (one), `nsga2`, `nsga3` or `spea2`
            (several), or `random`.
        recipe: `fast` (with more epochs where rows are few: at least 150 steps), `paper` or a `Recipe`.
        evaluations: number of evaluations of the search.
        folds: inner folds that fitness is averaged over; 1 for one validation part. By default 3 (no more
            than the rarest class has rows) for `guided`, and 1 for the others.
        max_share: largest share of all features (or of what else is pruned) that may be active in the chosen
            head, above 0 and up to 1; None for no limit.
        class_weight: what each class counts in training: weights by label, `balanced` for as much in all as
            any other class, or None for what its rows count. Fitness does not count it; `balanced_accuracy` or
            `f1` as objective goes with `balanced`.
        random_state: of splits, search and training: a seed, a generator, or None for another result each time.
        warm_start: continue the last fit's search up to `evaluations` in all, if rows and parameters are the
            same; the result is that of one longer search. With `guided`, another `max_share` costs no new
            evaluations.
        n_jobs: threads that train candidates; -1 for all processors; None for as many as torch has. Each
            training is the same on any number; the gates of `guided` may be rounded differently.
        verbose: above 0 to print a line after each batch of evaluations.

    Attributes:
        classes_: labels `[C]`.
        n_features_in_: D.
        feature_names_in_: names of the features `[D]`, where X had names that are all strings.
        support_: features that are read `[D]`.
        genome_: the chosen genome `[L]`.
        front_: evaluations that no other beats in all objectives and in size, the smallest first. A dict of
            arrays: `genome` `[F, L]`, `active` (share of bits that are on) and one for each objective `[F]`.
        history_: the same of all evaluations `[E]`, in order; NaN where one failed.
        model_: the trained model; `model_.save(folder)` writes it without pickling.
        seed_: that splits, search and training were made with.
    """

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
        self.encoding = encoding

    def predict(self, X: ArrayLike) -> Any:
        """Labels `[N]` of features `[N, D]`."""
        check_is_fitted(self)
        return self.classes_[self.predict_proba(X).argmax(axis=1)]

    def predict_proba(self, X: ArrayLike) -> FloatArray:
        """Class probabilities `[N, C]` of features `[N, D]`, columns as in `classes_`."""
        check_is_fitted(self)
        return self.model_.probabilities(validate_data(self, X, dtype=np.float32, reset=False))
