"""Training: recipes, and the engine that trains a batch of candidates."""

from evoprune.training._apply import head_logits, penultimate
from evoprune.training._committee import groups_of
from evoprune.training._device import resolve_device
from evoprune.training._gated_network import GatedNetwork
from evoprune.training._population import TrainedCandidate, Trainer, WeightTraining, train_population
from evoprune.training._progress import shifted
from evoprune.training._recipe import FAST, PAPER, RECIPES, EarlyStopping, Recipe, fastest_precision, get_recipe
from evoprune.training._soft_targets import TEACHER_SEEDS, can_soften, patient_recipe, soften
from evoprune.training._training_set import TrainingSet

__all__ = [
    "FAST",
    "PAPER",
    "RECIPES",
    "TEACHER_SEEDS",
    "EarlyStopping",
    "GatedNetwork",
    "Recipe",
    "TrainedCandidate",
    "Trainer",
    "TrainingSet",
    "WeightTraining",
    "can_soften",
    "fastest_precision",
    "get_recipe",
    "groups_of",
    "head_logits",
    "patient_recipe",
    "penultimate",
    "resolve_device",
    "shifted",
    "soften",
    "train_population",
]
