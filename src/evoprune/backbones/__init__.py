"""Backbones: frozen networks that turn images into feature vectors, one adapter per source."""

from evoprune.backbones._base import Backbone, Preprocessing
from evoprune.backbones._cost import Cost, cost
from evoprune.backbones._measured import preprocessing_of
from evoprune.backbones._module import ModuleBackbone
from evoprune.backbones._networks import torch_network
from evoprune.backbones._onnx import onnx_backbone
from evoprune.backbones._onnx_export import onnx_model
from evoprune.backbones._onnx_session import open_session
from evoprune.backbones._pack import pack, unpack
from evoprune.backbones._preprocessing import preprocess
from evoprune.backbones._registry import backbone_names, load_backbone
from evoprune.backbones._shrink import Shrunk, shrink

__all__ = [
    "Backbone",
    "Cost",
    "ModuleBackbone",
    "Preprocessing",
    "Shrunk",
    "backbone_names",
    "cost",
    "load_backbone",
    "onnx_backbone",
    "onnx_model",
    "open_session",
    "pack",
    "preprocess",
    "preprocessing_of",
    "shrink",
    "torch_network",
    "unpack",
]
