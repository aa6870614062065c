"""A small classification task."""

from __future__ import annotations

import numpy as np
import pytest

from evoprune.data import Fold
from evoprune.training import TrainingSet


@pytest.fixture(scope="session")
def task() -> TrainingSet:
    """240 rows, 20 features of which 8 tell the three classes apart; two folds."""
    rng = np.random.default_rng(7)
    centres = np.zeros((3, 20))
    centres[:, :8] = rng.normal(scale=1.2, size=(3, 8))
    y = np.repeat(np.arange(3), 80)
    X = (centres[y] + rng.normal(size=(240, 20)) + 3).astype(np.float32)
    rows = rng.permutation(240)
    folds = tuple(
        Fold(np.sort(np.delete(rows, slice(i * 60, i * 60 + 60))), np.sort(rows[i * 60 : i * 60 + 60])) for i in (0, 1)
    )
    return TrainingSet(X, y, 3, folds)
