"""Trackers: search callbacks that write into TensorBoard or MLflow."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evoprune.trackers._make import check_tracker, make_tracker
    from evoprune.trackers._mlflow import MlflowTracker
    from evoprune.trackers._tensorboard import TensorBoardTracker
    from evoprune.trackers._tracker import Tracker

_HOMES = {
    "MlflowTracker": "_mlflow",
    "TensorBoardTracker": "_tensorboard",
    "Tracker": "_tracker",
    "check_tracker": "_make",
    "make_tracker": "_make",
}

__all__ = ["MlflowTracker", "TensorBoardTracker", "Tracker", "check_tracker", "make_tracker"]


def __getattr__(name: str) -> Any:
    # Names load their module when first used: a tracker that is not there is refused without torch.
    if name not in _HOMES:
        raise AttributeError(f"module 'evoprune.trackers' has no attribute {name!r}")
    return getattr(import_module(f"evoprune.trackers.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
