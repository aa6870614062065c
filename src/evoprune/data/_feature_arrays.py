"""Feature matrices instead of images: what they are, and the checks they must pass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from evoprune import _large
from evoprune._types import Float32Array, IntArray
from evoprune.data._array_files import AnyArray
from evoprune.data._classes import require_classes
from evoprune.data._dataset import Division
from evoprune.data._splits import DEFAULT_SPLIT, Split, split_rows
from evoprune.errors import DataError

FeaturePart: TypeAlias = tuple[str, Float32Array, IntArray]
"""Name of the part, features `[n, D]`, labels `[n]` as given."""

_ROWS = 4096
"""Rows that are looked at together."""


@dataclass(frozen=True, eq=False)
class FeatureArrays:
    """Feature vectors with labels and divisions, from anywhere.

    Attributes:
        name: short name, also of the run.
        X: features `[N, D]`, float32, finite.
        y: class numbers `[N]`, int64, 0..C-1.
        class_names: C names.
        divisions: one division of the rows.
    """

    name: str
    X: Float32Array
    y: IntArray
    class_names: tuple[str, ...]
    divisions: tuple[Division, ...]


def from_arrays(
    X_train: ArrayLike,
    y_train: ArrayLike,
    X_test: ArrayLike | None = None,
    y_test: ArrayLike | None = None,
    *,
    X_val: ArrayLike | None = None,
    y_val: ArrayLike | None = None,
    class_names: Sequence[str] | None = None,
    name: str = "features",
    seed: int = 0,
    split: Split = DEFAULT_SPLIT,
) -> FeatureArrays:
    """Check feature matrices in memory and put them together.

    Args:
        X_train: features `[N, D]`, finite numbers; all rows if there is no test part.
        y_train: integer labels `[N]`: 0..C-1 if `class_names` are given, otherwise any integers, which are
            numbered in ascending order and named after themselves.
        X_test: features of the test part; without them the rows of `X_train` are split.
        y_test: labels of the test part.
        X_val: features of the validation part.
        y_val: labels of the validation part.
        class_names: C names, in the order of the labels.
        name: short name, also of the run.
        seed: of the split, where there is no test part.
        split: its shares of training, validation and test part.

    Raises:
        DataError: matrices that are not 2-D, are empty, of unequal widths, or hold NaN or infinite values
            (also after conversion to float32); labels that are not integers, or not one per row; one class;
            a class missing in a part.
        ConfigError: a split or seed that cannot be used.
    """
    given: dict[str, ArrayLike | None] = {
        "X_train": X_train,
        "y_train": y_train,
        "X_val": X_val,
        "y_val": y_val,
        "X_test": X_test,
        "y_test": y_test,
    }
    parts = []
    for part in ("train", "val", "test"):
        X, y = given[f"X_{part}"], given[f"y_{part}"]
        if X is not None and y is not None:
            parts.append(
                checked_part(
                    f"X_{part}",
                    as_array(X, f"{name}: X_{part}"),
                    f"y_{part}",
                    as_array(y, f"{name}: y_{part}"),
                    name,
                )
            )
        elif X is not None or y is not None:
            raise DataError(f"{name}: X_{part} and y_{part} go together, but only one of them is given")
    if X_val is not None and X_test is None:
        raise DataError(f"{name}: X_val is given but X_test is not; give both, or only X_train to have it split")
    return combine(name, parts, class_names, where=name, seed=seed, split=split)


def as_array(value: ArrayLike, what: str) -> AnyArray:
    """Anything like an array as one.

    Args:
        value: an array, or nested lists.
        what: what errors call it.

    Raises:
        DataError: its rows are of unequal widths.
    """
    try:
        return np.asarray(value)
    except ValueError as error:
        raise DataError(f"{what} is not a matrix of numbers; its rows are of unequal widths") from error


def checked_part(x_label: str, X: AnyArray, y_label: str, y: AnyArray, where: str) -> FeaturePart:
    """Check one part.

    Args:
        x_label: what errors call the features.
        X: features `[n, D]`.
        y_label: what errors call the labels.
        y: labels `[n]`.
        where: the file or data set, for errors.

    Raises:
        DataError: features or labels that cannot be used (see `from_arrays`).
    """
    features = checked_features(X, f"{where}: {x_label}")
    if y.dtype.kind not in "iu":
        raise DataError(
            f"{where}: {y_label} holds {y.dtype} labels, but integers are needed; number the classes from 0 "
            "and give their names as class_names"
        )
    if y.shape != (len(features),):
        raise DataError(
            f"{where}: {y_label} has shape {list(y.shape)}, but {x_label} has {len(features)} rows; "
            f"give one label per row, shape [{len(features)}]"
        )
    return x_label, features, y.astype(np.int64)


def checked_features(X: AnyArray, what: str) -> Float32Array:
    """Check a matrix of features.

    Args:
        X: features `[n, D]`.
        what: what errors call it.

    Raises:
        DataError: it is not 2-D, is empty, or holds anything but finite numbers (also as float32).
    """
    if X.dtype.kind not in "fiu":
        raise DataError(f"{what} holds {X.dtype} values, but features are real numbers; convert it to float32")
    if X.ndim != 2 or 0 in X.shape:
        raise DataError(f"{what} has shape {list(X.shape)}; give a matrix [rows, features] that is not empty")
    with np.errstate(over="ignore"):
        features: Float32Array = _large.convert(X, np.float32)
    for start in range(0, len(features), _ROWS):
        finite = np.isfinite(features[start : start + _ROWS])
        if not finite.all():
            row, column = (int(i) for i in np.argwhere(~finite)[0])
            value = X[start + row, column]
            why = f"{value}, too large for float32" if np.isfinite(value) else str(value)
            raise DataError(
                f"{what} is {why} at row {start + row}, column {column} (counted from 0); features must be finite"
            )
    return features


def combine(
    name: str,
    parts: Sequence[FeaturePart],
    class_names: Sequence[str] | None,
    *,
    where: str,
    seed: int,
    split: Split,
) -> FeatureArrays:
    """Put checked parts together; a single part is split.

    Args:
        name: short name of the result.
        parts: training, validation (or not) and test part, or one part.
        class_names: C names, or None to name the classes after their labels.
        where: the file or data set, for errors.
        seed: of the split.
        split: its shares of training, validation and test part.

    Raises:
        DataError: unequal widths, labels that do not fit the names, one class, or a class missing in a part.
        ConfigError: a split or seed that cannot be used.
    """
    require_equal_widths({label: X for label, X, _ in parts}, where)
    labels, names = _numbered([y for _, _, y in parts], class_names, where)
    if len(parts) == 1:
        require_classes(labels, names, (), where)
        division = split_rows(labels, names, split=split, seed=seed, where=where)
    else:
        division = _consecutive({label: len(X) for label, X, _ in parts})
        require_classes(labels, names, (division,), where)
    X = parts[0][1] if len(parts) == 1 else _large.join([X for _, X, _ in parts])
    return FeatureArrays(name, X, labels, names, (division,))


def require_equal_widths(matrices: Mapping[str, Float32Array], where: str) -> None:
    """Check that matrices can be put below each other.

    Args:
        matrices: `[n, D]`, by the name that errors call them.
        where: the file or data set, for errors.

    Raises:
        DataError: they have different widths.
    """
    (first, features), *others = matrices.items()
    for label, other in others:
        if other.shape[1] != features.shape[1]:
            raise DataError(
                f"{where}: {first} has {features.shape[1]} features a row, but {label} has {other.shape[1]}; "
                "the widths must be equal"
            )


def _numbered(
    given: Sequence[IntArray], class_names: Sequence[str] | None, where: str
) -> tuple[IntArray, tuple[str, ...]]:
    labels = np.concatenate(given)
    if class_names is None:
        values, numbers = np.unique(labels, return_inverse=True)
        return numbers.astype(np.int64), tuple(str(value) for value in values)
    names = tuple(class_names)
    if not names or len(set(names)) != len(names):
        raise DataError(f"{where}: class_names {list(names)} must be distinct names, one per class")
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= len(names):
        raise DataError(
            f"{where}: label {low if low < 0 else high} is outside 0..{len(names) - 1}, the numbers of the "
            f"{len(names)} class_names"
        )
    return labels, names


def _consecutive(sizes: Mapping[str, int]) -> Division:
    rows = {}
    start = 0
    for label, size in sizes.items():
        rows[label] = np.arange(start, start + size, dtype=np.int64)
        start += size
    return Division(rows["X_train"], rows["X_test"], rows.get("X_val"))
