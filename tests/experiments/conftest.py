"""Small features and settings for experiments whose tasks are computed in this process."""

from __future__ import annotations

import numpy as np
import pytest

from evoprune.experiments import Experiment, Settings
from evoprune.experiments._tasks import Row
from evoprune.features import Features, from_arrays
from evoprune.training import FAST
from evoprune.workflow import RunConfig, make_config
from tests.workflow.conftest import make_features

QUICK = {"epochs": 5, "batch_size": 32, "learning_rate": 2e-2, "input_dropout": 0.0}


def make_settings(**changes) -> RunConfig:
    settings = {
        "data": "blobs",
        "kind": "arrays",
        "head": (8,),
        "recipe": FAST.model_copy(update=QUICK),
        "search": {"population": 6},
    }
    return make_config(**{**settings, **changes})


def computed(experiment: Experiment, features: Features, config: RunConfig, settings: Settings) -> list[Row]:
    """The rows of all tasks of an experiment on one data set."""
    tasks = experiment.tasks({features.name: config}, settings)
    return [row for task in tasks for row in task.compute(features, task.config, task.arguments)]


def cells(report: str, start: str) -> list[str]:
    """The cells of the one line of a report's tables that starts like this, without the first."""
    (line,) = (line for line in report.splitlines() if line.startswith(f"| {start} |"))
    return [cell.strip() for cell in line.split("|")[2:-1]]


def with_outliers(blobs: Features, mean: float, deviation: float) -> Features:
    """The blobs, and 120 rows that lie elsewhere: normal around `mean` in each feature."""
    division = blobs.divisions[0]
    X, y = blobs.X, blobs.y
    others = np.random.default_rng(5).normal(mean, deviation, size=(120, 16)).astype(np.float32)
    rows = [division.train, division.test]
    return from_arrays(X[rows[0]], y[rows[0]], X[rows[1]], y[rows[1]], name="blobs", ood=[others])


@pytest.fixture(scope="session")
def blobs() -> Features:
    """300 rows of 16 features, classes a, b and c; half of the features say nothing."""
    return make_features()


@pytest.fixture(scope="session")
def small() -> RunConfig:
    return make_settings()
