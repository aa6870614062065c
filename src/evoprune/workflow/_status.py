"""Where runs stand, read from their folders alone and without what it takes to run them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel

from evoprune.errors import StorageError
from evoprune.study import Store
from evoprune.workflow._run_folder import RunFolder
from evoprune.workflow._summary import is_whole
from evoprune.workflow._toml import read_toml

_SEED = re.compile(r"seed-\d+")


@dataclass(frozen=True)
class RunStatus:
    """Where a run stands.

    Attributes:
        folder: the run's folder.
        evaluations: finished evaluations.
        budget: their total when the run is complete.
        protocol: `nested` or `paper`.
        summary: the result as JSON object, or None before the run is complete.
        encoding: what the bits of a genome mean.
        backbone: name of the backbone, None for features.
        date: when the last evaluation was committed, UTC; None before the first.
    """

    folder: RunFolder
    evaluations: int
    budget: int
    protocol: str
    summary: dict[str, Any] | None
    encoding: str
    backbone: str | None
    date: datetime | None


class RunSettings(BaseModel):
    """The part of a configuration that is needed to show a run and to use its model.

    Attributes:
        evaluations: their total when the run is complete.
        protocol: `nested` or `paper`.
        encoding: what the bits of a genome mean.
        backbone: name of the backbone, None for features.
        weights: file with its weights, where they do not come with its name.
    """

    evaluations: int
    protocol: Literal["nested", "paper"]
    encoding: str = "features"
    backbone: str | None = None
    weights: str | None = None


def read_settings(folder: RunFolder) -> RunSettings:
    """These settings of the run in a folder.

    Raises:
        StorageError: there is no run.
        ConfigError: its configuration is damaged.
    """
    folder.require()
    return read_toml(folder.config, RunSettings)


def read_status(folder: RunFolder) -> RunStatus:
    """Where the run in a folder stands. May be called while another process writes to it.

    Raises:
        StorageError: there is no run, or it is damaged.
        ConfigError: its configuration is damaged.
    """
    settings = read_settings(folder)
    kind = (settings.encoding, settings.backbone)
    if not folder.store.is_file():
        return RunStatus(folder, 0, settings.evaluations, settings.protocol, None, *kind, None)
    store = Store(folder.store)
    try:
        done, summary, date = len(store), store.result("summary"), store.last_finished()
    finally:
        store.close()
    # A result of fewer evaluations is that of the run before it was extended.
    if summary is not None and (not is_whole(summary) or summary["evaluations"] != done):
        summary = None
    # The folder may have been moved since.
    named = None if summary is None else {**summary, "run": str(folder.path)}
    return RunStatus(folder, done, max(done, settings.evaluations), settings.protocol, named, *kind, date)


def find_runs(root: Path) -> list[RunFolder]:
    """The run folders directly below a folder, by name; the folder itself where it is one.

    Raises:
        StorageError: the folder cannot be read.
    """
    try:
        candidates = [root, *sorted(root.iterdir())] if root.is_dir() else []
        # Several seeds of one search lie together in a folder of their own.
        candidates += [inner for folder in candidates[1:] for inner in seed_folders(folder)]
    except OSError as error:
        raise StorageError(f"{root} cannot be read: {error.strerror or error}; name another folder") from error
    return [folder for folder in map(RunFolder, sorted(candidates)) if folder.config.is_file()]


def seed_folders(folder: Path) -> list[Path]:
    """The run folders that `--runs` makes within one folder, by their seeds; none where it is not there."""
    if not folder.is_dir():
        return []
    found = [path for path in folder.iterdir() if _SEED.fullmatch(path.name) and (path / "config.toml").is_file()]
    return sorted(found, key=lambda path: int(path.name.removeprefix("seed-")))
