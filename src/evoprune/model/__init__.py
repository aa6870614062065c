"""The model: what a run gives back."""

from evoprune.model._model import Model, Prediction

__all__ = ["Model", "Prediction"]
