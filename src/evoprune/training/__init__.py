"""Training: recipes, and the engine that trains a batch of candidates."""

from evoprune.training._population import TrainedCandidate, TrainingSet, train_population
from evoprune.training._recipe import FAST, PAPER, RECIPES, EarlyStopping, Recipe, get_recipe

__all__ = [
    "FAST",
    "PAPER",
    "RECIPES",
    "EarlyStopping",
    "Recipe",
    "TrainedCandidate",
    "TrainingSet",
    "get_recipe",
    "train_population",
]
