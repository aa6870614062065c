"""Guidance: what training rows say about features, learned with gates."""

from evoprune.guidance._connections import ConnectionGuide
from evoprune.guidance._gates import GateData, gate_sizes
from evoprune.guidance._guidance import (
    GUIDED_OBJECTIVES,
    Guidance,
    Memory,
    fitness_recipe,
    guidance_for,
    guided_folds,
    guided_recipe,
)
from evoprune.guidance._guide import Adviser, Guide, guide_for
from evoprune.guidance._optimism import CorrectedProblem, Correction, measured_correction

__all__ = [
    "GUIDED_OBJECTIVES",
    "Adviser",
    "ConnectionGuide",
    "CorrectedProblem",
    "Correction",
    "GateData",
    "Guidance",
    "Guide",
    "Memory",
    "fitness_recipe",
    "gate_sizes",
    "guidance_for",
    "guide_for",
    "guided_folds",
    "guided_recipe",
    "measured_correction",
]
