"""A run from its configuration: load or extract the features, then study them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evoprune.backbones import load_backbone
from evoprune.data import ImageSet, load_images, parse_dataset_csv
from evoprune.errors import ConfigError, StorageError
from evoprune.features import Features, Progress, extract, from_feature_file
from evoprune.study import Callback, Store
from evoprune.workflow._config import RunConfig
from evoprune.workflow._result import Result
from evoprune.workflow._run_folder import RunFolder
from evoprune.workflow._study import Study


@dataclass(frozen=True)
class Listeners:
    """Who hears what during a run.

    Attributes:
        extraction: called with images done and to do.
        notify: called with a sentence worth knowing.
        features: called once the features are there.
        callbacks: told after each committed batch of evaluations.
        should_stop: asked before each batch.
    """

    extraction: Progress | None = None
    notify: Callable[[str], None] | None = None
    features: Callable[[Features], None] | None = None
    callbacks: Sequence[Callback] = ()
    should_stop: Callable[[], bool] = lambda: False


def load_features(config: RunConfig, listeners: Listeners = Listeners()) -> Features:
    """The features that a configuration names: from a feature file, or extracted from images.

    Raises:
        ConfigError: the features were given from Python and cannot be loaded again.
        DataError, BackboneError, StorageError: as for `extract` and `from_feature_file`.
    """
    if config.kind == "arrays":
        raise ConfigError(
            f"the features {config.data!r} of this run were given from Python; continue it there, "
            "with the same features: Study(features, output=...).run()"
        )
    if config.kind == "features":
        return from_feature_file(config.data, seed=config.seed)
    return extract(
        load_image_set(config),
        load_backbone(config.backbone or "tiny", config.weights),
        skip_broken=config.skip_broken,
        progress=listeners.extraction,
        notify=listeners.notify,
    )


def load_image_set(config: RunConfig) -> ImageSet:
    """The labelled images that a configuration names, not yet decoded."""
    if config.kind == "published":
        return parse_dataset_csv(config.data)[0].load()
    return load_images(config.data, split=config.split, seed=config.seed)


def execute(config: RunConfig, folder: RunFolder, listeners: Listeners = Listeners()) -> Result:
    """Run a configuration in a folder, or continue the run that is there.

    Raises:
        StorageError: the folder is in use, damaged, or cannot be written to.
        ConfigError: it holds a run with other settings; the differences are listed.
        Interrupted: `should_stop` said so; everything evaluated is stored.
    """
    with folder.locked():
        folder.claim(config)
        features = load_features(config, listeners)
        if listeners.features is not None:
            listeners.features(features)
        study = Study.from_config(features, config, folder)
        return study.run_locked(callbacks=listeners.callbacks, should_stop=listeners.should_stop)


@dataclass(frozen=True)
class RunStatus:
    """Where a run stands, read from its folder alone.

    Attributes:
        folder: the run's folder.
        config: its configuration.
        evaluations: finished evaluations.
        summary: the result as JSON object, or None before the run is complete.
    """

    folder: RunFolder
    config: RunConfig
    evaluations: int
    summary: dict[str, Any] | None


def read_status(folder: RunFolder) -> RunStatus:
    """Where the run in a folder stands. May be called while another process writes to it.

    Raises:
        StorageError: there is no run, or it is damaged.
    """
    config = folder.existing_config()
    if not folder.store.is_file():
        return RunStatus(folder, config, 0, None)
    store = Store(folder.store)
    try:
        summary = store.result("summary")
        # A result of fewer evaluations is that of the run before it was extended.
        current = summary is not None and summary["evaluations"] == len(store)
        return RunStatus(folder, config, len(store), summary if current else None)
    except (json.JSONDecodeError, TypeError, KeyError) as error:
        raise StorageError(f"{folder.store} is damaged: its result cannot be read ({error!r})") from error
    finally:
        store.close()


def find_runs(root: Path) -> list[RunFolder]:
    """The run folders directly below a folder, by name."""
    if not root.is_dir():
        return []
    return [RunFolder(path) for path in sorted(root.iterdir()) if (path / "config.toml").is_file()]
