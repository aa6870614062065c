"""What an estimator's parameters and its rows come to: a search that can be run, and continued."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np

from evoprune._types import BoolArray, FloatArray
from evoprune.errors import EvoPruneError
from evoprune.guidance import GUIDED_OBJECTIVES, Guidance, guidance_for
from evoprune.problem import Problem
from evoprune.search import SearchOptions, create
from evoprune.sklearn._value_guide import guide_to_values
from evoprune.study import Callback, Store, StudyKey, search

Objectives: TypeAlias = tuple[str, ...]


@dataclass(frozen=True)
class Defaults:
    """What algorithms search for unless told otherwise.

    Attributes:
        guided: objectives of the guided search.
        score: of those that take one objective, and with the active share of those that take several.
    """

    guided: Objectives
    score: str

    def of(self, algorithm: str) -> Objectives:
        """The objectives of an algorithm."""
        if algorithm == "guided":
            return self.guided
        return (self.score,) if algorithm in ("genetic", "random") else (self.score, "active")


LABELLED = Defaults(GUIDED_OBJECTIVES, "accuracy")
VALUED = Defaults(("mse", "active"), "mse")
"""Of rows with classes, and of rows with values to predict."""

BATCH = 10
"""Candidates trained at a time; it changes no result."""


@dataclass(frozen=True, eq=False)
class History:
    """What a search has evaluated, in the order of asking.

    Attributes:
        genomes: `[E, L]`.
        values: objective values `[E, M]` in their natural sign, NaN where an evaluation failed.
    """

    genomes: BoolArray
    values: FloatArray

    def __len__(self) -> int:
        """E, number of evaluations."""
        return len(self.genomes)

    def followed_by(self, genomes: BoolArray, values: FloatArray) -> History:
        """This history with more evaluations `[K, L]`, `[K, M]` at its end."""
        return History(np.concatenate([self.genomes, genomes]), np.concatenate([self.values, values]))


@dataclass(frozen=True, eq=False)
class Plan:
    """A search for the genomes of one problem.

    Attributes:
        problem: what genomes are measured by.
        algorithm: name of the search.
        options: settings of the algorithm.
        seed: of guide and search.
    """

    problem: Problem
    algorithm: str
    options: SearchOptions
    seed: int

    def __post_init__(self) -> None:
        # Made here so that settings that do not fit are refused before anything is computed.
        create(self.algorithm, length=self.problem.length, maximize=self.problem.maximize, options=self.options)

    @property
    def _names(self) -> Objectives:
        return tuple(objective.name for objective in self.problem.objectives)

    @cached_property
    def guidance(self) -> Guidance:
        """What a guided search of features goes by; nothing but evaluations in any other."""
        if self.algorithm != "guided":
            return Guidance(None, self.problem.evaluate)
        if self.problem.data.loss == "squared":
            return Guidance(guide_to_values(self.problem, self.seed), self.problem.evaluate)
        return guidance_for(self.problem, self.seed)

    def fingerprint(self) -> str:
        """SHA-256 of all that evaluations depend on: histories of equal fingerprints can be continued."""
        problem, data = self.problem, self.problem.data
        settings = (
            problem.encoding,
            problem.recipe,
            self._names,
            self.algorithm,
            self.options,
            self.seed,
            problem.seeds,
        )
        optional = (data.targets, data.weights, data.evaluation_weights)
        given = tuple(array is not None for array in optional)
        digest = hashlib.sha256(repr((settings, data.X.shape, data.classes, data.loss, given)).encode())
        rows = (part for fold in data.folds for part in (fold.train, fold.evaluate))
        for array in (data.X, data.y, *rows, *(array for array in optional if array is not None)):
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()

    def run(self, budget: int, earlier: History | None, callbacks: Sequence[Callback]) -> History:
        """Search until `budget` genomes have been evaluated in all.

        A continued search replays the earlier evaluations, and ends as if it had never been interrupted.

        Args:
            budget: the total number of evaluations, the earlier ones included.
            earlier: evaluations of a plan with the same fingerprint, or None.
            callbacks: told of each batch.

        Raises:
            EvoPruneError: every evaluation failed.
        """
        if earlier is not None and len(earlier) >= budget:
            return earlier
        problem = self.problem
        key = StudyKey(problem.length, self._names, "")
        algorithm = create(
            self.algorithm,
            length=problem.length,
            maximize=problem.maximize,
            seed=self.seed,
            options=self.options,
            guide=self.guidance.guide,
        )
        with closing(Store(None, key, recipe=problem.recipe.name)) as store:
            if earlier is not None:
                store.start(earlier.genomes)
                store.finish(earlier.genomes, earlier.values, 0.0)
            search(algorithm, self.guidance.evaluate, store, budget=budget, batch=BATCH, callbacks=tuple(callbacks))
            evaluations = store.evaluations()
        if not any(e.state == "complete" for e in evaluations):
            raise EvoPruneError(f"all {len(evaluations)} evaluations failed; check the recipe's learning rate")
        return History(np.stack([e.genome for e in evaluations]), np.stack([e.values for e in evaluations]))
