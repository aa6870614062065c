"""Backbones with torchvision's architectures and ImageNet weights."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from torch import nn

from evoprune.backbones._base import Preprocessing
from evoprune.backbones._fingerprint import file_digest, fingerprint
from evoprune.backbones._network_backbone import NetworkBackbone
from evoprune.backbones._torchvision_import import import_optional
from evoprune.backbones._weights_file import load_into
from evoprune.errors import BackboneError


@dataclass(frozen=True)
class _Architecture:
    """How torchvision calls a network's weights, and which part of it is the classifier."""

    weights: str
    classifier: str


ARCHITECTURES: Mapping[str, _Architecture] = MappingProxyType(
    {
        "resnet50": _Architecture("ResNet50_Weights", "fc"),
        "densenet121": _Architecture("DenseNet121_Weights", "classifier"),
        "vgg19": _Architecture("VGG19_Weights", "classifier"),
    }
)


def load_torchvision(name: str, weights: Path | None) -> NetworkBackbone:
    """A torchvision network, cut after global average pooling.

    Widths: ResNet-50 2048, DenseNet-121 1024, VGG-19 512. The preprocessing is that of
    torchvision's default ImageNet weights, also for a file of one's own.

    Args:
        name: one of `ARCHITECTURES`.
        weights: state dict of the architecture; None takes (and downloads once) the default weights.

    Raises:
        BackboneError: torchvision is missing, or the weights cannot be had.
    """
    models = import_optional("torchvision", name).models
    default = getattr(models, ARCHITECTURES[name].weights).DEFAULT
    path = weights or _downloaded(name, default.url)
    preset = default.transforms()
    preprocessing = Preprocessing(
        size=(preset.crop_size[0], preset.crop_size[0]),
        fit="crop",
        crop_fraction=preset.crop_size[0] / preset.resize_size[0],
        interpolation=preset.interpolation.value,
        mean=_bytes_scale(preset.mean),
        std=_bytes_scale(preset.std),
    )
    try:
        identity = fingerprint(name, file_digest(path), preprocessing)
    except OSError as error:
        raise BackboneError(f"the weights file {path} cannot be read: {error.strerror}") from error
    return NetworkBackbone(name, identity, preprocessing, partial(_build, name, path))


def _bytes_scale(values: list[float]) -> tuple[float, float, float]:
    red, green, blue = (255 * value for value in values)
    return red, green, blue


def _downloaded(name: str, url: str) -> Path:
    """The copy of the weights that torch keeps, fetched where absent."""
    path = Path(torch.hub.get_dir()) / "checkpoints" / url.rsplit("/", 1)[-1]
    if path.is_file():
        return path
    expected_hash = path.stem.rsplit("-", 1)[-1]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(url, str(path), hash_prefix=expected_hash)
    except (OSError, RuntimeError) as error:
        raise BackboneError(
            f"the weights of backbone {name!r} cannot be fetched from {url} ({error}); put that file into "
            f"{path.parent}, or give a file of your own (--weights FILE), or take tiny or onnx:FILE"
        ) from error
    return path


def torchvision_network(name: str) -> nn.Module:
    """A network cut after global average pooling, on the `meta` device: it has no weights yet.

    Raises:
        BackboneError: torchvision is missing.
    """
    models = import_optional("torchvision", name).models
    classifier = ARCHITECTURES[name].classifier
    # On `meta` nothing is allocated or drawn at random: VGG-19's classifier alone is half a gigabyte.
    with torch.device("meta"):
        network: Any = getattr(models, name)()
    setattr(network, classifier, nn.Identity())
    if name == "vgg19":
        # Its own pooling keeps 7 x 7 positions; the papers' cut has one.
        network.avgpool = nn.AdaptiveAvgPool2d(1)
    built: nn.Module = network
    return built


def _build(name: str, path: Path) -> nn.Module:
    ignored = (f"{ARCHITECTURES[name].classifier}.",)
    return load_into(torchvision_network(name), path, ignored=ignored, rename=_modern_name)


def _modern_name(name: str) -> str:
    """DenseNet's published weights still call `norm1` `norm.1`, which a module can no longer be called."""
    return re.sub(r"(denselayer\d+\.(?:norm|relu|conv))\.([12]\.)", r"\1\2", name)
