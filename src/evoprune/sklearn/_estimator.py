"""What classifier and selector share: a search on parts of the training rows, and a head trained on all of them."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import validate_data

from evoprune._types import BoolArray, Float32Array, FloatArray, IntArray
from evoprune.data import Division, Fold, partition
from evoprune.errors import ConfigError, DataError, EvoPruneError
from evoprune.heads import Encoding, Head, parse_encoding
from evoprune.model import Model
from evoprune.objectives import get_objectives
from evoprune.problem import Problem
from evoprune.search import SearchOptions
from evoprune.sklearn._choice import best_of, front, of_size
from evoprune.sklearn._plan import DEFAULT_OBJECTIVES, History, Plan
from evoprune.sklearn._printed import Printed
from evoprune.sklearn._sizes import exact_size, is_whole, limit_of
from evoprune.sklearn._threads import threads
from evoprune.training import Recipe, TrainingSet, get_recipe, train_population

GUIDED_FOLDS = 3
"""Inner folds of a guided search, unless told otherwise: what its guide has seen is corrected for between folds."""

GATED_FROM = 256
"""Of fewer features, gates choose the same few again and again: minutes of training for children that are known.
There, children are votes of the guide's scores and of better genomes at every size."""


class EvoPruneEstimator(BaseEstimator):  # type: ignore[misc]
    """Base of classifier and selector; see `EvoPruneClassifier` for parameters and attributes."""

    encoding = "features"
    n_features_to_select: float | None = None
    _memory: tuple[str, History] | None = None

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
        random_state: int | np.random.RandomState | np.random.Generator | None = None,
        warm_start: bool = False,
        n_jobs: int | None = None,
        verbose: int = 0,
    ) -> None:
        self.hidden = hidden
        self.objectives = objectives
        self.algorithm = algorithm
        self.recipe = recipe
        self.evaluations = evaluations
        self.folds = folds
        self.max_share = max_share
        self.random_state = random_state
        self.warm_start = warm_start
        self.n_jobs = n_jobs
        self.verbose = verbose

    def fit(self, X: ArrayLike, y: ArrayLike) -> EvoPruneEstimator:
        """Search, then train the chosen head on all rows.

        Args:
            X: features `[N, D]`, finite; an array, or a table of pandas or polars.
            y: class labels `[N]`, of at least two classes, with as many rows of each as there are inner
                folds (two for `folds=1`).

        Returns:
            The estimator itself.

        Raises:
            ConfigError: a parameter is unknown or does not fit the others.
            DataError: a class has too few rows.
            ValueError: X or y cannot be used (as scikit-learn says it).
        """
        rows, targets = validate_data(self, X, y, dtype=np.float32, ensure_min_samples=2)
        check_classification_targets(targets)
        self.classes_, labels = np.unique(targets, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"y holds one class ({targets.tolist()[0]!r}) only; give rows of at least two classes")
        with threads(self.n_jobs):
            self._fit(np.ascontiguousarray(rows), labels.astype(np.int64))
        return self

    def _fit(self, X: Float32Array, labels: IntArray) -> None:
        classes = len(self.classes_)
        encoding = parse_encoding(self.encoding, Head(*np.atleast_1d(self.hidden)), width=X.shape[1], classes=classes)
        limit, exact = limit_of(self.max_share, encoding.length), exact_size(self.n_features_to_select, encoding.length)
        self.seed_ = self._seed()
        plan, report = self._plan(X, labels, encoding)
        maximize, history = plan.problem.maximize, self._searched(plan)
        if exact is not None:
            history = self._brought_to_size(plan, history, exact)
        chosen = best_of(history, maximize, exact or 1, exact or limit)
        self.genome_: BoolArray = history.genomes[chosen]
        self.history_ = self._table(plan, history)
        self.front_ = self._table(plan, history, front(history, maximize))
        (trained,) = train_population(
            TrainingSet(X, labels, classes, report),
            [encoding.decode(self.genome_)],
            head=encoding.head,
            recipe=plan.problem.recipe,
            seeds=[self.seed_],
        )
        head = trained.heads[0][0]
        if not all(np.isfinite(matrix).all() for matrix in head.matrices):
            raise EvoPruneError(
                "the chosen head did not converge on all rows; give a recipe with a lower learning rate"
            )
        self.model_ = Model(head, tuple(map(str, self.classes_)))
        self.support_: BoolArray = np.zeros(X.shape[1], dtype=np.bool_)
        self.support_[head.inputs] = True

    def _plan(self, X: Float32Array, labels: IntArray, encoding: Encoding) -> tuple[Plan, tuple[Fold, ...]]:
        """The search, and the rows that the chosen head is trained on."""
        rows = np.arange(len(X))
        parts = partition([Division(rows, rows[:0])], labels, folds=self._folds(labels), seed=self.seed_)
        default = DEFAULT_OBJECTIVES.get(self.algorithm, ("accuracy", "active"))
        names = default if self.objectives is None else self.objectives
        problem = Problem(
            TrainingSet(X, labels, len(self.classes_), parts.search),
            encoding,
            get_recipe(self.recipe),
            get_objectives((names,) if isinstance(names, str) else tuple(names)),
            seed=self.seed_,
        )
        if self.algorithm == "guided":
            options = SearchOptions(recombination=encoding.length >= GATED_FROM)
        elif self.max_share is None or self.n_features_to_select is not None:
            options = SearchOptions()
        else:
            # The guided search has members of every size; the others begin within the limit.
            options = SearchOptions(initial_density=(0.0, float(self.max_share)))
        return Plan(problem, self.algorithm, options, self.seed_), parts.report

    def _searched(self, plan: Plan) -> History:
        budget = self.evaluations
        if not is_whole(budget) or budget < 1:
            raise ConfigError(f"evaluations={budget!r} is not possible; give a whole number of at least 1")
        earlier, fingerprint = None, None
        if self.warm_start:
            fingerprint = plan.fingerprint()
            earlier = self._earlier(fingerprint, int(budget))
        callbacks = [Printed(type(self).__name__, plan.problem.objectives[0])] if self.verbose else []
        history = plan.run(int(budget), earlier, callbacks)
        self._memory = None if fingerprint is None else (fingerprint, history)
        return history

    def _earlier(self, fingerprint: str, budget: int) -> History | None:
        """What a warm start continues from."""
        if self._memory is None:
            return None
        known, history = self._memory
        if known != fingerprint:
            warnings.warn(
                "warm_start: rows or parameters are others than at the last fit, whose evaluations say nothing about "
                "these; the search starts anew",
                stacklevel=5,
            )
            return None
        if len(history) > budget:
            raise ConfigError(
                f"evaluations={budget} is fewer than the {len(history)} that warm_start continues from; give the total"
            )
        return history

    def _brought_to_size(self, plan: Plan, history: History, size: int) -> History:
        """The history with evaluations of genomes of exactly `size` active bits at its end."""
        scores = None if plan.guide is None else plan.guide.scores()
        made = of_size(history, plan.problem.maximize, scores, size)
        return history.followed_by(made, plan.evaluate(made)) if len(made) else history

    def _table(self, plan: Plan, history: History, rows: IntArray | slice = slice(None)) -> dict[str, NDArray[Any]]:
        """Evaluations as columns: the genomes, their sizes and the values of each objective."""
        genomes = history.genomes[rows]
        values: dict[str, FloatArray] = {
            objective.name: column
            for objective, column in zip(plan.problem.objectives, history.values[rows].T.copy(), strict=True)
        }
        return {"genome": genomes, "active": genomes.mean(axis=1), **values}

    def _folds(self, labels: IntArray) -> int:
        """Inner folds; where nobody has said how many, no more than the rarest class has rows."""
        counts = np.bincount(labels)
        folds = self.folds
        if folds is None:
            folds = max(1, min(GUIDED_FOLDS, int(counts.min()))) if self.algorithm == "guided" else 1
        elif not is_whole(folds) or folds < 1:
            raise ConfigError(f"folds={folds!r} is not possible; give 1 for one validation part, or more inner folds")
        needed = max(2, int(folds))
        if counts.min() < needed:
            raise DataError(
                f"class {self.classes_.tolist()[counts.argmin()]!r} has {counts.min()} row(s), too few for "
                f"{'a validation part' if folds == 1 else f'{folds} inner folds'}; at least {needed} are needed"
            )
        return int(folds)

    def _seed(self) -> int:
        if isinstance(self.random_state, (int, np.integer)):
            return int(self.random_state)
        if self.warm_start and self._memory is not None:
            return self.seed_
        source = self.random_state or np.random.default_rng()
        draw = source.randint if isinstance(source, np.random.RandomState) else source.integers
        return int(draw(2**31 - 1))
