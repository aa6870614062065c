"""What a baseline is given: rows to select and train on, and rows to choose its own settings on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np

from evoprune._types import Float32Array, FloatArray, IntArray
from evoprune.data import Fold
from evoprune.errors import DataError
from evoprune.heads import Head
from evoprune.training import Recipe, TrainingSet

_Found = TypeVar("_Found")


@dataclass(frozen=True, eq=False)
class SelectionData:
    """Rows, head and recipe of a comparison.

    Attributes:
        X: raw features of the training rows `[n, D]`, float32.
        y: their class numbers `[n]`, 0..C-1.
        classes: C.
        X_val: raw features of the validation rows `[m, D]`, float32; a method may choose its own
            settings on them, nothing else.
        y_val: their class numbers `[m]`.
        head: shape of the head that is pruned.
        recipe: how heads are trained, and masks retrained afterwards.
        refit: train the models that are handed back on training and validation rows together,
            once a method's settings are chosen. Leave it False where the validation rows are
            to compare those models; masks are always selected on the training rows.

    Raises:
        DataError: the arrays do not fit each other, or there are no rows.
    """

    X: Float32Array
    y: IntArray
    classes: int
    X_val: Float32Array
    y_val: IntArray
    head: Head
    recipe: Recipe
    refit: bool = False
    _known: dict[Any, Any] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        for name, X, y in (("X", self.X, self.y), ("X_val", self.X_val, self.y_val)):
            if X.ndim != 2 or X.dtype != np.float32 or 0 in X.shape or X.shape[1] != self.X.shape[1]:
                raise DataError(
                    f"{name} is {X.dtype} of shape {X.shape}; give float32 of shape [rows, features] with at least "
                    "one row, training and validation part equally wide"
                )
            if y.shape != (len(X),) or y.min() < 0 or y.max() >= self.classes:
                raise DataError(
                    f"the labels of {name} must be {len(X)} class numbers 0..{self.classes - 1}, one a row, "
                    f"but they are of shape {y.shape} with the values {np.unique(y)[:20].tolist()}"
                )

    @property
    def width(self) -> int:
        """D, the number of features."""
        return int(self.X.shape[1])

    def standardized(self) -> tuple[Float32Array, Float32Array]:
        """Training `[n, D]` and validation rows `[m, D]`, by mean and deviation of the training rows."""
        mean, scale = standardization(self.X)
        train, validation = (((X - mean) / scale).astype(np.float32) for X in (self.X, self.X_val))
        return train, validation

    def once(self, name: Any, compute: Callable[[], _Found]) -> _Found:
        """What several methods have need of, computed by the first of them that is given this object.

        Args:
            name: of what is computed, everything that it depends on besides rows, head and recipe included.
            compute: without side effects.
        """
        # Copies with other rows, head or recipe share what is known: that models are trained on has more rows.
        key = (len(self.X), repr(self.head), repr(self.recipe), name)
        if key not in self._known:
            self._known[key] = compute()
        found: _Found = self._known[key]
        return found

    def for_models(self) -> SelectionData:
        """The same with the rows that models are trained on as training rows (see `refit`)."""
        if not self.refit:
            return self
        X, y = np.concatenate([self.X, self.X_val]), np.concatenate([self.y, self.y_val])
        return replace(self, X=X, y=y, refit=False)

    def training_set(self, *, evaluate: bool = False) -> TrainingSet:
        """One fold: all training rows, and the validation rows to evaluate on if `evaluate`, else none."""
        n = len(self.X)
        if not evaluate:
            fold = Fold(np.arange(n, dtype=np.int64), np.zeros(0, dtype=np.int64))
            return TrainingSet(self.X, self.y, self.classes, (fold,))
        X, y = np.concatenate([self.X, self.X_val]), np.concatenate([self.y, self.y_val])
        fold = Fold(np.arange(n, dtype=np.int64), np.arange(n, len(X), dtype=np.int64))
        return TrainingSet(X, y, self.classes, (fold,))


def standardization(X: Float32Array) -> tuple[FloatArray, FloatArray]:
    """Mean and standard deviation of each feature `[D]`; constant features get deviation 1."""
    from sklearn.preprocessing import StandardScaler  # noqa: PLC0415

    scaler = StandardScaler().fit(X)
    return scaler.mean_.astype(np.float64), scaler.scale_.astype(np.float64)
