"""How a machine rounds: by a small training that gives other last digits where another processor does it."""

from __future__ import annotations

import hashlib
from typing import Literal

import numpy as np

from evoprune.data import Fold
from evoprune.heads import Head, dense_structure
from evoprune.training import FAST, Trainer, TrainingSet

_ROWS, _WIDTH, _UNITS, _CLASSES = 384, 192, 128, 4


def rounding(precision: Literal["float32", "bfloat16"], device: str) -> str:
    """SHA-256 of what a small training comes to on this machine, hexadecimal.

    Args:
        precision: of the large products.
        device: that is trained on.
    """
    rng = np.random.default_rng(0)
    X = rng.standard_normal((_ROWS, _WIDTH), dtype=np.float32)
    folds = (Fold(np.arange(0, _ROWS, 2), np.arange(1, _ROWS, 2)),)
    recipe = FAST.model_copy(update={"precision": precision, "epochs": 2})
    data = TrainingSet(X, np.arange(_ROWS) % _CLASSES, _CLASSES, folds)
    (trained,) = Trainer(data, Head(_UNITS), recipe, device).train([dense_structure(Head(_UNITS), _WIDTH)], [0])
    return hashlib.sha256(trained.logits[0][0].tobytes()).hexdigest()
