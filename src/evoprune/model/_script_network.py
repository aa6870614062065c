"""Backbone and head as one torch network, its weights in 16 bits where that is asked for."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize


class _Joined(nn.Module):
    """A head behind a backbone."""

    def __init__(self, backbone: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Logits, probabilities and OOD score of images `[N, 3, h, w]`."""
        outputs: tuple[Tensor, ...] = self.head(self.backbone(images))
        return outputs


class _Upcast(nn.Module):
    """Keeps a weight in 16 bits and computes with it in 32."""

    def forward(self, stored: Tensor) -> Tensor:
        """The weight in 32 bits."""
        return stored.float()


def joined(backbone: nn.Module, head: nn.Module, *, half: bool) -> nn.Module:
    """One network from images to the head's outputs.

    Args:
        backbone: images `[N, 3, h, w]` to features `[N, D]`; not changed.
        head: from features to a tuple.
        half: keep matrices and kernels of the backbone in 16 bits; they have to fit in there.
    """
    own = copy.deepcopy(backbone).to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    if half:
        for module in list(own.modules()):
            for name, weight in list(module.named_parameters(recurse=False)):
                if weight.ndim >= 2:
                    # What is kept has another type than the weight: that is the purpose.
                    parametrize.register_parametrization(module, name, _Upcast(), unsafe=True)
                    kept: Any = module.parametrizations
                    kept[name].original = nn.Parameter(weight.half(), requires_grad=False)
    return _Joined(own, head).requires_grad_(requires_grad=False)
