"""The model: what a run gives back."""

from evoprune.model._files import stored_facts
from evoprune.model._model import Model, Prediction

__all__ = ["Model", "Prediction", "stored_facts"]
