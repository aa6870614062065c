"""The objectives by name: the built-in ones, and those that a user registers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from evoprune._types import Float32Array, FloatArray, IntArray
from evoprune.errors import ConfigError
from evoprune.objectives._classification import (
    accuracy_score,
    balanced_accuracy_score,
    calibrated_cross_entropy,
    calibration_error,
    cross_entropy,
    f1_score,
)
from evoprune.objectives._evaluated import OOD, Evaluated, Objective, mean_over_folds, mean_over_values
from evoprune.objectives._lookup import unknown
from evoprune.objectives._ood_metrics import aupr, auroc, fpr_at_tpr
from evoprune.objectives._regression import mean_squared_error, r2_score

CORRUPTED = tuple(f"corrupted:{kind}" for kind in ("noise", "blur", "contrast", "jpeg"))
"""Names of the extra rows that hold corrupted evaluation images, one kind of corruption each."""


def _of_labels(
    name: str,
    title: str,
    maximize: bool,
    upper: float,
    score: Callable[[Float32Array, IntArray, FloatArray | None], float],
) -> Objective:
    """An objective that judges logits by class numbers, from 0 up."""
    return Objective(name, title, maximize, 0.0, upper, lambda c: mean_over_folds(c, score), task="classification")


def _of_values(
    name: str,
    title: str,
    maximize: bool,
    lower: float,
    upper: float,
    score: Callable[[Float32Array, Float32Array | FloatArray, FloatArray | None], float],
) -> Objective:
    """An objective that judges predicted values."""
    return Objective(name, title, maximize, lower, upper, lambda c: mean_over_values(c, score), task="regression")


def _of_detection(
    name: str, title: str, maximize: bool, metric: Callable[[FloatArray, FloatArray], FloatArray]
) -> Objective:
    """Mean over folds of the mean over seeds of a metric of out-of-distribution detection."""

    def compute(candidate: Evaluated) -> float:
        return float(np.mean([metric(*scores).mean() for scores in candidate.ood_scores]))

    return Objective(name, title, maximize, 0.0, 1.0, compute, needs=(OOD,), task="classification")


def _corrupted_accuracy(candidate: Evaluated) -> float:
    """Accuracy on corrupted evaluation images: mean over kinds of corruption, folds and seeds."""
    return float(
        np.mean(
            [
                accuracy_score(logits, labels, weights)
                for kind in CORRUPTED
                for fold, labels, weights in zip(
                    candidate.trained.extra[kind], candidate.labels, candidate.weights, strict=True
                )
                for logits in fold
            ]
        )
    )


OBJECTIVES = {
    objective.name: objective
    for objective in (
        _of_labels("accuracy", "accuracy", True, 1.0, accuracy_score),
        _of_labels("loss", "cross entropy", False, np.inf, cross_entropy),
        _of_labels("calibrated_loss", "calibrated cross entropy", False, np.inf, calibrated_cross_entropy),
        _of_labels("f1", "macro F1", True, 1.0, f1_score),
        _of_labels("balanced_accuracy", "balanced accuracy", True, 1.0, balanced_accuracy_score),
        Objective("active", "active share", False, 0.0, 1.0, lambda c: float(c.genome.mean())),
        Objective("parameters", "parameters", False, 0.0, np.inf, lambda c: float(c.trained.heads[0][0].parameters)),
        Objective("flops", "multiply-adds", False, 0.0, np.inf, lambda c: float(c.trained.heads[0][0].multiply_adds)),
        _of_detection("ood", "OOD AUROC", True, auroc),
        _of_detection("ood_aupr", "OOD AUPR", True, aupr),
        _of_detection("ood_fpr95", "OOD FPR at 95 % TPR", False, fpr_at_tpr),
        _of_labels("calibration", "calibration error", False, 1.0, calibration_error),
        Objective(
            "corruption",
            "accuracy on corrupted images",
            True,
            0.0,
            1.0,
            _corrupted_accuracy,
            needs=CORRUPTED,
            task="classification",
        ),
        _of_values("mse", "mean squared error", False, 0.0, np.inf, mean_squared_error),
        _of_values("r2", "R2", True, -np.inf, 1.0, r2_score),
    )
}


def get_objectives(names: Sequence[str]) -> tuple[Objective, ...]:
    """The objectives of some names, in their order.

    Raises:
        ConfigError: none, an unknown or a repeated name.
    """
    if not names:
        raise ConfigError(f"no objective is given; choose among {', '.join(OBJECTIVES)}")
    for name in names:
        if name not in OBJECTIVES:
            raise unknown("objective", name, OBJECTIVES, ", or register it (register_objective) before the run")
    if len(set(names)) < len(names):
        raise ConfigError(f"objectives {', '.join(names)} name one twice; give each once")
    return tuple(OBJECTIVES[name] for name in names)
