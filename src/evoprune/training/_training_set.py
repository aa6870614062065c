"""What candidates are trained and evaluated on, and which of it cannot be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from evoprune._types import Float32Array, FloatArray, IntArray
from evoprune.data import Fold
from evoprune.errors import DataError
from evoprune.training._goal import LOSSES, Loss

_SUM_TOLERANCE = 1e-3
"""How far the sum of a target distribution may be from 1: float16 probabilities of a thousand classes are nearer."""


@dataclass(frozen=True, eq=False)
class TrainingSet:
    """What all candidates are trained and evaluated on.

    Attributes:
        X: features `[N, D]`; may be memory-mapped.
        y: class numbers `[N]`, by which classification objectives judge; zeros in a regression.
        classes: C, classes, or values of a row in a regression.
        folds: rows to train on and to evaluate on.
        extra: more rows that every trained head is applied to, by name: one array of raw
            features `[n, D]`, float32, a fold (such as images of other data sets).
        weights: what each row counts in training `[N]`, 0 or more; None where all count alike. They are
            divided by their mean over a fold's training rows; the loss of a batch is the sum of weight times
            loss over the number of its rows. Features and values are standardised with them.
        targets: what the head is trained towards `[N, C]`. With the cross entropy: distributions over the
            classes, such as a teacher's, in place of the labels; label smoothing is not applied to them.
            With the squared error: the values themselves, in their natural units.
        loss: `cross_entropy`, or `squared` for a regression. See `TrainingSet.regression`.
        evaluation_weights: what each row counts where objectives judge it `[N]`; None where all count alike,
            whatever they count in training.
        outliers: raw features `[n, D]`, float32, of rows of no class that heads are trained on besides, one array
            a fold: towards all classes alike, so that they are unsure of such rows (outlier exposure: Hendrycks,
            Mazeika, Dietterich, ICLR 2019, arXiv 1812.04606). They count 1 each, decide nothing of the
            standardisation, and nothing is evaluated on them. None where there are none.
    """

    X: Float32Array
    y: IntArray
    classes: int
    folds: tuple[Fold, ...]
    extra: Mapping[str, tuple[Float32Array, ...]] = field(default_factory=dict)
    weights: FloatArray | None = None
    targets: Float32Array | FloatArray | None = None
    loss: Loss = "cross_entropy"
    evaluation_weights: FloatArray | None = None
    outliers: tuple[Float32Array, ...] | None = None

    def alone(self, number: int) -> TrainingSet:
        """The same with fold `number` as its only one."""
        return replace(
            self,
            folds=(self.folds[number],),
            extra={name: (rows[number],) for name, rows in self.extra.items()},
            outliers=None if self.outliers is None else (self.outliers[number],),
        )

    @classmethod
    def regression(
        cls,
        X: Float32Array,
        values: Float32Array | FloatArray,
        folds: tuple[Fold, ...],
        weights: FloatArray | None = None,
        evaluation_weights: FloatArray | None = None,
    ) -> TrainingSet:
        """A training set of rows with C values each, which are trained by their squared error.

        Args:
            X: features `[N, D]`; may be memory-mapped.
            values: what is to be predicted `[N, C]`.
            folds: rows to train on and to evaluate on.
            weights: what each row counts in training `[N]`; None where all count alike.
            evaluation_weights: what each row counts where objectives judge it `[N]`; None likewise.
        """
        none = np.zeros(len(values), dtype=np.int64)
        return cls(
            X,
            none,
            values.shape[1],
            folds,
            weights=weights,
            targets=values,
            loss="squared",
            evaluation_weights=evaluation_weights,
        )


def check_training_set(data: TrainingSet) -> None:
    """Refuse what nothing can be trained on, before anything is computed.

    Raises:
        DataError: extra rows or outliers are not one float32 array `[n, D]` a fold; weights are not `[N]`, not finite,
            negative, or all 0 in a part of a fold; targets are not `[N, C]`, not finite, or no distributions where
            they have to be; the loss is unknown, or `squared` without targets or with outliers.
    """
    for name, extra in data.extra.items():
        _check_by_fold(data, f"extra rows {name!r}", extra)
    if data.outliers is not None:
        _check_by_fold(data, "outliers", data.outliers)
        if data.loss == "squared":
            raise DataError("outliers are rows of no class, and a regression has none; leave them out")
    if data.loss not in LOSSES:
        raise DataError(f"loss {data.loss!r} is unknown; choose among {', '.join(LOSSES)}")
    if data.weights is not None:
        _check_weights(data, data.weights, [fold.train for fold in data.folds], "training")
    if data.evaluation_weights is not None:
        _check_weights(data, data.evaluation_weights, [fold.evaluate for fold in data.folds], "evaluation")
    if data.targets is not None:
        _check_targets(data, data.targets)
    elif data.loss == "squared":
        raise DataError("the squared error needs values to predict; give targets [N, C], or leave the loss out")


def _check_by_fold(data: TrainingSet, what: str, given: Sequence[Float32Array]) -> None:
    """Refuse rows beside the folds' own that are not one float32 array `[n, D]` a fold."""
    width = data.X.shape[1]
    if len(given) != len(data.folds):
        raise DataError(
            f"{what} are given for {len(given)} fold(s) where there are {len(data.folds)}; give one array a fold"
        )
    for number, rows in enumerate(given):
        if rows.ndim != 2 or rows.shape[1] != width or rows.dtype != np.float32:
            raise DataError(
                f"{what} of fold {number} are {rows.dtype} of shape {rows.shape}; "
                f"give float32 of shape [n, {width}], the width of the features"
            )


def _check_weights(data: TrainingSet, weights: FloatArray, parts: Sequence[IntArray], use: str) -> None:
    if weights.shape != (len(data.X),):
        raise DataError(f"{use} weights of shape {weights.shape} do not fit {len(data.X)} rows; give one number a row")
    fine = np.isfinite(weights) & (weights >= 0)
    if not fine.all():
        row = int(np.flatnonzero(~fine)[0])
        raise DataError(f"the {use} weight of row {row} is {weights[row]}; give finite weights of 0 or more")
    for number, rows in enumerate(parts):
        if len(rows) and not weights[rows].any():
            raise DataError(f"all {use} rows of fold {number} have weight 0; give some of them more, or other folds")


def _check_targets(data: TrainingSet, targets: Float32Array | FloatArray) -> None:
    if targets.shape != (len(data.X), data.classes):
        raise DataError(
            f"targets of shape {targets.shape} do not fit {len(data.X)} rows and {data.classes} output(s); "
            f"give [{len(data.X)}, {data.classes}]"
        )
    fine = np.isfinite(targets).all(axis=1)
    if data.loss == "cross_entropy":
        sums = targets.sum(axis=1, dtype=np.float64)
        fine &= (targets >= 0).all(axis=1) & (np.abs(sums - 1) <= _SUM_TOLERANCE)
    if not fine.all():
        row = int(np.flatnonzero(~fine)[0])
        wanted = (
            "probabilities of all classes, which sum to 1" if data.loss == "cross_entropy" else "finite numbers alone"
        )
        raise DataError(f"the targets of row {row} are {targets[row].tolist()}; give {wanted}")
