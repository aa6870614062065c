"""scikit-learn estimators: `EvoPruneClassifier` and `EvoPruneSelector`, for any feature matrix."""

from evoprune.sklearn._classifier import EvoPruneClassifier
from evoprune.sklearn._selector import EvoPruneSelector

__all__ = ["EvoPruneClassifier", "EvoPruneSelector"]
