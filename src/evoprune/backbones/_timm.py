"""Backbones from timm, with their own weights and preprocessing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import nn

from evoprune.backbones._base import Preprocessing
from evoprune.backbones._fingerprint import fingerprint
from evoprune.backbones._network_backbone import NetworkBackbone
from evoprune.backbones._torch_network import state_digest
from evoprune.backbones._torchvision_import import import_optional
from evoprune.backbones._weights_file import load_into
from evoprune.backbones._wording import first_line, nearest
from evoprune.errors import BackboneError

_FILTERS = ("nearest", "bilinear", "bicubic", "lanczos")


def load_timm(model: str, weights: Path | None) -> NetworkBackbone:
    """A timm model without its classifier.

    Args:
        model: timm's name, with or without a tag (`resnet18`, `resnet18.a1_in1k`).
        weights: state dict of the model; None takes timm's pretrained weights.

    Raises:
        BackboneError: timm is missing, the name is unknown, or the weights cannot be had.
    """
    name = f"timm:{model}"
    timm = _timm_with(model)
    network = _from_file(model, weights) if weights else _pretrained(timm, model)
    preprocessing = _preprocessing(timm.data.resolve_model_data_config(network), name)
    # A model's name decides things that its weights do not show (activations, strides).
    identity = fingerprint(name, state_digest(network), preprocessing)
    return NetworkBackbone(name, identity, preprocessing, lambda: network)


def timm_network(model: str) -> nn.Module:
    """A timm model without its classifier, with random weights; none are downloaded.

    Raises:
        BackboneError: timm is missing, or the name is unknown.
    """
    network: nn.Module = _timm_with(model).create_model(model, pretrained=False, num_classes=0)
    return network


def _timm_with(model: str) -> Any:
    """The package timm, which has a model.

    Raises:
        BackboneError: it is missing, or has no model of this name.
    """
    timm = import_optional("timm", f"timm:{model}")
    if not timm.is_model(model):
        known = nearest(model, timm.list_models())
        raise BackboneError(f"timm has no model {model!r}; {known}")
    return timm


def _pretrained(timm: Any, model: str) -> nn.Module:
    try:
        network: nn.Module = timm.create_model(model, pretrained=True, num_classes=0)
    except (OSError, RuntimeError, ValueError) as error:
        raise BackboneError(
            f"the weights of backbone 'timm:{model}' cannot be had ({first_line(error)}); connect "
            "to the network once (they are kept in the folder that HF_HOME names), or give a file of your "
            "own (--weights FILE), or take tiny or onnx:FILE"
        ) from error
    return network


def _from_file(model: str, weights: Path) -> nn.Module:
    network: Any = timm_network(model)
    classifier = network.pretrained_cfg.get("classifier", ())
    names = (classifier,) if isinstance(classifier, str) else tuple(classifier or ())
    return load_into(network, weights, ignored=tuple(f"{part}." for part in names))


def _preprocessing(config: dict[str, Any], name: str) -> Preprocessing:
    channels, height, width = config["input_size"]
    if channels != 3 or config["interpolation"] not in _FILTERS or config["crop_mode"] == "border":
        raise BackboneError(
            f"backbone {name!r} wants an input that is not supported (size {config['input_size']}, "
            f"interpolation {config['interpolation']!r}, crop mode {config['crop_mode']!r}); pass the module "
            "with its transform as ModuleBackbone"
        )
    red, green, blue = (255 * value for value in config["mean"])
    std_red, std_green, std_blue = (255 * value for value in config["std"])
    squash = config["crop_mode"] == "squash"
    return Preprocessing(
        size=(height, width),
        fit="stretch" if squash else "crop",
        crop_fraction=1.0 if squash else config["crop_pct"],
        interpolation=config["interpolation"],
        mean=(red, green, blue),
        std=(std_red, std_green, std_blue),
    )
