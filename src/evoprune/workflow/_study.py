"""`Study`: the whole way from features to a result, in memory or in a run folder."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import asdict, fields, replace
from pathlib import Path

import numpy as np

from evoprune._types import BoolArray
from evoprune.data import Fold, Protocol, partition
from evoprune.errors import EvoPruneError
from evoprune.features import Features
from evoprune.heads import Head, Structure, default_head, parse_encoding
from evoprune.model import Model
from evoprune.objectives import accuracy_score, get_objectives
from evoprune.problem import Problem
from evoprune.report import write_convergence, write_history
from evoprune.search import Algorithm, SearchOptions, best_index, create, non_dominated, ranking
from evoprune.study import Callback, Evaluation, Store, StudyKey, search
from evoprune.training import Recipe, TrainedCandidate, TrainingSet, get_recipe, train_population
from evoprune.workflow._config import RunConfig, make_config
from evoprune.workflow._result import Result, Scores, Solution, spread
from evoprune.workflow._run_folder import RunFolder

logger = logging.getLogger(__name__)

_SEEDS_A_RUN = 10_000
_FIRST_REPORT_SEED = 5_000


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
            self._training_set(self.partition.search),
            self.encoding,
            config.recipe,
            get_objectives(config.objectives),
            seed=config.seed * _SEEDS_A_RUN,
        )
        # Made here so that settings that do not fit are refused before anything is computed.
        self._new_algorithm()

    def run(
        self,
        evaluations: int | None = None,
        *,
        callbacks: Sequence[Callback] = (),
        should_stop: Callable[[], bool] = lambda: False,
    ) -> Result:
        """Search until `evaluations` genomes have been evaluated in all, then measure on the test part.

        With a run folder this continues where an earlier call or process ended.

        Args:
            evaluations: the total, those of earlier sessions included; 200 by default, as published.
            callbacks: told after each committed batch.
            should_stop: asked before each batch.

        Raises:
            Interrupted: `should_stop` said so; everything evaluated is stored.
            ConfigError: the folder holds a run with other settings.
            StorageError: the folder is in use, damaged, or cannot be written to.
        """
        if evaluations is not None:
            self.config = make_config(**{**dict(self.config), "evaluations": evaluations})
        with nullcontext() if self.folder is None else self.folder.locked():
            if self.folder is not None:
                self.folder.claim(self.config)
            return self.run_locked(callbacks=callbacks, should_stop=should_stop)

    def run_locked(
        self, *, callbacks: Sequence[Callback] = (), should_stop: Callable[[], bool] = lambda: False
    ) -> Result:
        """As `run`, for a caller that has locked and claimed the folder already."""
        with nullcontext() if self.folder is None else self.folder.logging():
            store = self._open_store()
            try:
                logger.info("search: %d of %d evaluations are stored", len(store), self.config.evaluations)
                search(
                    self._new_algorithm(),
                    self.problem.evaluate,
                    store,
                    budget=self.config.evaluations,
                    batch=self.config.batch,
                    callbacks=tuple(callbacks),
                    should_stop=should_stop,
                )
                return self._conclude(store)
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

    def _training_set(self, folds: tuple[Fold, ...]) -> TrainingSet:
        return TrainingSet(self.features.X, self.features.y, self.features.classes, folds)

    def _conclude(self, store: Store) -> Result:
        """Choose, retrain, read the test part once, and write the run's files."""
        evaluations = store.evaluations()
        complete = [e for e in evaluations if e.state == "complete"]
        if not complete:
            raise EvoPruneError(
                f"none of the {len(evaluations)} evaluations succeeded; the first: {evaluations[0].error}"
            )
        front = self._front(complete)
        best = front[0]
        stored = store.result("scores")
        if stored is None or stored["evaluations"] != len(evaluations) or stored["best"]["id"] != best.id:
            logger.info(
                "report: the dense head and evaluation %d are retrained with %d seeds",
                best.id,
                self.config.report_seeds,
            )
            dense, chosen, model = self._measure(best)
            if self.folder is not None:
                model.save(self.folder.model)
            stored = {
                "evaluations": len(evaluations),
                "dense": asdict(dense),
                "best": {"id": best.id, **asdict(chosen)},
            }
            store.set_result("scores", stored)
        names = {field.name for field in fields(Scores)}
        dense, chosen = (Scores(**{k: v for k, v in stored[of].items() if k in names}) for of in ("dense", "best"))
        result = Result(
            run=self.features.name if self.folder is None else str(self.folder.path),
            protocol=self.config.protocol,
            best=replace(best, scores=chosen),
            dense=Solution(0, self.encoding.dense_genome(), dense.values, dense, self.build),
            front=(replace(best, scores=chosen), *front[1:]),
            evaluations=len(evaluations),
            failed=len(evaluations) - len(complete),
            seconds=store.seconds(),
            history=tuple(evaluations),
            objectives=self.problem.objectives,
        )
        store.set_result("summary", result.summary())
        if self.folder is not None:
            write_history(self.folder.history, evaluations, self.problem.objectives)
            write_convergence(self.folder.convergence, evaluations, self.problem.objectives, self.config.protocol)
        return result

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

    def _measure(self, best: Solution) -> tuple[Scores, Scores, Model]:
        """Scores of the dense and the chosen head, and the chosen model."""
        genomes = (self.encoding.dense_genome(), best.genome)
        structures = [self.encoding.decode(genome) for genome in genomes]
        validation = self._train(structures, self.partition.search)
        # The one place that reads the test part.
        report = validation if self.config.protocol == "paper" else self._train(structures, self.partition.report)
        dense_values = self.problem.evaluate(genomes[0][None])[0]
        values = (dict(zip(self.config.objectives, map(float, dense_values), strict=True)), best.values)
        dense, chosen = (
            self._scores(genome, value, on_validation, on_test)
            for genome, value, on_validation, on_test in zip(genomes, values, validation, report, strict=True)
        )
        return dense, chosen, self._model(report[1])

    def _scores(
        self,
        genome: BoolArray,
        values: dict[str, float],
        validation: TrainedCandidate,
        report: TrainedCandidate,
    ) -> Scores:
        validation_mean, validation_std = spread(self._accuracies(validation, self.partition.search))
        test_mean, test_std = spread(self._accuracies(report, self.partition.report))
        head = report.heads[0][0]
        return Scores(
            values=values,
            validation_accuracy=validation_mean,
            validation_accuracy_std=validation_std,
            test_accuracy=test_mean,
            test_accuracy_std=test_std,
            seeds=self.config.report_seeds,
            active_neurons=int(genome.sum()),
            active_share=float(genome.mean()),
            parameters=head.parameters,
            multiply_adds=head.multiply_adds,
        )

    def _accuracies(self, trained: TrainedCandidate, folds: tuple[Fold, ...]) -> list[float]:
        """Accuracy of each seed, mean over folds."""
        return [
            float(
                np.mean(
                    [
                        accuracy_score(trained.logits[f][s], self.features.y[fold.evaluate])
                        for f, fold in enumerate(folds)
                    ]
                )
            )
            for s in range(self.config.report_seeds)
        ]

    def _train(self, structures: list[Structure], folds: tuple[Fold, ...]) -> list[TrainedCandidate]:
        first = self.config.seed * _SEEDS_A_RUN + _FIRST_REPORT_SEED
        seeds = range(first, first + self.config.report_seeds)
        return train_population(
            self._training_set(folds),
            structures,
            head=self.encoding.head,
            recipe=self.config.recipe,
            seeds=seeds,
        )

    def build(self, genome: BoolArray) -> Model:
        """The model of a genome `[L]`: trained on all rows that are not test rows, with the first report seed."""
        first = self.config.seed * _SEEDS_A_RUN + _FIRST_REPORT_SEED
        (trained,) = train_population(
            self._training_set(self.partition.report[:1]),
            [self.encoding.decode(genome)],
            head=self.encoding.head,
            recipe=self.config.recipe,
            seeds=[first],
        )
        return self._model(trained)

    def _model(self, trained: TrainedCandidate) -> Model:
        about = {
            "data": self.features.name,
            "protocol": self.config.protocol,
            "encoding": self.config.encoding,
            "recipe": self.config.recipe.name,
            "seed": self.config.seed,
        }
        return Model(trained.heads[0][0], self.features.class_names, self.features.backbone, about)


def default_algorithm(objectives: Sequence[str]) -> str:
    """The published algorithm: the steady-state GA for one objective, NSGA-II for several."""
    return "genetic" if len(objectives) == 1 else "nsga2"
