"""From what the user types to a tracker."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from evoprune.errors import ConfigError
from evoprune.trackers._package import require_package

if TYPE_CHECKING:
    from evoprune.trackers._tracker import Tracker
    from evoprune.workflow import Study

_NAMES = ("tensorboard", "mlflow")


def check_tracker(text: str) -> None:
    """Check what `make_tracker` is to be given, before there is a study.

    Raises:
        ConfigError: the name is unknown, or its package is not installed.
    """
    name, _ = _parts(text)
    require_package(name)


def make_tracker(text: str, study: Study, name: str, notify: Callable[[str], None] | None = None) -> Tracker:
    """The tracker of a name.

    Args:
        text: `tensorboard`, `tensorboard:FOLDER` (the files go into a folder of the run's name below it), `mlflow`,
            or `mlflow:URI`.
        study: that is followed.
        name: of the run.
        notify: as for `Tracker`.

    Raises:
        ConfigError: the name is unknown, its package is not installed, or it cannot be used.
    """
    kind, place = _parts(text)
    if kind == "mlflow":
        from evoprune.trackers._mlflow import MlflowTracker  # noqa: PLC0415

        return MlflowTracker(study, place or None, name, notify)
    from evoprune.trackers._tensorboard import TensorBoardTracker  # noqa: PLC0415

    return TensorBoardTracker(study, Path(place).expanduser() / name if place else None, notify)


def _parts(text: str) -> tuple[str, str]:
    name, colon, place = text.partition(":")
    if name not in _NAMES or (colon and not place):
        near = difflib.get_close_matches(name, _NAMES, n=1)
        hint = f"did you mean {near[0]!r}? " if near and name not in _NAMES else ""
        raise ConfigError(
            f"tracker {text!r} is unknown; {hint}give tensorboard, tensorboard:FOLDER, mlflow or mlflow:URI"
        )
    return name, place
