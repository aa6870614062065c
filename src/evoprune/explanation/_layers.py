"""Finding the layer of a torch network whose maps are looked at."""

from __future__ import annotations

import difflib
from typing import Any

import torch
from torch import Tensor, nn

from evoprune._types import Float32Array
from evoprune.errors import ConfigError


def last_convolution(network: nn.Module, image: Float32Array) -> str:
    """The name of the last convolutional block, found by one forward pass.

    That is the last module which gives maps of the size of the last convolution's: with what follows it
    in its block (normalisation, activation, the sum of a residual block), before any pooling. In
    ResNet-50 it is `layer4`. Convolutions of a single position, as in channel attention, do not count. The only
    convolution of a vision transformer cuts the image into patches, before anything is seen in it: there, occlusion
    says more.

    Args:
        network: takes images `[1, 3, h, w]`.
        image: a prepared image `[3, h, w]`.

    Raises:
        ConfigError: no convolution gives maps.
    """
    calls: list[tuple[str, bool, tuple[int, ...]]] = []

    def note(name: str, module: nn.Module, output: Any) -> None:
        if isinstance(output, Tensor) and output.ndim == 4 and output.shape[2] * output.shape[3] > 1:
            calls.append((name, isinstance(module, nn.Conv2d), tuple(output.shape[2:])))

    handles = [
        module.register_forward_hook(lambda module, _, output, name=name: note(name, module, output))
        for name, module in network.named_modules()
        if name
    ]
    try:
        with torch.no_grad():
            network(as_input(network, image[None]))
    finally:
        for handle in handles:
            handle.remove()
    last = max((number for number, (_, is_convolution, _) in enumerate(calls) if is_convolution), default=None)
    if last is None:
        raise ConfigError(
            "no convolution of this network gives maps; name a layer that does with --layer, or take --method occlusion"
        )
    return [name for name, _, size in calls[last:] if size == calls[last][2]][-1]


def find_layer(network: nn.Module, name: str) -> nn.Module:
    """The module of a network with this name, or the only one whose name ends in it.

    Raises:
        ConfigError: there is none, or there are several.
    """
    modules: dict[str, nn.Module] = {known: module for known, module in network.named_modules() if known}
    found = [name] if name in modules else [known for known in modules if known.endswith(f".{name}")]
    if len(found) == 1:
        return modules[found[0]]
    if found:
        raise ConfigError(f"several layers are called {name!r} ({', '.join(found[:5])}); give the whole name of one")
    near = difflib.get_close_matches(name, modules, n=1)
    convolutions = [known for known, module in modules.items() if isinstance(module, nn.Conv2d)]
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise ConfigError(
        f"the network has no layer {name!r}; {hint}its last convolutions are {', '.join(convolutions[-3:]) or 'none'}"
    )


def as_input(network: nn.Module, images: Float32Array) -> Tensor:
    """Images `[N, 3, h, w]` on the device and in the type of a network's weights."""
    weight = next((p for p in network.parameters() if p.is_floating_point()), torch.empty(0))
    return torch.from_numpy(images).to(weight.device, weight.dtype)
