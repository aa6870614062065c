"""What all estimators share: a search on parts of the training rows, and a head trained on all of them."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from evoprune._types import BoolArray, FloatArray, IntArray
from evoprune.data import Division, Fold, partition
from evoprune.errors import ConfigError, DataError, EvoPruneError
from evoprune.guidance import fitness_recipe, guided_folds, guided_recipe
from evoprune.heads import CompactHead, Encoding, Head, parse_encoding
from evoprune.objectives import get_objectives
from evoprune.problem import Problem
from evoprune.search import SearchOptions
from evoprune.sklearn._choice import best_of, front, of_size
from evoprune.sklearn._plan import LABELLED, History, Plan
from evoprune.sklearn._printed import Printed
from evoprune.sklearn._sizes import exact_size, is_whole, limit_of
from evoprune.sklearn._threads import threads
from evoprune.training import Recipe, TrainingSet, get_recipe, train_population

FEWEST_STEPS = 150
"""Of the fast recipe: its 15 epochs are made for a thousand rows and more, and of a hundred they are 15 steps."""


class EvoPruneEstimator(BaseEstimator):  # type: ignore[misc]
    """Base of all estimators; see `EvoPruneClassifier` for parameters and attributes."""

    encoding = "features"
    n_features_to_select: float | None = None
    _default_objectives = LABELLED
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

    def _fit(self, data: TrainingSet) -> CompactHead:
        """Search on rows that are not divided yet, then train the chosen head on all of them.

        Sets all learned attributes that do not depend on what is predicted.
        """
        with threads(self.n_jobs):
            return self._searched_and_trained(data)

    def _searched_and_trained(self, data: TrainingSet) -> CompactHead:
        width = data.X.shape[1]
        encoding = parse_encoding(self.encoding, Head(*np.atleast_1d(self.hidden)), width=width, classes=data.classes)
        limit, exact = limit_of(self.max_share, encoding.length), exact_size(self.n_features_to_select, encoding.length)
        self.seed_ = self._seed()
        plan, report = self._plan(data, encoding)
        maximize, history = plan.problem.maximize, self._searched(plan)
        if exact is not None:
            history = self._brought_to_size(plan, history, exact)
        chosen = best_of(history, maximize, exact or 1, exact or limit)
        self.genome_: BoolArray = history.genomes[chosen]
        self.history_ = self._table(plan, history)
        self.front_ = self._table(plan, history, front(history, maximize))
        (trained,) = train_population(
            replace(data, folds=report, evaluation_weights=None),
            [encoding.decode(self.genome_)],
            head=encoding.head,
            recipe=self._begun(self._recipe(len(data.X))),
            seeds=[self.seed_],
        )
        head = trained.heads[0][0]
        if not all(np.isfinite(matrix).all() for matrix in head.matrices):
            raise EvoPruneError(
                "the chosen head did not converge on all rows; give a recipe with a lower learning rate"
            )
        self.support_: BoolArray = np.zeros(width, dtype=np.bool_)
        self.support_[head.inputs] = True
        return head

    def _plan(self, data: TrainingSet, encoding: Encoding) -> tuple[Plan, tuple[Fold, ...]]:
        """The search, and the rows that the chosen head is trained on."""
        rows = np.arange(len(data.X))
        # In a regression all class numbers are 0: its rows are divided at random.
        parts = partition([Division(rows, rows[:0])], data.y, folds=self._folds(data.y), seed=self.seed_)
        names = self._default_objectives.of(self.algorithm) if self.objectives is None else self.objectives
        recipe = self._begun(self._recipe(len(rows)))
        if self.algorithm == "guided":
            recipe = fitness_recipe(recipe, parts.search, len(rows))
        problem = Problem(
            replace(data, folds=parts.search),
            encoding,
            recipe,
            get_objectives((names,) if isinstance(names, str) else tuple(names)),
            seed=self.seed_,
        )
        if self.algorithm == "guided" or self.max_share is None or self.n_features_to_select is not None:
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
                stacklevel=6,
            )
            return None
        if len(history) > budget:
            raise ConfigError(
                f"evaluations={budget} is fewer than the {len(history)} that warm_start continues from; give the total"
            )
        return history

    def _brought_to_size(self, plan: Plan, history: History, size: int) -> History:
        """The history with evaluations of genomes of exactly `size` active bits at its end."""
        guide = plan.guidance.guide
        scores = None if guide is None else guide.scores()
        made = of_size(history, plan.problem.maximize, scores, size)
        return history.followed_by(made, plan.guidance.evaluate(made)) if len(made) else history

    def _table(self, plan: Plan, history: History, rows: IntArray | slice = slice(None)) -> dict[str, NDArray[Any]]:
        """Evaluations as columns: the genomes, their sizes and the values of each objective."""
        genomes = history.genomes[rows]
        values: dict[str, FloatArray] = {
            objective.name: column
            for objective, column in zip(plan.problem.objectives, history.values[rows].T.copy(), strict=True)
        }
        return {"genome": genomes, "active": genomes.mean(axis=1), **values}

    def _recipe(self, rows: int) -> Recipe:
        """How the chosen head is trained on so many rows."""
        recipe = get_recipe(self.recipe)
        if self.recipe != "fast":
            return recipe
        each = -(-rows // recipe.batch_size)
        return recipe.model_copy(update={"epochs": max(recipe.epochs, -(-FEWEST_STEPS // each))})

    def _begun(self, recipe: Recipe) -> Recipe:
        """The recipe with the initial weights that search and chosen head share, where connections are searched."""
        return guided_recipe(recipe, self.encoding, self.seed_) if self.algorithm == "guided" else recipe

    def _rarest(self, strata: IntArray) -> tuple[int, str]:
        """Rows of the rarest of the numbers `[N]` by which rows are divided, and a sentence's beginning about them."""
        raise NotImplementedError

    def _folds(self, strata: IntArray) -> int:
        """Inner folds; where nobody has said how many, no more than the rarest class has rows."""
        rarest, said = self._rarest(strata)
        folds = self.folds
        if folds is None:
            folds = max(1, min(guided_folds(self.encoding), rarest)) if self.algorithm == "guided" else 1
        elif not is_whole(folds) or folds < 1:
            raise ConfigError(f"folds={folds!r} is not possible; give 1 for one validation part, or more inner folds")
        needed = max(2, int(folds))
        if rarest < needed:
            raise DataError(
                f"{said}, too few for "
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
