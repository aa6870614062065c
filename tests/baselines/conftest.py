"""A small task in which few features matter, and everything that belongs to it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from evoprune.baselines import SelectionData
from evoprune.heads import Head, parse_encoding
from evoprune.training import FAST

WIDTH, PLANTED, CLASSES = 40, 6, 3

QUICK = FAST.model_copy(update={"epochs": 10, "batch_size": 32, "input_dropout": 0.2})


def make_data(rows: int, rng: np.random.Generator, centres: np.ndarray, places: np.ndarray):
    y = np.arange(rows) % CLASSES
    X = rng.normal(size=(rows, WIDTH))
    X[:, places] += centres[y]
    # Features of other means and deviations: nothing may depend on them.
    return (X * np.linspace(0.5, 4, WIDTH) + np.linspace(-3, 8, WIDTH)).astype(np.float32), y


@pytest.fixture(scope="session")
def planted() -> np.ndarray:
    """Numbers of the features that tell the classes apart, ascending."""
    return np.sort(np.random.default_rng(5).permutation(WIDTH)[:PLANTED])


@pytest.fixture(scope="session")
def data(planted) -> SelectionData:
    """Three classes, 240 training and 120 validation rows of 40 features, of which 6 matter."""
    rng = np.random.default_rng(11)
    # Every feature tells all three classes apart, not well enough to make another one needless.
    centres = np.stack([rng.permutation([-1.0, 0.0, 1.0]) for _ in range(PLANTED)], axis=1)
    X, y = make_data(240, rng, centres, planted)
    X_val, y_val = make_data(120, rng, centres, planted)
    return SelectionData(X, y, CLASSES, X_val, y_val, Head(16), QUICK)


@pytest.fixture(scope="session")
def setting(data):
    """Data and encoding of a name: one hidden layer for `features`, two otherwise."""

    def make(name):
        head = data.head if name == "features" else Head(20, 12)
        return replace(data, head=head), parse_encoding(name, head, width=WIDTH, classes=CLASSES)

    return make
