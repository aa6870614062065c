"""The model: what a run gives back."""

from evoprune.model._files import is_whole
from evoprune.model._model import Model, Prediction

__all__ = ["Model", "Prediction", "is_whole"]
