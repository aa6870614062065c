"""Features that come from elsewhere: files and arrays."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from numpy.typing import ArrayLike

from evoprune import data
from evoprune.data import DEFAULT_SPLIT, FeatureArrays, Split
from evoprune.features._digest import features_digest
from evoprune.features._features import Features


def from_feature_file(path: str | Path, *, seed: int = 0, split: Split = DEFAULT_SPLIT) -> Features:
    """Features from a `.npz` file with `X_train, y_train, X_test, y_test` (see `data.load_feature_file`).

    Args:
        path: the file.
        seed: of the split, where the file has only `X` and `y`.
        split: its shares of training, validation and test part.

    Raises:
        DataError: the file cannot be used; the message says why.
        ConfigError: a split or seed that cannot be used.
    """
    return _features(data.load_feature_file(path, seed=seed, split=split))


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
) -> Features:
    """Features from matrices in memory (see `data.from_arrays`).

    Args:
        X_train: features `[N, D]`, finite; all rows if there is no test part.
        y_train: integer labels `[N]`.
        X_test: features of the test part; without them the rows of `X_train` are split.
        y_test: labels of the test part.
        X_val: features of the validation part.
        y_val: labels of the validation part.
        class_names: C names, in the order of the labels.
        name: short name, also of the run.
        seed: of the split, where there is no test part.
        split: its shares of training, validation and test part.

    Raises:
        DataError: the matrices cannot be used; the message says why.
        ConfigError: a split or seed that cannot be used.
    """
    return _features(
        data.from_arrays(
            X_train,
            y_train,
            X_test,
            y_test,
            X_val=X_val,
            y_val=y_val,
            class_names=class_names,
            name=name,
            seed=seed,
            split=split,
        )
    )


def _features(arrays: FeatureArrays) -> Features:
    return Features(
        name=arrays.name,
        X=arrays.X,
        y=arrays.y,
        class_names=arrays.class_names,
        divisions=arrays.divisions,
        digest=features_digest(arrays.X, arrays.y, arrays.divisions),
    )
