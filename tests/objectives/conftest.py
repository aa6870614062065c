"""A small task with rows of another distribution, and pytorch-ood to compare with."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest

from evoprune.backbones._torchvision_import import import_optional
from evoprune.data import Fold
from evoprune.errors import BackboneError
from evoprune.heads import Head, parse_encoding
from evoprune.objectives._objectives import CORRUPTED
from evoprune.training import FAST, TrainedCandidate, TrainingSet, train_population

HEAD = Head(16)
RECIPE = FAST.model_copy(update={"epochs": 6, "batch_size": 32, "learning_rate": 1e-2})


def make_data() -> TrainingSet:
    """240 rows of 12 features, three classes, two folds; other and corrupted rows beside each fold."""
    rng = np.random.default_rng(3)
    centres = np.zeros((3, 12))
    centres[:, :6] = rng.normal(scale=1.4, size=(3, 6))
    y = rng.permutation(np.repeat(np.arange(3), 80))
    X = (centres[y] + rng.normal(size=(240, 12))).astype(np.float32)
    folds = tuple(
        Fold(np.concatenate([np.arange(start), np.arange(start + 70, 240)]), np.arange(start, start + 70))
        for start in (0, 120)
    )
    extra = {"ood": tuple(rng.normal(scale=1.5, size=(n, 12)).astype(np.float32) for n in (50, 61))}
    for number, kind in enumerate(CORRUPTED):
        extra[kind] = tuple(
            (X[fold.evaluate] + rng.normal(scale=number, size=(70, 12))).astype(np.float32) for fold in folds
        )
    return TrainingSet(X, y, 3, folds, extra)


@pytest.fixture(scope="session")
def data() -> TrainingSet:
    return make_data()


@pytest.fixture(scope="session")
def trained(data) -> TrainedCandidate:
    """The head with everything on, two folds and two seeds."""
    plan = parse_encoding("features", HEAD, width=12, classes=3)
    (candidate,) = train_population(data, [plan.decode(plan.dense_genome())], head=HEAD, recipe=RECIPE, seeds=[0, 1])
    return candidate


@pytest.fixture(scope="session")
def pytorch_ood() -> ModuleType:
    """The library pytorch-ood with its detectors, skipped where it is absent."""
    try:
        # It imports torchvision, which needs mending where its build does not fit that of torch.
        import_optional("torchvision", needed_by="pytorch-ood")
    except BackboneError as error:
        pytest.skip(f"pytorch-ood needs torchvision: {error}")
    pytest.importorskip("pytorch_ood.detector", reason="pytorch-ood is not installed")
    return pytest.importorskip("pytorch_ood")
