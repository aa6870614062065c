"""Small heads that begin with what a full head has learned, instead of at random.

The full head of a seed is trained first. A head that reads few features takes its weights, and the features that it
does not read are made up for: guessed from those that it reads, by ridge regression over the training rows, so that
what the hidden units made of them is added to what they make of the others,

    W[on] += (M[on, on] + r I)^-1 M[on, off] W[off]

where M holds the second moments of the features. That is the reconstruction of channel pruning (He, Zhang, Sun, ICCV
2017, arXiv 1707.06168; Luo, Wu, Lin, ICCV 2017, arXiv 1707.06342), in closed form. Then it is trained, for fewer
epochs at a lower rate.

A few features that are trained alone find out from few images what all features know. That is worth a point where
labels are hard and nothing where they are easy; heads that read more, and those that have hidden units or connections
off, lose by it, and begin at random (docs/search.md has the figures).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from evoprune._types import BoolArray, Float32Array
from evoprune.heads import Structure
from evoprune.training._recipe import Recipe
from evoprune.training._start import Start

UP_TO = 0.07
"""Heads that read at most this share of the features inherit."""

RIDGE = 0.5
"""Added to the diagonal of the second moments, as a share of its mean."""

EPOCHS, RATE = 1 / 2, 1 / 2
"""What of the recipe's epochs and learning rate the training of an heir has."""

_ROWS = 4096
"""Rows that are read at a time."""


def inherits(structure: Structure) -> bool:
    """Whether a head of this structure begins with the weights of a full one."""
    few = 0 < structure.inputs.sum() <= UP_TO * structure.inputs.size
    return bool(few and all(units.all() for units in structure.hidden) and structure.connections is None)


def heir_recipe(recipe: Recipe) -> Recipe:
    """How a head that has inherited is trained on."""
    epochs = max(1, round(EPOCHS * recipe.epochs))
    return recipe.model_copy(update={"inherit": False, "epochs": epochs, "learning_rate": RATE * recipe.learning_rate})


def inherited_start(parent: Start, features: Tensor, weights: Tensor | None, read: BoolArray) -> Start:
    """The weights that a head begins with which reads some features of a full head.

    Args:
        parent: weights of the full head.
        features: of the training rows `[n, D]`, as they are trained on.
        weights: what each row counts `[n]`; None where all count alike.
        read: the features that it reads `[D]`.
    """
    on, off = torch.from_numpy(np.flatnonzero(read)), torch.from_numpy(np.flatnonzero(~read))
    moments = torch.zeros(len(on), len(read), dtype=torch.float64)
    for start in range(0, len(features), _ROWS):
        rows = features[start : start + _ROWS].double()
        counted = rows[:, on] if weights is None else rows[:, on] * weights[start : start + _ROWS, None].double()
        moments += counted.T @ rows
    among = moments[:, on]
    ridge = RIDGE * float(among.diagonal().mean())
    if not ridge > 0:
        return parent  # features that are always 0 say nothing of the others
    among.diagonal().add_(ridge)
    matrix = torch.from_numpy(parent.matrices[0]).double()
    missed = torch.cholesky_solve(moments[:, off] @ matrix[off], torch.linalg.cholesky(among))
    first: Float32Array = matrix.index_add(0, on, missed).float().numpy()
    return Start((first, *parent.matrices[1:]), parent.bias)
