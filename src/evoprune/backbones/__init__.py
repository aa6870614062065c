"""Backbones: frozen networks that turn images into feature vectors, one adapter per source."""

from evoprune.backbones._base import Backbone, Preprocessing
from evoprune.backbones._module import ModuleBackbone
from evoprune.backbones._registry import backbone_names, load_backbone

__all__ = ["Backbone", "ModuleBackbone", "Preprocessing", "backbone_names", "load_backbone"]
