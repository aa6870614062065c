"""The whole way from data to result, in memory or in a run folder."""

from evoprune.workflow._config import RunConfig, make_config, read_config
from evoprune.workflow._result import Result, Scores, Solution
from evoprune.workflow._run import Listeners, RunStatus, execute, find_runs, load_features, read_status
from evoprune.workflow._run_folder import RunFolder
from evoprune.workflow._study import Study, default_algorithm

__all__ = [
    "Listeners",
    "Result",
    "RunConfig",
    "RunFolder",
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
    "read_status",
]
