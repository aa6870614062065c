"""Objectives: what a candidate is judged by."""

from evoprune.objectives._objectives import (
    OBJECTIVES,
    Evaluated,
    Objective,
    accuracy_score,
    cross_entropy,
    get_objectives,
)

__all__ = ["OBJECTIVES", "Evaluated", "Objective", "accuracy_score", "cross_entropy", "get_objectives"]
