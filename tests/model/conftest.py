"""Models of random weights on the bundled backbone, and images for them."""

from __future__ import annotations

import numpy as np
import pytest

from evoprune.backbones import load_backbone
from evoprune.heads import CompactHead, EnsembleHead, Head, compact, dense_structure
from evoprune.model import Model, Rejection, fit_score

NAMES = ("cat", "dög", "[red]", "a|b", "unknown")


def random_head(width: int, *, hidden=(12,), classes: int = 5, share: float = 0.15, seed: int = 0) -> CompactHead:
    """A compact head that reads about this share of the features."""
    rng = np.random.default_rng(seed)
    head = Head(*hidden)
    structure = dense_structure(head, width)
    structure.inputs[:] = rng.random(width) < share
    matrices = tuple((rng.normal(size=s) / np.sqrt(s[0])).astype(np.float32) for s in head.shapes(width, classes))
    biases = (*(None for _ in hidden), rng.normal(size=classes).astype(np.float32))
    return compact(tuple(4 * m for m in matrices), biases, structure)


@pytest.fixture(scope="session")
def tiny():
    return load_backbone("tiny")


@pytest.fixture(scope="session")
def pixels():
    """Seven images of different sizes, of large and small patches."""
    rng = np.random.default_rng(1)
    sizes = [(40, 60), (32, 32), (8, 8), (100, 31), (64, 64), (33, 90), (50, 50)]
    return [rng.integers(0, 256, (*size, 3), dtype=np.uint8) for size in sizes]


@pytest.fixture(scope="session")
def batch(tiny, pixels):
    return np.stack([tiny.prepare(image) for image in pixels])


@pytest.fixture(scope="session")
def features(tiny, batch):
    return tiny.extract(batch)


@pytest.fixture(scope="session")
def training(tiny):
    """Features and labels that scores in feature space are fitted to."""
    rng = np.random.default_rng(2)
    return np.abs(rng.normal(size=(150, tiny.width))).astype(np.float32), np.arange(150) % 5


def make_head(kind: str, width: int):
    if kind == "two layers":
        return random_head(width, hidden=(12, 9))
    if kind in ("soft", "majority"):
        # The first member votes twice.
        members = tuple(random_head(width, seed=seed) for seed in (1, 2, 3, 1))
        return EnsembleHead(members, kind)
    return random_head(width, share=0.0 if kind == "reads nothing" else 0.15)


def make_model(kind: str, backbone, training=None, score: str = "odin", reference=None) -> Model:
    """A model whose threshold lies in the middle of the scores of some features."""
    head = make_head(kind, backbone.width)
    if training is None:
        return Model(head, NAMES, backbone, {"seed": 3})
    rejection = Rejection(score, 0.0, 0.95, fit_score(score, head, *training))
    scores = np.sort(rejection.scores(head, reference))
    threshold = float(scores[len(scores) // 2 - 1 : len(scores) // 2 + 1].mean())
    return Model(head, NAMES, backbone, {"seed": 3}, Rejection(score, threshold, 0.95, rejection.fitted))
