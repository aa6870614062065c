"""Weights for networks that are made without a file."""

from __future__ import annotations

import torch
from torch import nn


def alive(network, seed=0):
    """Weights under which every channel is different; fresh norms would be the same everywhere."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weights in network.parameters():
            scale = max(weights[0].numel(), 1) ** -0.5 if weights.dim() > 1 else 1.0
            weights.copy_(torch.randn(weights.shape, generator=generator) * scale)
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.weight.copy_(1 + torch.rand(module.weight.shape, generator=generator))
                module.running_mean.copy_(torch.randn(module.running_mean.shape, generator=generator) / 10)
                module.running_var.copy_(torch.rand(module.running_var.shape, generator=generator) + 0.5)
    return network.eval()
