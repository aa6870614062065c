"""SGD and Adam as single passes over all weights, in place."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from evoprune.training._recipe import Recipe

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8
"""Of Adam, as published and as in torch."""


def make_optimizer(recipe: Recipe, weights: list[Tensor], gradients: list[Tensor]) -> Callable[[float], None]:
    """A function that makes one step with a given learning rate, as `torch.optim` does.

    Args:
        recipe: which optimizer.
        weights: changed in place.
        gradients: read at each step, one a weight.
    """
    pairs = [(w, g) for w, g in zip(weights, gradients, strict=True) if w.numel()]
    params, grads = [w for w, _ in pairs], [g for _, g in pairs]
    if recipe.optimizer == "adam":
        return _adam(params, grads)
    return _sgd(params, grads, recipe.momentum, recipe.nesterov and recipe.momentum > 0)


def _sgd(params: list[Tensor], grads: list[Tensor], momentum: float, nesterov: bool) -> Callable[[float], None]:
    # Without momentum there must be no buffers: torch refuses them on CUDA.
    buffers = [torch.zeros_like(w) for w in params] if momentum else []
    first = True

    def step(rate: float) -> None:
        nonlocal first
        torch._fused_sgd_(
            params,
            grads,
            buffers,
            weight_decay=0.0,
            momentum=momentum,
            lr=rate,
            dampening=0.0,
            nesterov=nesterov,
            maximize=False,
            is_first_step=first,
        )
        first = False

    return step


def _adam(params: list[Tensor], grads: list[Tensor]) -> Callable[[float], None]:
    means, squares = [torch.zeros_like(w) for w in params], [torch.zeros_like(w) for w in params]
    count = torch.zeros((), device=params[0].device)
    counts = [count] * len(params)

    def step(rate: float) -> None:
        count.add_(1)
        torch._fused_adam_(
            params,
            grads,
            means,
            squares,
            [],
            counts,
            lr=rate,
            beta1=BETA1,
            beta2=BETA2,
            weight_decay=0.0,
            eps=EPSILON,
            amsgrad=False,
            maximize=False,
        )

    return step
