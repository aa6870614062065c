"""Grad-CAM++: where in an image a number of a network comes from."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from evoprune._types import Float32Array, FloatArray
from evoprune.errors import ConfigError
from evoprune.explanation._layers import as_input, find_layer
from evoprune.explanation._scaling import scaled
from evoprune.explanation._target import Target
from evoprune.heads import CompactHead

_SMALL = 1e-6
"""Added to the denominator of eq. 19, as in the implementations in use, whose maps ours equal."""


def grad_cam_plus_plus(
    network: nn.Module, layer: str, images: Float32Array, target: Target, *, batch_size: int = 16
) -> Float32Array:
    """Grad-CAM++ heatmaps (Chattopadhyay et al. 2018, arXiv 1710.11063, eq. 10 and 19).

    The maps of a layer, weighted by the positive part of the target's gradient at each position,
    where positions weigh alpha = g^2 / (2 g^2 + S g^3), with g the gradient and S the sum of the map;
    summed over the layer's channels, cut off below zero, and enlarged bilinearly to the image.

    Args:
        network: takes images `[N, 3, h, w]`, gives numbers `[N, D]`; in evaluation mode.
        layer: name of a module that gives maps (see `last_convolution`).
        images: prepared images `[N, 3, h, w]`.
        target: what is explained.
        batch_size: images that go through the network at once.

    Returns:
        Heatmaps `[N, h, w]`, each from 0 to 1. All zero where nothing in the maps raises the target, and
        where it comes from everywhere alike.

    Raises:
        ConfigError: there is no such layer, it gives no maps, or the target does not fit the network.
    """
    module = find_layer(network, layer)
    parts = []
    for start in range(0, len(images), batch_size):
        batch = slice(start, start + batch_size)
        activations, gradients = _maps_and_gradients(network, module, layer, images[batch], target.of(batch))
        small = scaled(_combined(activations, gradients))
        enlarged = interpolate(torch.from_numpy(small)[:, None], images.shape[2:], mode="bilinear", align_corners=False)
        parts.append(scaled(enlarged[:, 0].numpy().astype(np.float64)))
    return np.concatenate(parts)


def _combined(activations: FloatArray, gradients: FloatArray) -> FloatArray:
    """Maps `[N, H, W]` from activations and gradients `[N, C, H, W]`."""
    squared, total = gradients**2, activations.sum(axis=(2, 3), keepdims=True)
    denominator = 2 * squared + total * squared * gradients + _SMALL
    # With negative activations (maps before their ReLU) the denominator may meet zero.
    alpha = np.divide(squared, denominator, out=np.zeros_like(squared), where=denominator != 0)
    weights = (np.maximum(gradients, 0) * alpha).sum(axis=(2, 3), keepdims=True)
    combined: FloatArray = np.maximum((weights * activations).sum(axis=1), 0)
    return combined


def _maps_and_gradients(
    network: nn.Module, module: nn.Module, layer: str, images: Float32Array, target: Target
) -> tuple[FloatArray, FloatArray]:
    """What a layer gives, and the gradient of the target with respect to it, `[N, C, H, W]` each."""
    seen: list[tuple[Tensor, Tensor]] = []

    def keep(_module: nn.Module, _inputs: Any, output: Any) -> Tensor:
        if not isinstance(output, Tensor) or output.ndim != 4:
            raise ConfigError(f"layer {layer!r} gives no maps [N, C, H, W]; name a convolution, or leave --layer out")
        # Cut off here, so that gradients are kept for what follows alone.
        given = output.detach().requires_grad_()
        passed_on = given.clone()
        seen.append((given, passed_on))
        return passed_on

    handle = module.register_forward_hook(keep)
    try:
        with torch.enable_grad():
            values = _values(network(as_input(network, images)), target)
            if not seen:
                raise ConfigError(f"layer {layer!r} takes no part in what the network gives; name another")
            given, passed_on = seen[-1]
            # What does not depend on the layer at all (a head that reads nothing) has the gradient zero.
            gradient = torch.autograd.grad(values.sum(), given, allow_unused=True)[0] if values.requires_grad else None
    finally:
        handle.remove()
    # An activation that follows in place (DenseNet's last ReLU) belongs to the layer: its maps are those that go on.
    maps = _numpy(passed_on)
    return maps, np.zeros_like(maps) if gradient is None else _numpy(gradient)


def _values(outputs: Any, target: Target) -> Tensor:
    """The target's numbers `[N]`, differentiably."""
    if not isinstance(outputs, Tensor) or outputs.ndim != 2:
        raise ConfigError("the network gives no numbers [N, D]; pool its maps before they are explained")
    if target.head is not None:
        outputs = _through(outputs, target.head, target.depth)
    columns = target.columns_for(*outputs.shape)
    numbers: Tensor = outputs[torch.arange(len(outputs)), torch.from_numpy(columns.copy())]
    return numbers


def _through(features: Tensor, head: CompactHead, depth: int) -> Tensor:
    """Features `[N, D]` after some of a head's layers, as `heads.forward` computes them."""

    def tensor(array: Any) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(features.device)

    if features.shape[1] != head.width:
        raise ConfigError(f"the network gives {features.shape[1]} features, the head takes {head.width}")
    values = features.float()[:, tensor(head.inputs)]
    for number, (matrix, bias) in enumerate(zip(head.matrices[:depth], head.biases[:depth], strict=True)):
        values = torch.relu(values) if number else values
        values = values @ tensor(matrix)
        values = values if bias is None else values + tensor(bias)
    return torch.relu(values) if depth < len(head.matrices) else values


def _numpy(tensor: Tensor) -> FloatArray:
    return tensor.detach().cpu().double().numpy()
