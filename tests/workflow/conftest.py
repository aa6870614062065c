"""Small features for whole studies."""

from __future__ import annotations

import numpy as np
import pytest

from evoprune.features import Features, from_arrays
from evoprune.training import FAST, Recipe


def make_features(seed: int = 0, test_labels_shuffled: bool = False) -> Features:
    """300 rows of 16 features, three classes; half of the features say nothing."""
    rng = np.random.default_rng(seed)
    centres = np.zeros((3, 16))
    centres[:, :8] = rng.normal(scale=1.0, size=(3, 8))
    y = np.tile(np.arange(3), 100)
    X = (centres[y] + rng.normal(size=(300, 16))).astype(np.float32)
    y_test = rng.permutation(y[210:]) if test_labels_shuffled else y[210:]
    return from_arrays(X[:210], y[:210], X[210:], y_test, class_names=["a", "b", "c"], name="blobs")


@pytest.fixture(scope="session")
def features() -> Features:
    return make_features()


@pytest.fixture(scope="session")
def quick() -> Recipe:
    return FAST.model_copy(update={"epochs": 6, "batch_size": 32, "learning_rate": 2e-2, "input_dropout": 0.0})
