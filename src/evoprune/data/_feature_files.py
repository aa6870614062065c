"""Feature files: `.npz` archives of matrices and labels."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

import numpy as np

from evoprune.data._feature_arrays import AnyArray, FeatureArrays, checked_part, combine
from evoprune.data._splits import DEFAULT_SPLIT, Split
from evoprune.errors import DataError

_MEANINGFUL = {"X_train", "y_train", "X_val", "y_val", "X_test", "y_test", "X", "y", "class_names"}

DAMAGED = (
    OSError,
    ValueError,
    EOFError,
    KeyError,
    RuntimeError,
    MemoryError,
    zipfile.BadZipFile,
    zlib.error,
)
"""What reading a damaged file of arrays raises."""


def load_feature_file(path: str | Path, *, seed: int = 0, split: Split = DEFAULT_SPLIT) -> FeatureArrays:
    """Read features from a `.npz` file; nothing in it is unpickled.

    The file holds `X_train`, `y_train`, `X_test`, `y_test` (and `X_val`, `y_val`), or `X` and `y`, which
    are divided here, stratified and seeded; optionally `class_names`. Other arrays are ignored.

    Args:
        path: the file.
        seed: of the split of `X` and `y`.
        split: its shares of training, validation and test part.

    Raises:
        DataError: the file is missing, damaged or not `.npz`, lacks arrays, or its arrays cannot be
            used (see `from_arrays`).
        ConfigError: a split or seed that cannot be used.
    """
    path = Path(path)
    arrays, present = read_archive(path)
    where = str(path)
    names = arrays.get("class_names")
    class_names = None if names is None else _names_from_file(names, where)
    if "X_train" not in arrays and {"X", "y"} <= arrays.keys():
        return combine(
            path.stem,
            [checked_part("X", arrays["X"], "y", arrays["y"], where)],
            class_names,
            where=where,
            seed=seed,
            split=split,
        )
    needed = ["X_train", "y_train", "X_test", "y_test"]
    if "X_val" in arrays or "y_val" in arrays:
        needed[2:2] = ["X_val", "y_val"]
    missing = [key for key in needed if key not in arrays]
    if missing:
        raise DataError(
            f"{where} lacks {', '.join(missing)} (it has {', '.join(present) or 'no arrays'}); give "
            "X_train, y_train, X_test, y_test (and X_val, y_val), or X and y to have them split"
        )
    parts = [checked_part(x, arrays[x], y, arrays[y], where) for x, y in zip(needed[::2], needed[1::2], strict=True)]
    return combine(path.stem, parts, class_names, where=where, seed=seed, split=split)


def read_archive(path: Path) -> tuple[dict[str, AnyArray], list[str]]:
    """The arrays of a `.npz` file that have a meaning here, and the names of all that it holds.

    Raises:
        DataError: the file is missing, damaged, not `.npz`, or holds Python objects.
    """
    if not path.is_file():
        raise DataError(f"{path} is not a file; give an .npz file with X_train, y_train, X_test and y_test")
    if not zipfile.is_zipfile(path):
        raise DataError(f"{path} is damaged or not an .npz file; write it with numpy.savez(path, X_train=..., ...)")
    key = ""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = {}
            for key in _MEANINGFUL.intersection(archive.files):
                arrays[key] = np.asarray(archive[key])
            return arrays, list(archive.files)
    except DAMAGED as error:
        raise unreadable(f"{path}: the array {key!r}" if key else str(path), error) from error


def unreadable(what: str, error: Exception) -> DataError:
    """The error about an array that cannot be read.

    Args:
        what: the file, and which array in it.
        error: one of `DAMAGED`.
    """
    if "pickle" in str(error):
        return DataError(f"{what} holds Python objects, which are never loaded; save plain numbers")
    return DataError(f"{what} cannot be read, the file is damaged ({str(error) or type(error).__name__})")


def _names_from_file(names: AnyArray, where: str) -> list[str]:
    if names.dtype.kind != "U" or names.ndim != 1:
        raise DataError(f"{where}: class_names is {names.dtype} of shape {list(names.shape)}; give a list of texts")
    return [str(name) for name in names]
