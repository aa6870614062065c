"""Torch networks without their weights, by name. Imported only when torch is needed."""

from __future__ import annotations

from torch import nn

from evoprune.backbones._registry import TORCHVISION
from evoprune.errors import BackboneError


def empty_network(architecture: str) -> nn.Module:
    """The network of a backbone with weights that mean nothing; none are downloaded.

    Args:
        architecture: `tiny`, `resnet50`, `densenet121`, `vgg19` or `timm:NAME`.

    Raises:
        BackboneError: the name is unknown, or a package is missing.
    """
    prefix, _, rest = architecture.partition(":")
    if architecture == "tiny":
        from evoprune.backbones._tiny_network import TinyNetwork  # noqa: PLC0415

        return TinyNetwork()
    if architecture in TORCHVISION:
        from evoprune.backbones._torchvision import torchvision_network  # noqa: PLC0415

        return torchvision_network(architecture)
    if prefix == "timm" and rest:
        from evoprune.backbones._timm import timm_network  # noqa: PLC0415

        return timm_network(rest)
    raise BackboneError(f"architecture {architecture!r} is unknown to this version of evoprune")
