"""The whole way from data to result, in memory or in a run folder."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evoprune.workflow._config import RunConfig, make_config, read_config
    from evoprune.workflow._result import Result, Scores, Solution
    from evoprune.workflow._run import Listeners, execute, load_features
    from evoprune.workflow._run_folder import RunFolder
    from evoprune.workflow._status import RunSettings, RunStatus, find_runs, read_settings, read_status
    from evoprune.workflow._study import Study, default_algorithm

_HOMES = {
    "Listeners": "_run",
    "Result": "_result",
    "RunConfig": "_config",
    "RunFolder": "_run_folder",
    "RunSettings": "_status",
    "RunStatus": "_status",
    "Scores": "_result",
    "Solution": "_result",
    "Study": "_study",
    "default_algorithm": "_study",
    "execute": "_run",
    "find_runs": "_status",
    "load_features": "_run",
    "make_config": "_config",
    "read_config": "_config",
    "read_settings": "_status",
    "read_status": "_status",
}

__all__ = [
    "Listeners",
    "Result",
    "RunConfig",
    "RunFolder",
    "RunSettings",
    "RunStatus",
    "Scores",
    "Solution",
    "Study",
    "default_algorithm",
    "execute",
    "find_runs",
    "load_features",
    "make_config",
    "read_config",
    "read_settings",
    "read_status",
]


def __getattr__(name: str) -> Any:
    # Names load their module when first used, so that a result is shown without torch.
    if name not in _HOMES:
        raise AttributeError(f"module 'evoprune.workflow' has no attribute {name!r}")
    return getattr(import_module(f"evoprune.workflow.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
