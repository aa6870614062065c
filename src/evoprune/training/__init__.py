"""Training: recipes, and the engine that trains a batch of candidates."""

from evoprune.training._population import TrainedCandidate, Trainer, TrainingSet, train_population
from evoprune.training._recipe import FAST, PAPER, RECIPES, EarlyStopping, Recipe, fastest_precision, get_recipe

__all__ = [
    "FAST",
    "PAPER",
    "RECIPES",
    "EarlyStopping",
    "Recipe",
    "TrainedCandidate",
    "Trainer",
    "TrainingSet",
    "fastest_precision",
    "get_recipe",
    "train_population",
]
