"""Explanation: which neurons a front keeps, what they and the classes look at, and whether heatmaps can be believed."""

from evoprune.explanation._faithfulness import (
    STEPS,
    Faithfulness,
    centred_blob,
    deletion_insertion,
    random_map,
)
from evoprune.explanation._grad_cam import grad_cam_plus_plus
from evoprune.explanation._images import most_activating, representatives, seen_part, thumbnail
from evoprune.explanation._layers import find_layer, last_convolution
from evoprune.explanation._neurons import neuron_frequency, neuron_strength, neuron_targets, top_neurons
from evoprune.explanation._occlusion import occlusion, patch_size
from evoprune.explanation._target import Target

__all__ = [
    "STEPS",
    "Faithfulness",
    "Target",
    "centred_blob",
    "deletion_insertion",
    "find_layer",
    "grad_cam_plus_plus",
    "last_convolution",
    "most_activating",
    "neuron_frequency",
    "neuron_strength",
    "neuron_targets",
    "occlusion",
    "patch_size",
    "random_map",
    "representatives",
    "seen_part",
    "thumbnail",
    "top_neurons",
]
