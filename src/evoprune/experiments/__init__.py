"""Experiments: the same comparison over methods, seeds and data sets, written as tables and figures."""

from evoprune.experiments._contest import SEARCHES
from evoprune.experiments._experiment import Experiment, Settings
from evoprune.experiments._registry import EXPERIMENTS, get_experiment
from evoprune.experiments._run import run_experiment
from evoprune.experiments._sparsity import ALWAYS_DENSE, FINER, titled
from evoprune.experiments._sparsity_table import SparsityTable, load_sparsity
from evoprune.experiments._tasks import Progress, Row, Task

__all__ = [
    "ALWAYS_DENSE",
    "EXPERIMENTS",
    "FINER",
    "SEARCHES",
    "Experiment",
    "Progress",
    "Row",
    "Settings",
    "SparsityTable",
    "Task",
    "get_experiment",
    "load_sparsity",
    "run_experiment",
    "titled",
]
