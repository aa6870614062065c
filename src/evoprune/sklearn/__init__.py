"""scikit-learn estimators for any feature matrix: `EvoPruneClassifier`, `EvoPruneRegressor` and `EvoPruneSelector`."""

from evoprune.sklearn._classifier import EvoPruneClassifier
from evoprune.sklearn._regressor import EvoPruneRegressor
from evoprune.sklearn._selector import EvoPruneSelector

__all__ = ["EvoPruneClassifier", "EvoPruneRegressor", "EvoPruneSelector"]
