"""Training recipes: `paper`, as published, and `fast`, the default."""

from __future__ import annotations

import difflib
from math import cos, pi
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from evoprune.errors import ConfigError


class EarlyStopping(BaseModel):
    """Stop when the mean training loss of an epoch has not fallen for a while; keep the best weights.

    Attributes:
        min_delta: a fall smaller than this does not count.
        patience: epochs without a fall that are allowed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    min_delta: float = Field(default=1e-5, ge=0)
    patience: int = Field(default=10, ge=1)


class Recipe(BaseModel):
    """How one candidate is trained. The same recipe serves every candidate and every opponent.

    Attributes:
        name: `paper`, `fast`, or a name of the user's own.
        optimizer: `sgd` (with momentum) or `adam`.
        learning_rate: of the first step.
        schedule: `constant`, or `cosine` to zero over all steps.
        decay: the rate of step t is divided by `1 + decay * t`.
        momentum: of SGD.
        nesterov: Nesterov's form of momentum.
        batch_size: images a step.
        epochs: passes over the training rows, at most.
        early_stopping: on the training loss, or None.
        standardize: subtract each feature's mean and divide by its standard deviation,
            both of the training rows of the fold; folded into the weights afterwards.
        input_dropout: share of active inputs zeroed while training, at full width.
        hidden_dropout: share of active hidden units zeroed while training, at full width.
        label_smoothing: share of the target spread evenly over the classes.
        groups: the active units of a single hidden layer are divided into so many groups, of at least 64 units each,
            that are trained apart and decide by their mean; 1 for one network. Dropout of hidden units counts a group
            as the narrow layer that it is. Methods that train networks of
            their own, such as polynomial decay, always have one.
        precision: of the products of hidden layers, forward and backward; weights, optimizer
            and output layer are always float32.
        seeds: k; fitness is the mean over k fixed seeds of initial weights and batches.
        initial_seed: seed of the initial weights of all trainings; None for each training's own. Single connections
            are chosen for the weights they begin with.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: str = "custom"
    optimizer: Literal["sgd", "adam"]
    learning_rate: float = Field(gt=0)
    schedule: Literal["constant", "cosine"] = "constant"
    decay: float = Field(default=0.0, ge=0)
    momentum: float = Field(default=0.9, ge=0, lt=1)
    nesterov: bool = True
    batch_size: int = Field(ge=1)
    epochs: int = Field(ge=1)
    early_stopping: EarlyStopping | None = None
    standardize: bool = False
    input_dropout: float = Field(default=0.0, ge=0, lt=1)
    hidden_dropout: float = Field(default=0.0, ge=0, lt=1)
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    groups: int = Field(default=1, ge=1)
    precision: Literal["float32", "bfloat16"] = "float32"
    seeds: int = Field(default=1, ge=1)
    initial_seed: int | None = Field(default=None, ge=0)

    def rate(self, step: int, steps: int) -> float:
        """Learning rate of step `step` (from 0) of `steps`."""
        rate = self.learning_rate / (1 + self.decay * step)
        return rate * _cosine(step / steps) if self.schedule == "cosine" else rate


def _cosine(progress: float) -> float:
    return 0.5 * (1 + cos(pi * progress))


PAPER = Recipe(
    name="paper",
    optimizer="sgd",
    learning_rate=1e-3,
    decay=1e-6,
    momentum=0.9,
    nesterov=True,
    batch_size=32,
    epochs=600,
    early_stopping=EarlyStopping(min_delta=1e-5, patience=10),
)
"""The published recipe (arXiv 2202.03844, section 4)."""

FAST = Recipe(
    name="fast",
    optimizer="adam",
    learning_rate=6e-3,
    schedule="cosine",
    batch_size=128,
    epochs=15,
    standardize=True,
    input_dropout=0.5,
    label_smoothing=0.1,
)
"""Ours: few epochs at a high rate, with dropout of the inputs; chosen by `benchmarks/recipe_study.py`."""

RECIPES = {recipe.name: recipe for recipe in (FAST, PAPER)}


def fastest_precision(device: str = "cpu") -> Literal["float32", "bfloat16"]:
    """`bfloat16` where a device multiplies it natively, else `float32`.

    Processors do so with AVX-512 BF16 or AMX, CUDA devices from compute capability 8.0 on.

    Args:
        device: as `resolve_device` takes it.

    Raises:
        ConfigError: the device is unknown, or there is none such.
    """
    import torch  # noqa: PLC0415

    from evoprune.training._device import resolve_device  # noqa: PLC0415

    resolved = resolve_device(device)
    if resolved.type == "cuda":
        return "bfloat16" if torch.cuda.get_device_capability(resolved) >= (8, 0) else "float32"
    checks = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    native = any(getattr(torch.cpu, check, lambda: False)() for check in checks)
    return "bfloat16" if native else "float32"


def get_recipe(recipe: str | Recipe, device: str = "cpu") -> Recipe:
    """The recipe of a name, in the fastest precision of a device; a recipe is returned as it is.

    Args:
        recipe: name, or recipe.
        device: as `resolve_device` takes it.

    Raises:
        ConfigError: the name is unknown, or the device.
    """
    if isinstance(recipe, Recipe):
        return recipe
    if recipe not in RECIPES:
        near = difflib.get_close_matches(recipe, RECIPES, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise ConfigError(f"recipe {recipe!r} is unknown; {hint}choose one of {', '.join(RECIPES)}")
    return RECIPES[recipe].model_copy(update={"precision": fastest_precision(device)})
