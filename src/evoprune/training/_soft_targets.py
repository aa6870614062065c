"""Soft targets: what heads with everything on make of the training rows, in place of their labels.

Knowledge distillation (Hinton, Vinyals, Dean, 2015, arXiv 1503.02531): a teacher's distribution says which
classes an image is nearly, and one hard label does not. The teachers are full heads trained by the same
recipe without the row they judge (for one that has seen a label repeats it, be it right or wrong), so that
nothing but the training rows is used:

    targets = (1 - e) label + e teachers

e is the share of rows whose label the teachers miss: how far these features do not explain the labels,
and so how far another opinion is worth as much as they are. Where the teachers miss none, the targets are the
labels and nothing changes; labels are smoothed as the recipe says.

What is trained by them is trained for longer (Beyer, Zhai, Royer, Markeeva, Anil, Kolesnikov, CVPR 2022, arXiv
2106.05237): a distribution is harder to learn by heart than a label, so that more epochs still teach. And its
hidden units are trained in groups that err apart (`Recipe.groups`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from scipy.special import softmax

from evoprune._types import Float32Array, FloatArray, IntArray
from evoprune.data import Fold, stratified_parts
from evoprune.errors import ConfigError
from evoprune.heads import Head, dense_structure
from evoprune.training._goal import smoothed_targets
from evoprune.training._population import Trainer
from evoprune.training._progress import shifted
from evoprune.training._recipe import Recipe
from evoprune.training._training_set import TrainingSet

PARTS = 5
"""Parts of the training rows that are left out in turn."""

TEACHERS = 2
"""Heads trained without each part; their distributions are averaged."""

TEACHER_SEEDS = PARTS * TEACHERS
"""Training seeds that the teachers take, from the first on."""

MOST_TRUSTED = 0.5
"""Teachers never count more than this."""

MOST_ROWS = 20_000
"""Of more training rows than these the labels alone say enough, and teachers would cost more than a search."""

PATIENCE = 2
"""What is trained by soft targets has this many times the epochs."""

GROUPS = 4
"""And is trained in so many groups."""


def can_soften(data: TrainingSet) -> bool:
    """Whether a training set is one that `soften` takes."""
    return data.targets is None and len(data.folds) == 1 and len(data.folds[0].train) <= MOST_ROWS


def patient_recipe(recipe: Recipe) -> Recipe:
    """The recipe for what is trained by soft targets: `PATIENCE` times the epochs, in `GROUPS` groups.

    One with early stopping ends by itself, and keeps its epochs.
    """
    epochs = recipe.epochs if recipe.early_stopping is not None else PATIENCE * recipe.epochs
    return recipe.model_copy(update={"epochs": epochs, "groups": max(recipe.groups, GROUPS)})


def soften(
    data: TrainingSet,
    head: Head,
    recipe: Recipe,
    seed: int,
    *,
    outliers: Float32Array | None = None,
    device: str = "cpu",
    on_progress: Callable[[int, int], None] | None = None,
) -> TrainingSet:
    """The training set with soft targets in place of labels; evaluation rows are not looked at.

    Deterministic in its arguments.

    Args:
        data: labels, features, and one fold.
        head: whose full form teaches.
        recipe: how teachers are trained.
        seed: first of the teachers' training seeds, and of the parts.
        outliers: rows of no class `[n, D]` that the result has besides; teachers do not see them.
        device: that teachers are trained on.
        on_progress: called with the number of trainings done and their total.

    Raises:
        ConfigError: `can_soften` says no.
    """
    if not can_soften(data):
        raise ConfigError(
            f"soft targets need labels, one fold and at most {MOST_ROWS} training rows; leave them out here"
        )
    rows = data.folds[0].train
    labels = data.y[rows]
    aims = smoothed_targets(torch.from_numpy(labels), data.classes, recipe.label_smoothing, torch.float64).numpy()
    taught = aims.copy()
    parts = stratified_parts(labels, np.full(PARTS, 1 / PARTS), seed)
    for number, part in enumerate(parts):
        # One part at a time: each training set holds its rows once more.
        fold = Fold(np.delete(rows, part), rows[part])
        if not len(fold.train) or not len(part):
            continue
        trainer = Trainer(replace(data, folds=(fold,), extra={}, outliers=None), head, recipe, device)
        seeds = range(seed + number * TEACHERS, seed + (number + 1) * TEACHERS)
        heard = shifted(on_progress, number * TEACHERS, TEACHER_SEEDS)
        (teachers,) = trainer.train([dense_structure(head, data.X.shape[1])], seeds, heard)
        # One that has diverged has no opinion; where none has one, the labels stand.
        opinions = [
            softmax(logits.astype(np.float64), axis=1) for logits in teachers.logits[0] if np.isfinite(logits).all()
        ]
        if opinions:
            taught[part] = np.mean(opinions, axis=0)
    trusted = min(MOST_TRUSTED, float(np.mean(taught.argmax(axis=1) != labels)))
    targets = _placed((1 - trusted) * aims + trusted * taught, rows, len(data.y))
    return replace(data, targets=targets, outliers=data.outliers if outliers is None else (outliers,))


def _placed(targets: FloatArray, rows: IntArray, count: int) -> FloatArray:
    """Targets `[N, C]` of all rows: those given for some, and for the others, which are not trained on, no opinion."""
    placed = np.full((count, targets.shape[1]), 1 / targets.shape[1])
    placed[rows] = targets
    return placed
