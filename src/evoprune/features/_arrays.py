"""Features that come from elsewhere: files and arrays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from numpy.typing import ArrayLike

from evoprune import data
from evoprune.data import DEFAULT_SPLIT, FeatureArrays, Split
from evoprune.features._digest import features_digest
from evoprune.features._features import Features
from evoprune.features._ood import with_ood


def from_feature_file(
    path: str | Path,
    *,
    ood: Sequence[str | Path] = (),
    seed: int = 0,
    split: Split = DEFAULT_SPLIT,
    notify: Callable[[str], None] | None = None,
) -> Features:
    """Features from a `.npz` file with `X_train, y_train, X_test, y_test` (see `data.load_feature_file`).

    Args:
        path: the file.
        ood: sets of out-of-distribution rows: feature files or `class:NAME` (see `with_ood`).
        seed: of the split, where the file has only `X` and `y`, and of the halves of `ood`.
        split: its shares of training, validation and test part.
        notify: called with a sentence about rows of `ood` that are left out; None logs it.

    Raises:
        DataError: a file cannot be used; the message says why.
        ConfigError: a split, seed or OOD source that cannot be used.
    """
    features = _features(data.load_feature_file(path, seed=seed, split=split))
    return with_ood(features, ood, seed=seed, notify=notify)


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
    ood: Sequence[str | Path | ArrayLike] = (),
    seed: int = 0,
    split: Split = DEFAULT_SPLIT,
    notify: Callable[[str], None] | None = None,
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
        ood: sets of out-of-distribution rows: matrices `[N, D]`, feature files or `class:NAME` (see `with_ood`).
        seed: of the split, where there is no test part, and of the halves of `ood`.
        split: its shares of training, validation and test part.
        notify: called with a sentence about rows of `ood` that are left out; None logs it.

    Raises:
        DataError: the matrices cannot be used; the message says why.
        ConfigError: a split, seed or OOD source that cannot be used.
    """
    arrays = data.from_arrays(
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
    return with_ood(_features(arrays), ood, seed=seed, notify=notify)


def _features(arrays: FeatureArrays) -> Features:
    return Features(
        name=arrays.name,
        X=arrays.X,
        y=arrays.y,
        class_names=arrays.class_names,
        divisions=arrays.divisions,
        digest=features_digest(arrays.X, arrays.y, arrays.divisions),
    )
