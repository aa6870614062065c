"""Writing features as the `.npz` file that `from_feature_file` reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evoprune import _large
from evoprune._files import replacing
from evoprune.errors import ConfigError, StorageError
from evoprune.features._features import Features


def write_feature_file(path: str | Path, features: Features) -> None:
    """Write `X_train, y_train, X_test, y_test, class_names`, and the validation part if there is one.

    Args:
        path: the file, ending in `.npz`.
        features: with a single division.

    Raises:
        ConfigError: the features have several folds, or the name does not end in `.npz`.
        StorageError: the file cannot be written.
    """
    path = Path(path)
    if path.suffix != ".npz":
        raise ConfigError(f"{path} does not end in .npz; give the feature file such a name")
    if len(features.divisions) > 1:
        raise ConfigError(f"{features.name} has {len(features.divisions)} folds, but a feature file holds one division")
    division = features.divisions[0]
    parts = {"train": division.train, "val": division.validation, "test": division.test}
    arrays: dict[str, NDArray[Any]] = {"class_names": np.array(features.class_names)}
    for part, rows in parts.items():
        if rows is not None:
            arrays[f"X_{part}"], arrays[f"y_{part}"] = _large.take(features.X, rows), features.y[rows]
    try:
        with replacing(path) as stream:
            np.savez(stream, allow_pickle=False, **arrays)
    except OSError as error:
        raise StorageError(
            f"{path} cannot be written: {error.strerror or error}; free space or give another folder"
        ) from error
