"""The whole way from data to result, in memory or in a run folder."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evoprune.workflow._conclusion import reference_point
    from evoprune.workflow._config import RunConfig, make_config, read_config
    from evoprune.workflow._ensemble import make_ensemble
    from evoprune.workflow._ensemble_contest import ENSEMBLE_METHODS, EnsembleContest, default_vote
    from evoprune.workflow._ensemble_controls import random_mask
    from evoprune.workflow._explain import Explain, explain
    from evoprune.workflow._explained_front import ExplainedFront, read_front
    from evoprune.workflow._export import ExportRequest, export
    from evoprune.workflow._export_source import run_of
    from evoprune.workflow._extras import exposed_rows, extra_rows
    from evoprune.workflow._front import Front
    from evoprune.workflow._hears_result import HearsResult
    from evoprune.workflow._kinds import ENSEMBLE, EXPERIMENT, require_room
    from evoprune.workflow._load_run import Run, load_run
    from evoprune.workflow._merge import merge, read_merged
    from evoprune.workflow._plan import read_plan, write_plan
    from evoprune.workflow._result import Result, Scores, Solution
    from evoprune.workflow._run import Listeners, execute, load_features, make_study
    from evoprune.workflow._run_folder import RunFolder
    from evoprune.workflow._select import SIZES, Choice, choose
    from evoprune.workflow._status import RunSettings, RunStatus, find_runs, read_settings, read_status, seed_folders
    from evoprune.workflow._study import UNLIMITED, Study, default_algorithm

_HOMES = {
    "ENSEMBLE": "_kinds",
    "ENSEMBLE_METHODS": "_ensemble_contest",
    "EXPERIMENT": "_kinds",
    "SIZES": "_select",
    "Choice": "_select",
    "EnsembleContest": "_ensemble_contest",
    "Explain": "_explain",
    "ExplainedFront": "_explained_front",
    "ExportRequest": "_export",
    "Front": "_front",
    "HearsResult": "_hears_result",
    "Listeners": "_run",
    "Result": "_result",
    "Run": "_load_run",
    "RunConfig": "_config",
    "RunFolder": "_run_folder",
    "RunSettings": "_status",
    "RunStatus": "_status",
    "Scores": "_result",
    "Solution": "_result",
    "Study": "_study",
    "UNLIMITED": "_study",
    "choose": "_select",
    "default_algorithm": "_study",
    "default_vote": "_ensemble_contest",
    "execute": "_run",
    "explain": "_explain",
    "export": "_export",
    "exposed_rows": "_extras",
    "extra_rows": "_extras",
    "find_runs": "_status",
    "load_features": "_run",
    "load_run": "_load_run",
    "make_config": "_config",
    "make_ensemble": "_ensemble",
    "make_study": "_run",
    "merge": "_merge",
    "random_mask": "_ensemble_controls",
    "read_config": "_config",
    "read_front": "_explained_front",
    "read_merged": "_merge",
    "read_plan": "_plan",
    "read_settings": "_status",
    "read_status": "_status",
    "reference_point": "_conclusion",
    "require_room": "_kinds",
    "run_of": "_export_source",
    "seed_folders": "_status",
    "write_plan": "_plan",
}

__all__ = [
    "ENSEMBLE",
    "ENSEMBLE_METHODS",
    "EXPERIMENT",
    "SIZES",
    "UNLIMITED",
    "Choice",
    "EnsembleContest",
    "Explain",
    "ExplainedFront",
    "ExportRequest",
    "Front",
    "HearsResult",
    "Listeners",
    "Result",
    "Run",
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
    "exposed_rows",
    "extra_rows",
    "find_runs",
    "load_features",
    "load_run",
    "make_config",
    "make_ensemble",
    "make_study",
    "merge",
    "random_mask",
    "read_config",
    "read_front",
    "read_merged",
    "read_plan",
    "read_settings",
    "read_status",
    "reference_point",
    "require_room",
    "run_of",
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
