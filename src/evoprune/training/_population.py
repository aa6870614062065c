"""Train a batch of candidates over folds and seeds: the interface that the rest of evoprune uses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from evoprune._types import Float32Array, FloatArray, IntArray
from evoprune.data import Fold
from evoprune.heads import CompactHead, Head, Structure, compact, fold_standardization
from evoprune.training._recipe import Recipe
from evoprune.training._reference import TrainedWeights, train_reference


@dataclass(frozen=True)
class TrainingSet:
    """What all candidates are trained and evaluated on.

    Attributes:
        X: features `[N, D]`.
        y: class numbers `[N]`.
        classes: C.
        folds: rows to train on and to evaluate on.
    """

    X: Float32Array
    y: IntArray
    classes: int
    folds: tuple[Fold, ...]


@dataclass(frozen=True)
class TrainedCandidate:
    """One candidate after training, by fold and seed.

    Attributes:
        heads: compact heads `[folds][seeds]` that take raw features (standardisation folded in).
        logits: on each fold's evaluation rows `[folds][seeds]`, each `[n, C]`, float32.
        epochs: epochs run `[folds][seeds]`.
    """

    heads: tuple[tuple[CompactHead, ...], ...]
    logits: tuple[tuple[Float32Array, ...], ...]
    epochs: tuple[tuple[int, ...], ...]


def train_population(
    data: TrainingSet,
    structures: Sequence[Structure],
    *,
    head: Head,
    recipe: Recipe,
    seeds: Sequence[int],
    on_progress: Callable[[int, int], None] | None = None,
) -> list[TrainedCandidate]:
    """Train every candidate on every fold with every seed.

    A candidate's result depends on itself, the data and the recipe alone, never on
    which others it is trained with.

    Args:
        data: features, labels and folds.
        structures: P candidates.
        head: shape of the head.
        recipe: how to train.
        seeds: seeds of initial weights, batches and dropout.
        on_progress: called with the number of trainings done and their total.

    Returns:
        P results, in the order of `structures`.
    """
    prepared = [_prepare(data, fold, recipe) for fold in data.folds]
    total, done, results = len(structures) * len(prepared) * len(seeds), 0, []
    for structure in structures:
        per_fold = []
        for fold in prepared:
            per_seed = []
            for seed in seeds:
                weights = train_reference(fold.X, fold.y, structure, head, data.classes, recipe, seed)
                per_seed.append((_compact(weights, structure, fold), weights.epochs))
                done += 1
                if on_progress is not None:
                    on_progress(done, total)
            per_fold.append(per_seed)
        heads = tuple(tuple(h for h, _ in per_seed) for per_seed in per_fold)
        logits = tuple(
            tuple(h.logits(data.X[fold.evaluate]) for h in row) for fold, row in zip(data.folds, heads, strict=True)
        )
        results.append(TrainedCandidate(heads, logits, tuple(tuple(e for _, e in row) for row in per_fold)))
    return results


@dataclass(frozen=True)
class _PreparedFold:
    X: Float32Array
    y: IntArray
    mean: FloatArray | None
    scale: FloatArray | None


def _prepare(data: TrainingSet, fold: Fold, recipe: Recipe) -> _PreparedFold:
    X, y = np.ascontiguousarray(data.X[fold.train]), data.y[fold.train]
    if not recipe.standardize:
        return _PreparedFold(X, y, None, None)
    mean, scale = standardization(X)
    return _PreparedFold(((X - mean) / scale).astype(np.float32), y, mean, scale)


def standardization(X: Float32Array) -> tuple[FloatArray, FloatArray]:
    """Mean and standard deviation of each feature `[D]`; constant features get deviation 1."""
    mean = X.mean(axis=0, dtype=np.float64)
    scale = X.std(axis=0, dtype=np.float64)
    return mean, np.where(scale > 1e-7 * np.maximum(np.abs(mean), 1e-20), scale, 1.0)


def _compact(weights: TrainedWeights, structure: Structure, fold: _PreparedFold) -> CompactHead:
    if fold.mean is None or fold.scale is None:
        return compact(weights.matrices, weights.biases, structure)
    first, bias = fold_standardization(weights.matrices[0], weights.biases[0], fold.mean, fold.scale)
    return compact((first, *weights.matrices[1:]), (bias, *weights.biases[1:]), structure)
