"""Experiments: the same comparison over methods, seeds and data sets, written as tables and figures."""

from evoprune.experiments._contest import SEARCHES
from evoprune.experiments._experiment import Experiment, Settings
from evoprune.experiments._registry import EXPERIMENTS, get_experiment
from evoprune.experiments._run import run_experiment
from evoprune.experiments._tasks import Progress, Row, Task

__all__ = [
    "EXPERIMENTS",
    "SEARCHES",
    "Experiment",
    "Progress",
    "Row",
    "Settings",
    "Task",
    "get_experiment",
    "run_experiment",
]
