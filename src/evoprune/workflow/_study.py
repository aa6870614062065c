"""`Study`: the whole way from features to a result, in memory or in a run folder."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from evoprune._types import BoolArray
from evoprune.data import Protocol, partition
from evoprune.errors import EvoPruneError
from evoprune.features import Features
from evoprune.heads import Head, default_head, parse_encoding
from evoprune.model import Model, is_whole
from evoprune.objectives import get_objectives
from evoprune.problem import Problem
from evoprune.report import write_convergence, write_history
from evoprune.search import Algorithm, SearchOptions, best_index, create, non_dominated, ranking
from evoprune.study import Callback, Evaluation, Store, StudyKey, search
from evoprune.training import Recipe, TrainingSet, get_recipe
from evoprune.workflow._config import RunConfig, make_config
from evoprune.workflow._result import Result, Scores, Solution
from evoprune.workflow._run_folder import RunFolder
from evoprune.workflow._scorer import SEEDS_A_RUN, Scorer

logger = logging.getLogger(__name__)


class Study:
    """A search for the neurons worth keeping, on one set of features.

    Args:
        features: from `extract`, `from_feature_file` or `from_arrays`.
        head: shape of the head; by default the one that the encoding was published with.
        encoding: what a genome's bits mean: `features`, `first`, `second`, `both`, `connections`.
        objectives: one name for a single-objective search, several for a front.
        recipe: `fast`, `paper` or a `Recipe`.
        algorithm: `genetic`, `nsga2` or `random`; by default the published one for the objectives.
        search: settings of the algorithm.
        protocol: `nested` keeps the test part out of the search; `paper` is as published.
        folds: inner folds that fitness is averaged over.
        held_out: published fold whose test part is kept for the report.
        seed: of splits, search and training; the same seed gives the same result.
        report_seeds: trainings behind each figure of the result.
        batch: candidates trained and committed at a time.
        output: run folder; None keeps everything in memory.

    Raises:
        ConfigError: a setting is unknown or does not fit the others.
        DataError: the rows cannot be divided as asked.
    """

    def __init__(
        self,
        features: Features,
        *,
        head: Head | None = None,
        encoding: str = "features",
        objectives: Sequence[str] = ("accuracy",),
        recipe: str | Recipe = "fast",
        algorithm: str | None = None,
        search: SearchOptions | None = None,
        protocol: Protocol = "nested",
        folds: int = 1,
        held_out: int = 0,
        seed: int = 0,
        report_seeds: int = 5,
        batch: int = 10,
        output: str | Path | None = None,
    ) -> None:
        config = make_config(
            data=features.name,
            kind="arrays",
            backbone=None if features.backbone is None else features.backbone.name,
            head=(head or default_head(encoding)).hidden,
            encoding=encoding,
            recipe=get_recipe(recipe),
            objectives=tuple(objectives),
            algorithm=algorithm or default_algorithm(objectives),
            search=search or SearchOptions(),
            protocol=protocol,
            folds=folds,
            held_out=held_out,
            seed=seed,
            report_seeds=report_seeds,
            batch=batch,
        )
        self._set_up(features, config, None if output is None else RunFolder(output))

    @classmethod
    def from_config(cls, features: Features, config: RunConfig, folder: RunFolder | None = None) -> Study:
        """A study with the settings of a configuration."""
        study = cls.__new__(cls)
        study._set_up(features, config, folder)
        return study

    def _set_up(self, features: Features, config: RunConfig, folder: RunFolder | None) -> None:
        self.features = features
        self.config = config
        self.folder = folder
        self.encoding = parse_encoding(
            config.encoding, Head(*config.head), width=features.width, classes=features.classes
        )
        self.partition = partition(
            features.divisions,
            features.y,
            protocol=config.protocol,
            folds=config.folds,
            held_out=config.held_out,
            seed=config.seed,
        )
        self.problem = Problem(
            TrainingSet(features.X, features.y, features.classes, self.partition.search),
            self.encoding,
            config.recipe,
            get_objectives(config.objectives),
            seed=config.seed * SEEDS_A_RUN,
        )
        self.scorer = Scorer(features, self.partition, self.problem, config)
        # Made here so that settings that do not fit are refused before anything is computed.
        self._new_algorithm()

    def run(
        self,
        evaluations: int | None = None,
        *,
        callbacks: Sequence[Callback] = (),
        should_stop: Callable[[], bool] = lambda: False,
        on_report: Callable[[int, int], None] | None = None,
    ) -> Result:
        """Search until `evaluations` genomes have been evaluated in all, then measure on the test part.

        With a run folder this continues where an earlier call or process ended.

        Args:
            evaluations: the total, those of earlier sessions included; 200 by default, as published.
            callbacks: told at the start and after each committed batch.
            should_stop: asked before each batch.
            on_report: called with the trainings done and to do for the report, after the search.

        Raises:
            Interrupted: `should_stop` said so; everything evaluated is stored.
            ConfigError: the folder holds a run with other settings.
            StorageError: the folder is in use, damaged, or cannot be written to.
        """
        if evaluations is not None:
            self.config = make_config(**{**dict(self.config), "evaluations": evaluations})
        if self.folder is None:
            return self.run_locked(callbacks=callbacks, should_stop=should_stop, on_report=on_report)
        with self.folder.locked():
            self.folder.claim(self.config)
            with self.folder.logging():
                return self.run_locked(callbacks=callbacks, should_stop=should_stop, on_report=on_report)

    def run_locked(
        self,
        *,
        callbacks: Sequence[Callback] = (),
        should_stop: Callable[[], bool] = lambda: False,
        on_report: Callable[[int, int], None] | None = None,
    ) -> Result:
        """As `run`, for a caller that has locked and claimed the folder already."""
        store = self._open_store()
        try:
            logger.info(
                "search: %d of %d evaluations are stored; %s",
                len(store),
                self.config.evaluations,
                self.partition.description,
            )
            search(
                self._new_algorithm(),
                self.problem.evaluate,
                store,
                budget=self.config.evaluations,
                batch=self.config.batch,
                callbacks=tuple(callbacks),
                should_stop=should_stop,
            )
            return self._conclude(store, on_report)
        finally:
            store.close()

    def _open_store(self) -> Store:
        fingerprint = hashlib.sha256(f"{self.config.identity()} {self.features.digest}".encode()).hexdigest()
        return Store(
            None if self.folder is None else self.folder.store,
            StudyKey(self.encoding.length, self.config.objectives, fingerprint),
            recipe=self.config.recipe.name,
        )

    def _new_algorithm(self) -> Algorithm:
        return create(
            self.config.algorithm,
            length=self.encoding.length,
            maximize=self.problem.maximize,
            seed=self.config.seed,
            options=self.config.search,
        )

    def _conclude(self, store: Store, on_report: Callable[[int, int], None] | None) -> Result:
        """Choose, retrain, read the test part once, and write the run's files."""
        evaluations = store.evaluations()
        complete = [e for e in evaluations if e.state == "complete"]
        if not complete:
            raise EvoPruneError(
                f"none of the {len(evaluations)} evaluations succeeded; the first: {evaluations[0].error}"
            )
        failed = len(evaluations) - len(complete)
        logger.info("search: %d evaluations, %d of them failed, %.1f s", len(evaluations), failed, store.seconds())
        front = self._front(complete)
        best = front[0]
        dense, chosen = self._stored_scores(store, best) or self._new_scores(store, best, on_report)
        result = Result(
            run=self.features.name if self.folder is None else str(self.folder.path),
            protocol=self.config.protocol,
            encoding=self.config.encoding,
            best=replace(best, scores=chosen),
            dense=Solution(0, self.encoding.dense_genome(), dense.values, dense, self.build),
            front=(replace(best, scores=chosen), *front[1:]),
            evaluations=len(evaluations),
            failed=failed,
            seconds=store.seconds(),
            history=tuple(evaluations),
            objectives=self.problem.objectives,
            broken=len(self.features.broken),
            duplicates=self.features.duplicates,
        )
        if self.folder is not None:
            write_history(self.folder.history, evaluations, self.problem.objectives)
            write_convergence(
                self.folder.convergence,
                evaluations,
                self.problem.objectives,
                protocol=self.config.protocol,
                dense=dense.values,
            )
        # Last, because a run with a summary is complete.
        store.set_result("summary", result.summary())
        logger.info(
            "result: test accuracy %.4f with %d active neurons, %.4f with all %d (%s protocol)",
            chosen.test_accuracy,
            chosen.active_neurons,
            dense.test_accuracy,
            dense.active_neurons,
            self.config.protocol,
        )
        return result

    def _stored_scores(self, store: Store, best: Solution) -> tuple[Scores, Scores] | None:
        """Scores of the dense and the chosen head where an earlier session measured them and left the model."""
        stored = store.result("scores")
        try:
            if stored is None or stored["best"].pop("id") != best.id:
                return None
            scores = Scores(**stored["dense"]), Scores(**stored["best"])
        except (AttributeError, KeyError, TypeError):
            logger.warning("the stored scores cannot be read and are measured again")
            return None
        if scores[0].seeds != self.config.report_seeds:
            return None
        if self.folder is not None and not is_whole(self.folder.model):
            logger.warning("the model in %s is missing or damaged and is trained again", self.folder.model)
            return None
        return scores

    def _new_scores(
        self, store: Store, best: Solution, on_report: Callable[[int, int], None] | None
    ) -> tuple[Scores, Scores]:
        """Measure the dense and the chosen head, keep the model, then the scores."""
        logger.info(
            "report: the dense head and evaluation %d are retrained with %d seed(s)", best.id, self.config.report_seeds
        )
        dense, chosen, model = self.scorer.measure(best, on_report)
        if self.folder is not None:
            model.save(self.folder.model)
        store.set_result("scores", {"dense": asdict(dense), "best": {"id": best.id, **asdict(chosen)}})
        return dense, chosen

    def _front(self, complete: list[Evaluation]) -> list[Solution]:
        """The front, the chosen member first: best in the first objective, ties by fewer active neurons."""
        genomes = np.stack([e.genome for e in complete])
        values = np.stack([e.values for e in complete])
        maximize = self.problem.maximize
        if len(maximize) == 1:
            best = best_index(genomes, values, maximize)
            members = [complete[best]] if best is not None else []
        else:
            rows = np.flatnonzero(non_dominated(values, maximize))
            order = ranking(genomes[rows], values[rows, :1], maximize[:1])
            members = [complete[i] for i in rows[order]]
        names = self.config.objectives
        return [
            Solution(e.id, e.genome, dict(zip(names, map(float, e.values), strict=True)), None, self.build)
            for e in members
        ]

    def build(self, genome: BoolArray) -> Model:
        """The model of a genome `[L]`: trained on all rows that are not test rows, with the first report seed."""
        return self.scorer.build(genome)


def default_algorithm(objectives: Sequence[str]) -> str:
    """The published algorithm: the steady-state GA for one objective, NSGA-II for several."""
    return "genetic" if len(objectives) == 1 else "nsga2"
