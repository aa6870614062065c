"""`Study`: the whole way from features to a result, in memory or in a run folder."""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from evoprune._types import BoolArray
from evoprune.data import Protocol, partition
from evoprune.errors import ConfigError, StorageError
from evoprune.executors import Executor, Here, make_executor
from evoprune.features import Features
from evoprune.guidance import Guidance, fitness_recipe, guidance_for, guided_recipe
from evoprune.heads import Head, default_head, parse_encoding
from evoprune.model import Model
from evoprune.objectives import get_objectives
from evoprune.problem import AT_A_TIME, Problem
from evoprune.search import Algorithm, Guide, SearchOptions, create
from evoprune.study import Callback, Store, StudyKey, search, search_asynchronously
from evoprune.training import Recipe, TrainingSet, get_recipe, resolve_device
from evoprune.workflow._conclusion import Conclusion, data_digest
from evoprune.workflow._config import RunConfig, make_config
from evoprune.workflow._extras import extra_rows
from evoprune.workflow._hears_result import told
from evoprune.workflow._remembered_guide import GuideMemory
from evoprune.workflow._result import Result
from evoprune.workflow._run_folder import RunFolder
from evoprune.workflow._scorer import SEEDS_A_RUN, Scorer
from evoprune.workflow._study_html import ShownInNotebooks

logger = logging.getLogger(__name__)

UNLIMITED = 1_000_000
"""Evaluations of a search that is limited in time alone."""

_DERIVED = ("summary", "scores", "data", "predictions", "random masks/", "test accuracy by labels/", "guide/")
"""What the names of results begin with that follow from evaluations, settings and features."""


class Study(ShownInNotebooks):
    """A search for the neurons worth keeping, on one set of features.

    Args:
        features: from `extract`, `from_feature_file` or `from_arrays`.
        head: shape of the head; by default the one that the encoding was published with.
        encoding: what a genome's bits mean: `features`, `first`, `second`, `both`, `connections`.
        objectives: one name for a single-objective search, several for a front.
        ood_score: by which out-of-distribution images are told from the data set's own: `odin`, `msp`,
            `energy`, `maxlogit`, `mahalanobis` or `knn`.
        recipe: `fast`, `paper` or a `Recipe`.
        device: that candidates are trained on: `cpu`, `cuda`, `cuda:1`, or `auto` for a GPU where there is one.
        algorithm: `genetic`, `nsga2`, `nsga3`, `spea2` or `random`; by default the published one for the objectives.
        search: settings of the algorithm.
        protocol: `nested` keeps the test part out of the search; `paper` is as published.
        folds: inner folds that fitness is averaged over.
        held_out: published fold whose test part is kept for the report.
        seed: of splits, search and training; the same seed gives the same result.
        split_seed: of splits alone, so that studies with several seeds share them; by default `seed`.
        report_seeds: trainings behind each figure of the result.
        soft_targets: train the heads of the front, once they are found, by what heads with everything on make of
            the training rows, for longer and in groups; by default with the guided algorithm. See
            `evoprune.training.soften` and `patient_recipe`.
        asynchronous: ask for the next candidate whenever one is done, instead of waiting for all that were asked;
            algorithms guided, genetic and random. With several workers what is found depends on their pace, so that
            another run may find something else; its order is kept, and a continued run repeats it.
        batch: candidates trained and committed at a time; by default 10, and more where there are many workers.
        executor: who measures candidates: `here`, `ray`, the address of a Ray cluster, or what `make_executor`
            gives. It changes no figure, and a run may be continued with another one.
        workers: how many of them.
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
        ood_score: str = "odin",
        recipe: str | Recipe = "fast",
        device: str = "cpu",
        algorithm: str | None = None,
        search: SearchOptions | None = None,
        protocol: Protocol = "nested",
        folds: int = 1,
        held_out: int = 0,
        seed: int = 0,
        split_seed: int | None = None,
        report_seeds: int = 5,
        soft_targets: bool | None = None,
        asynchronous: bool = False,
        batch: int | None = None,
        executor: str | Executor = "here",
        workers: int | None = None,
        output: str | Path | None = None,
    ) -> None:
        if not isinstance(executor, str) and workers is not None:
            raise ConfigError("workers are a matter of the executor that is given; give them to make_executor")
        trained = get_recipe(recipe, device)
        config = make_config(
            data=features.name,
            kind="arrays",
            backbone=None if features.backbone is None else features.backbone.name,
            head=(head or default_head(encoding)).hidden,
            encoding=encoding,
            recipe=guided_recipe(trained, encoding, seed) if algorithm == "guided" else trained,
            device=str(resolve_device(device)),
            objectives=tuple(objectives),
            ood=tuple(ood.name for ood in features.ood),
            ood_score=ood_score,
            algorithm=algorithm or default_algorithm(objectives),
            soft_targets=algorithm == "guided" and protocol == "nested" if soft_targets is None else soft_targets,
            search=search or SearchOptions(),
            protocol=protocol,
            folds=folds,
            held_out=held_out,
            seed=seed,
            split_seed=split_seed,
            report_seeds=report_seeds,
            asynchronous=asynchronous,
            batch=batch,
        )
        made = make_executor(executor, workers) if isinstance(executor, str) else executor
        self._set_up(features, config, None if output is None else RunFolder(output), made)

    @classmethod
    def from_config(
        cls,
        features: Features,
        config: RunConfig,
        folder: RunFolder | None = None,
        executor: Executor = Here(),  # noqa: B008 - it has no state
    ) -> Study:
        """A study with the settings of a configuration."""
        study = cls.__new__(cls)
        study._set_up(features, config, folder, executor)
        return study

    def _set_up(self, features: Features, config: RunConfig, folder: RunFolder | None, executor: Executor) -> None:
        self.executor = executor
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
            seed=config.data_seed,
        )
        folds = self.partition.search
        extra = extra_rows(features, folds, "search", protocol=config.protocol, seed=config.data_seed)
        self.problem = Problem(
            TrainingSet(features.X, features.y, features.classes, folds, extra),
            self.encoding,
            self._fitness_recipe(),
            get_objectives(config.objectives),
            seed=config.seed * SEEDS_A_RUN,
            ood_score=config.ood_score,
            device=config.device,
            workers=executor.workers,
        )
        scorer = Scorer(features, self.partition, self.problem, config)
        self.conclusion = Conclusion(features, config, self.problem, scorer, folder)
        # Made here so that settings that do not fit are refused before anything is computed.
        algorithm = self._new_algorithm()
        if config.asynchronous:
            algorithm.require_steady()

    def run(
        self,
        evaluations: int | None = None,
        *,
        seconds: float | None = None,
        callbacks: Sequence[Callback] = (),
        should_stop: Callable[[], bool] = lambda: False,
        on_report: Callable[[int, int], None] | None = None,
    ) -> Result:
        """Search until `evaluations` genomes have been evaluated in all, then measure on the test part.

        With a run folder this continues where an earlier call or process ended.

        Args:
            evaluations: the total, those of earlier sessions included; 200 by default, as published.
            seconds: of searching, after which it ends with what it has; without `evaluations` the only limit.
            callbacks: told at the start and after each committed batch; those with `on_result` also the result.
            should_stop: asked before each batch.
            on_report: called with the trainings done and to do for the report, after the search.

        Raises:
            Interrupted: `should_stop` said so; everything evaluated is stored.
            ConfigError: the folder holds a run with other settings.
            StorageError: the folder is in use, damaged, or cannot be written to.
        """
        if evaluations is not None or seconds is not None:
            limits = {"evaluations": evaluations or UNLIMITED, "seconds": seconds}
            self.config = make_config(**{**dict(self.config), **limits})
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
            with self.executor.running(_bytes(self.features)):
                self._search(store, tuple(callbacks), should_stop)
                self._keep_length(len(store))
                return told(self.conclusion.draw(store, on_report), callbacks)
        finally:
            store.close()

    def _search(self, store: Store, callbacks: tuple[Callback, ...], should_stop: Callable[[], bool]) -> None:
        # What guidance works out beforehand is part of the search, and of its time.
        began = time.perf_counter()
        guidance, config = self._guidance(store), self.config
        algorithm = self._new_algorithm(guidance.guide)
        if config.asynchronous:
            correction = guidance.correction
            search_asynchronously(
                algorithm,
                self.problem.stream(),
                store,
                budget=config.evaluations,
                adjust=None if correction is None else lambda genomes, values: values + correction.of(genomes),
                callbacks=callbacks,
                should_stop=should_stop,
                seconds=config.seconds,
                began=began,
            )
            return
        # Workers are not started to find that nothing is left to do.
        batch = config.batch or (self.problem.at_a_time if len(store) < config.evaluations else AT_A_TIME)
        search(
            algorithm,
            guidance.evaluate,
            store,
            budget=config.evaluations,
            batch=batch,
            callbacks=callbacks,
            should_stop=should_stop,
            seconds=config.seconds,
            began=began,
        )

    def _open_store(self) -> Store:
        parts = f"{self.config.identity()} {data_digest(self.features)}"
        fingerprint = hashlib.sha256(parts.encode()).hexdigest()
        return Store(
            None if self.folder is None else self.folder.store,
            StudyKey(self.encoding.length, self.config.objectives, fingerprint),
            recipe=self.config.recipe.name,
            derived=_DERIVED,
        )

    def _keep_length(self, evaluations: int) -> None:
        """After a search that was limited in time: it is from now on one of so many evaluations."""
        if self.config.seconds is None:
            return
        self.config = make_config(**{**dict(self.config), "evaluations": evaluations, "seconds": None})
        if self.folder is not None:
            self.folder.claim(self.config)

    def _fitness_recipe(self) -> Recipe:
        """What candidates are trained by; the published searches train them as their papers say."""
        if self.config.algorithm != "guided":
            return self.config.recipe
        return fitness_recipe(self.config.recipe, self.partition.search, len(self.partition.report[0].train))

    def _guidance(self, store: Store) -> Guidance:
        """What a guided search goes by, all that it works out kept in the store."""
        if self.config.algorithm != "guided":
            return Guidance(None, self.problem.evaluate)
        return guidance_for(self.problem, self.config.seed, memory=GuideMemory(store))

    def _new_algorithm(self, guide: Guide | None = None) -> Algorithm:
        return create(
            self.config.algorithm,
            length=self.encoding.length,
            maximize=self.problem.maximize,
            seed=self.config.seed,
            options=self.config.search,
            guide=guide,
        )

    def select(self, number: int, by: str, on_report: Callable[[int, int], None] | None = None) -> Result:
        """Make a member of the front the chosen one of a finished run.

        Args:
            number: of its evaluation.
            by: how it was chosen, in words.
            on_report: as for `run`.

        Raises:
            ConfigError: it is not on the front, or the study has no run folder.
            StorageError: the run is not finished, in use or damaged.
        """
        if self.folder is None:
            raise ConfigError("a study in memory keeps no choice; build() any member of its result's front instead")
        with self.folder.locked(), self.folder.logging():
            store = self._open_store()
            try:
                summary = store.result("summary")
                if summary is None or summary["evaluations"] != len(store):
                    raise StorageError(f"{self.folder.path} has no result yet; finish it first: evoprune resume")
                if number not in [member["id"] for member in summary["front"]]:
                    raise ConfigError(f"evaluation {number} is not on the front of {self.folder.path}")
                store.set_result("selected", {"id": number, "by": by})
                return self.conclusion.draw(store, on_report)
            finally:
                store.close()

    def build(self, genome: BoolArray) -> Model:
        """The model of a genome `[L]`: trained on all rows that are not test rows, with the first report seed."""
        return self.conclusion.scorer.build(genome)


def default_algorithm(objectives: Sequence[str]) -> str:
    """The published algorithm: the steady-state GA for one objective, NSGA-II for several."""
    return "genetic" if len(objectives) == 1 else "nsga2"


def _bytes(features: Features) -> int:
    """Size of all rows of a study, in bytes."""
    corrupted = 0 if features.corrupted is None else features.corrupted.X.nbytes
    return features.X.nbytes + sum(ood.X.nbytes for ood in features.ood) + corrupted
