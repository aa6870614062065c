"""Objectives: what a candidate is judged by."""

from evoprune.objectives._classification import (
    accuracy_score,
    balanced_accuracy_score,
    calibrated_cross_entropy,
    calibration_error,
    cross_entropy,
    f1_score,
)
from evoprune.objectives._evaluated import Evaluated, Objective
from evoprune.objectives._objectives import OBJECTIVES, get_objectives
from evoprune.objectives._ood_detector import OOD_SCORES, Detector, OODScore, fit_detector, get_ood_score
from evoprune.objectives._ood_features import FeatureScore, Mahalanobis, NearestNeighbour
from evoprune.objectives._ood_metrics import aupr, auroc, fpr_at_tpr
from evoprune.objectives._ood_scores import ODIN_TEMPERATURE, energy, maxlogit, msp, odin
from evoprune.objectives._register import register_objective
from evoprune.objectives._regression import mean_squared_error, r2_score

__all__ = [
    "OBJECTIVES",
    "ODIN_TEMPERATURE",
    "OOD_SCORES",
    "Detector",
    "Evaluated",
    "FeatureScore",
    "Mahalanobis",
    "NearestNeighbour",
    "OODScore",
    "Objective",
    "accuracy_score",
    "aupr",
    "auroc",
    "balanced_accuracy_score",
    "calibrated_cross_entropy",
    "calibration_error",
    "cross_entropy",
    "energy",
    "f1_score",
    "fit_detector",
    "fpr_at_tpr",
    "get_objectives",
    "get_ood_score",
    "maxlogit",
    "mean_squared_error",
    "msp",
    "odin",
    "r2_score",
    "register_objective",
]
