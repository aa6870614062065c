"""The objectives by name: the built-in ones, and those that a user registers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from evoprune._types import FloatArray
from evoprune.errors import ConfigError
from evoprune.objectives._classification import (
    accuracy_score,
    balanced_accuracy_score,
    calibrated_cross_entropy,
    calibration_error,
    cross_entropy,
    f1_score,
)
from evoprune.objectives._evaluated import OOD, Evaluated, Objective, mean_over_folds
from evoprune.objectives._lookup import unknown
from evoprune.objectives._ood_metrics import aupr, auroc, fpr_at_tpr

CORRUPTED = tuple(f"corrupted:{kind}" for kind in ("noise", "blur", "contrast", "jpeg"))
"""Names of the extra rows that hold corrupted evaluation images, one kind of corruption each."""


def _detection(metric: Callable[[FloatArray, FloatArray], FloatArray]) -> Callable[[Evaluated], float]:
    """Mean over folds of the mean over seeds of a metric of out-of-distribution detection."""
    return lambda candidate: float(np.mean([metric(*scores).mean() for scores in candidate.ood_scores]))


def _corrupted_accuracy(candidate: Evaluated) -> float:
    """Accuracy on corrupted evaluation images: mean over kinds of corruption, folds and seeds."""
    return float(
        np.mean(
            [
                accuracy_score(logits, labels)
                for kind in CORRUPTED
                for fold, labels in zip(candidate.trained.extra[kind], candidate.labels, strict=True)
                for logits in fold
            ]
        )
    )


OBJECTIVES = {
    objective.name: objective
    for objective in (
        Objective("accuracy", "accuracy", True, 0.0, 1.0, lambda c: mean_over_folds(c, accuracy_score)),
        Objective("loss", "cross entropy", False, 0.0, np.inf, lambda c: mean_over_folds(c, cross_entropy)),
        Objective(
            "calibrated_loss",
            "calibrated cross entropy",
            False,
            0.0,
            np.inf,
            lambda c: mean_over_folds(c, calibrated_cross_entropy),
        ),
        Objective("f1", "macro F1", True, 0.0, 1.0, lambda c: mean_over_folds(c, f1_score)),
        Objective(
            "balanced_accuracy",
            "balanced accuracy",
            True,
            0.0,
            1.0,
            lambda c: mean_over_folds(c, balanced_accuracy_score),
        ),
        Objective("active", "active share", False, 0.0, 1.0, lambda c: float(c.genome.mean())),
        Objective("parameters", "parameters", False, 0.0, np.inf, lambda c: float(c.trained.heads[0][0].parameters)),
        Objective("flops", "multiply-adds", False, 0.0, np.inf, lambda c: float(c.trained.heads[0][0].multiply_adds)),
        Objective("ood", "OOD AUROC", True, 0.0, 1.0, _detection(auroc), needs=(OOD,)),
        Objective("ood_aupr", "OOD AUPR", True, 0.0, 1.0, _detection(aupr), needs=(OOD,)),
        Objective("ood_fpr95", "OOD FPR at 95 % TPR", False, 0.0, 1.0, _detection(fpr_at_tpr), needs=(OOD,)),
        Objective("calibration", "calibration error", False, 0.0, 1.0, lambda c: mean_over_folds(c, calibration_error)),
        Objective("corruption", "accuracy on corrupted images", True, 0.0, 1.0, _corrupted_accuracy, needs=CORRUPTED),
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
