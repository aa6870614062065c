"""Baselines: what a user would pick instead of an evolutionary search."""

from evoprune.baselines._base import Baseline
from evoprune.baselines._data import SelectionData
from evoprune.baselines._registry import BASELINES, get_baseline

__all__ = ["BASELINES", "Baseline", "SelectionData", "get_baseline"]
