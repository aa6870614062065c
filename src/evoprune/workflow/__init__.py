"""The whole way from data to result, in memory or in a run folder."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evoprune.workflow._config import RunConfig, make_config, read_config
    from evoprune.workflow._ensemble import make_ensemble
    from evoprune.workflow._ensemble_contest import ENSEMBLE_METHODS, EnsembleContest, default_vote
    from evoprune.workflow._explain import Explain, explain
    from evoprune.workflow._export import ExportRequest, export
    from evoprune.workflow._extras import extra_rows
    from evoprune.workflow._kinds import EXPERIMENT, require_room
    from evoprune.workflow._merge import merge, read_merged
    from evoprune.workflow._plan import read_plan, write_plan
    from evoprune.workflow._result import Result, Scores, Solution
    from evoprune.workflow._run import Listeners, execute, load_features, make_study
    from evoprune.workflow._run_folder import RunFolder
    from evoprune.workflow._select import SIZES, Choice, choose
    from evoprune.workflow._status import RunSettings, RunStatus, find_runs, read_settings, read_status, seed_folders
    from evoprune.workflow._study import GUIDED_FOLDS, UNLIMITED, Study, default_algorithm

_HOMES = {
    "ENSEMBLE_METHODS": "_ensemble_contest",
    "EXPERIMENT": "_kinds",
    "SIZES": "_select",
    "Choice": "_select",
    "EnsembleContest": "_ensemble_contest",
    "Explain": "_explain",
    "ExportRequest": "_export",
    "Listeners": "_run",
    "Result": "_result",
    "RunConfig": "_config",
    "RunFolder": "_run_folder",
    "RunSettings": "_status",
    "RunStatus": "_status",
    "Scores": "_result",
    "Solution": "_result",
    "Study": "_study",
    "UNLIMITED": "_study",
    "GUIDED_FOLDS": "_study",
    "choose": "_select",
    "default_algorithm": "_study",
    "default_vote": "_ensemble_contest",
    "execute": "_run",
    "explain": "_explain",
    "export": "_export",
    "extra_rows": "_extras",
    "find_runs": "_status",
    "load_features": "_run",
    "make_config": "_config",
    "make_ensemble": "_ensemble",
    "make_study": "_run",
    "merge": "_merge",
    "read_config": "_config",
    "read_merged": "_merge",
    "read_plan": "_plan",
    "read_settings": "_status",
    "read_status": "_status",
    "require_room": "_kinds",
    "seed_folders": "_status",
    "write_plan": "_plan",
}

__all__ = [
    "ENSEMBLE_METHODS",
    "EXPERIMENT",
    "GUIDED_FOLDS",
    "SIZES",
    "UNLIMITED",
    "Choice",
    "EnsembleContest",
    "Explain",
    "ExportRequest",
    "Listeners",
    "Result",
    "RunConfig",
    "RunFolder",
    "RunSettings",
    "RunStatus",
    "Scores",
    "Solution",
    "Study",
    "choose",
    "default_algorithm",
    "default_vote",
    "execute",
    "explain",
    "export",
    "extra_rows",
    "find_runs",
    "load_features",
    "make_config",
    "make_ensemble",
    "make_study",
    "merge",
    "read_config",
    "read_merged",
    "read_plan",
    "read_settings",
    "read_status",
    "require_room",
    "seed_folders",
    "write_plan",
]


def __getattr__(name: str) -> Any:
    # Names load their module when first used, so that a result is shown without torch.
    if name not in _HOMES:
        raise AttributeError(f"module 'evoprune.workflow' has no attribute {name!r}")
    return getattr(import_module(f"evoprune.workflow.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
