"""A run from its configuration: load or extract the features, then study them."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from evoprune._version import __version__
from evoprune.backbones import load_backbone
from evoprune.data import ImageSet, load_images, parse_dataset_csv, partition
from evoprune.errors import ConfigError, EvoPruneError
from evoprune.executors import Executor, Here
from evoprune.features import Compute, Features, Progress, extract, from_feature_file
from evoprune.heads import Head, parse_encoding
from evoprune.objectives import get_objectives, get_ood_score
from evoprune.search import create
from evoprune.study import Callback, Interrupted
from evoprune.training import resolve_device
from evoprune.workflow._config import RunConfig
from evoprune.workflow._result import Result
from evoprune.workflow._run_folder import RunFolder
from evoprune.workflow._study import Study

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Listeners:
    """Who hears what during a run.

    Attributes:
        extraction: called with images done and to do.
        notify: called with a sentence worth knowing.
        study: called once the features are there, before the search.
        callbacks: told at the start of the search and after each committed batch of evaluations.
        should_stop: asked before each batch.
        report: called with the trainings done and to do for the report, after the search.
    """

    extraction: Progress | None = None
    notify: Callable[[str], None] | None = None
    study: Callable[[Study], None] | None = None
    callbacks: Sequence[Callback] = ()
    should_stop: Callable[[], bool] = lambda: False
    report: Callable[[int, int], None] | None = None


def load_features(config: RunConfig, listeners: Listeners = Listeners(), compute: Compute | None = None) -> Features:
    """The features that a configuration names: from a feature file, or extracted from images.

    Args:
        config: of the run.
        listeners: who hears what.
        compute: what puts images through the backbone; None for this process.

    Raises:
        ConfigError: the features were given from Python and cannot be loaded again; or folds that
            the data set does not have are asked for.
        DataError, BackboneError, StorageError: as for `extract` and `from_feature_file`.
    """
    if config.kind == "arrays":
        raise ConfigError(
            f"the features {config.data!r} of this run were given from Python; continue it there, "
            "with the same features: Study(features, output=...).run()"
        )
    if config.kind == "features":
        return from_feature_file(
            config.data, seed=config.data_seed, ood=config.ood, notify=_Extraction(listeners).notify
        )
    images = load_image_set(config)
    # Said now rather than after minutes of extraction.
    partition(
        images.divisions,
        images.labels,
        protocol=config.protocol,
        folds=config.folds,
        held_out=config.held_out,
        seed=config.data_seed,
    )
    heard = _Extraction(listeners)
    features = extract(
        images,
        load_backbone(config.backbone or "tiny", config.weights),
        skip_broken=config.skip_broken,
        progress=heard.progress,
        notify=heard.notify,
        seed=config.data_seed,
        ood=config.ood,
        # Inner folds evaluate candidates on training rows too.
        corruptions="corruption" in config.objectives and ("all" if config.folds > 1 else True),
        compute=compute,
    )
    logger.info(
        "features: %d image(s) went through backbone %s, the others were cached", heard.computed, config.backbone
    )
    return features


class _Extraction:
    """Passes on what is heard of an extraction, and keeps it for the log."""

    def __init__(self, listeners: Listeners) -> None:
        self.listeners = listeners
        self.computed = 0
        self._done: int | None = None

    def progress(self, done: int, total: int) -> None:
        # Each extraction (of the data set, of others, of corrupted images) first says where it starts.
        self.computed += 0 if self._done is None else done - self._done
        self._done = None if done == total else done
        if self.listeners.extraction is not None:
            self.listeners.extraction(done, total)

    def notify(self, sentence: str) -> None:
        logger.warning("%s", sentence)
        if self.listeners.notify is not None:
            self.listeners.notify(sentence)


def load_image_set(config: RunConfig) -> ImageSet:
    """The labelled images that a configuration names, not yet decoded."""
    if config.kind == "published":
        sets = parse_dataset_csv(config.data)
        for data in sets:
            if config.dataset in (None, data.name):
                return data.load()
        raise ConfigError(f"{config.data} has no data set {config.dataset!r} any more; put it back, or start anew")
    return load_images(config.data, split=config.split, seed=config.data_seed)


def execute(
    config: RunConfig,
    folder: RunFolder,
    listeners: Listeners = Listeners(),
    executor: Executor = Here(),  # noqa: B008 - it has no state
) -> Result:
    """Run a configuration in a folder, or continue the run that is there.

    Args:
        config: what to run.
        folder: of the run.
        listeners: who hears what.
        executor: who measures candidates.

    Raises:
        StorageError: the folder is in use, damaged, or cannot be written to.
        ConfigError: a setting is unknown or does not fit the others; or the folder holds a run
            with other settings, and the differences are listed.
        DataError, BackboneError: the data or the backbone cannot be had.
        Interrupted: `should_stop` said so; everything evaluated is stored.
    """
    _check_names(config)
    with folder.locked():
        known = folder.config.exists()
        folder.claim(config)
        with nullcontext() if known else _withdrawn_if_refused(folder), folder.logging():
            logger.info("evoprune %s, process %d: %s in %s", __version__, os.getpid(), config.data, folder.path)
            study = Study.from_config(_logged_features(config, listeners, executor.compute), config, folder, executor)
            if listeners.study is not None:
                listeners.study(study)
            return study.run_locked(
                callbacks=listeners.callbacks, should_stop=listeners.should_stop, on_report=listeners.report
            )


def make_study(folder: RunFolder) -> Study:
    """The study of an existing run, with the features it was made with.

    Raises:
        StorageError, ConfigError, DataError, BackboneError: the run or its features cannot be had.
    """
    config = folder.existing_config()
    return Study.from_config(load_features(config), config, folder)


def _check_names(config: RunConfig) -> None:
    """Refuse unknown names, and settings that do not go together on any data, before a folder is made.

    Raises:
        ConfigError: there are such settings.
    """
    parse_encoding(config.encoding, Head(*config.head), width=1, classes=2)
    maximize = tuple(objective.maximize for objective in get_objectives(config.objectives))
    get_ood_score(config.ood_score)
    for source in config.ood if config.kind == "images" else ():
        if not source.startswith("class:") and Path(config.data) in (Path(source), *Path(source).parents):
            raise ConfigError(
                f"{source} lies in the data folder {config.data}, where its images are those of a class; "
                "move it out of there, or hold the class out with class:NAME"
            )
    resolve_device(config.device)
    algorithm = create(config.algorithm, length=1, maximize=maximize, seed=config.seed, options=config.search)
    if config.asynchronous:
        algorithm.require_steady()


@contextmanager
def _withdrawn_if_refused(folder: RunFolder) -> Iterator[None]:
    """Leave no run behind where the data, the backbone or a setting was refused."""
    try:
        yield
    except Interrupted:
        raise
    except EvoPruneError:
        folder.withdraw()
        raise


def _logged_features(config: RunConfig, listeners: Listeners, compute: Compute | None) -> Features:
    features = load_features(config, listeners, compute)
    logger.info(
        "features: %s, %d rows, %d features, %d classes, %d unreadable image(s) left out, %d duplicate(s)",
        features.name,
        len(features.y),
        features.width,
        features.classes,
        len(features.broken),
        features.duplicates,
    )
    return features
