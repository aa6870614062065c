"""Rows whose labels depend on a few known features."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest

WIDTH = 24


class Planted(NamedTuple):
    """Features, labels, and which features the labels depend on."""

    X: np.ndarray
    y: np.ndarray
    informative: np.ndarray


def planted_rows(rows: int = 240, seed: int = 0) -> Planted:
    """Three classes; four of 24 features, at places drawn by the seed, differ between them."""
    rng = np.random.default_rng(seed)
    informative = np.zeros(WIDTH, dtype=bool)
    informative[rng.choice(WIDTH, size=4, replace=False)] = True
    y = np.arange(rows) % 3
    X = rng.normal(size=(rows, WIDTH))
    for feature in np.flatnonzero(informative):
        X[:, feature] += (1.5 * rng.permutation(3))[y]
    return Planted(X.astype(np.float32), y, informative)


@pytest.fixture(scope="session")
def planted() -> Planted:
    return planted_rows()


@pytest.fixture
def few_steps(monkeypatch):
    """Gates are trained so briefly that a whole elimination takes no time."""
    monkeypatch.setattr("evoprune.guidance._gates.FEWEST_STEPS", 12)
    monkeypatch.setattr("evoprune.guidance._gates.EPOCHS", 1)
