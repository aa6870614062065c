"""Guidance: what training rows say about features, learned with gates."""

from evoprune.guidance._gates import GateData, gate_sizes
from evoprune.guidance._guide import Guide, guide_for
from evoprune.guidance._optimism import CorrectedProblem, Correction, measured_correction

__all__ = ["CorrectedProblem", "Correction", "GateData", "Guide", "gate_sizes", "guide_for", "measured_correction"]
