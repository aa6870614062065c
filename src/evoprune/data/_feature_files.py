"""Feature files: `.npz` archives of matrices and labels, and `.npy` files of one matrix."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from evoprune._files import is_file
from evoprune.data._array_files import DAMAGED, AnyArray, read_matrix, read_member, unreadable
from evoprune.data._feature_arrays import FeatureArrays, checked_part, combine
from evoprune.data._splits import DEFAULT_SPLIT, Split
from evoprune.errors import DataError

if TYPE_CHECKING:
    from numpy.lib.npyio import NpzFile

_SMALL = 1 << 28
"""Bytes that any archive may unpack to."""

_LARGEST_RATIO = 100
"""Times its own size that a larger archive may unpack to; features can be packed to a tenth, zeros to a thousandth."""

_MEANINGFUL = {"X_train", "y_train", "X_val", "y_val", "X_test", "y_test", "X", "y", "class_names"}


def load_feature_file(path: str | Path, *, seed: int = 0, split: Split = DEFAULT_SPLIT) -> FeatureArrays:
    """Read features from a `.npz` or `.npy` file; nothing in it is unpickled.

    A `.npz` file holds `X_train`, `y_train`, `X_test`, `y_test` (and `X_val`, `y_val`), or `X` and `y`, which
    are divided here, stratified and seeded; optionally `class_names`. Other arrays are ignored.
    A file `NAME.npy` holds X, with y in `NAME.labels.npy` and, optionally, the names in `NAME.classes.npy`
    beside it. Float32 in it is not read into memory as a whole where it would take much of that.

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
    arrays, present = _read_matrices(path) if path.suffix.lower() == ".npy" else read_archive(path)
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
    if not is_file(path):
        raise DataError(f"{path} is not a file; give an .npz file with X_train, y_train, X_test and y_test")
    if not zipfile.is_zipfile(path):
        raise DataError(f"{path} is damaged or not an .npz file; write it with numpy.savez(path, X_train=..., ...)")
    key = ""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            _refuse_bomb(path, archive)
            arrays = {}
            for key in _MEANINGFUL.intersection(archive.files):
                arrays[key] = read_member(archive, key)
            return arrays, list(archive.files)
    except DAMAGED as error:
        raise unreadable(f"{path}: the array {key!r}" if key else str(path), error) from error


def _refuse_bomb(path: Path, archive: NpzFile) -> None:
    """Refuse an archive of which something is unpacked that would fill memory or disk.

    Raises:
        DataError: it unpacks to far more than features do.
    """
    wanted = _MEANINGFUL | {f"{name}.npy" for name in _MEANINGFUL}
    members = [] if archive.zip is None else archive.zip.infolist()
    unpacked = sum(member.file_size for member in members if member.filename in wanted)
    if unpacked > max(_SMALL, _LARGEST_RATIO * path.stat().st_size):
        raise DataError(
            f"{path} would unpack to {unpacked / 1e9:,.1f} GB, more than {_LARGEST_RATIO} times its size, which no "
            "features do (a decompression bomb); write it with numpy.savez, uncompressed, if it is none"
        )


def _read_matrices(path: Path) -> tuple[dict[str, AnyArray], list[str]]:
    """As `read_archive`, from a `.npy` file and those beside it."""
    if not is_file(path):
        raise DataError(f"{path} is not a file; give an .npy file of a matrix [rows, features]")
    labels, classes = (path.with_suffix(suffix) for suffix in (".labels.npy", ".classes.npy"))
    if not is_file(labels):
        raise DataError(f"{path} has no labels; give them as {labels}, or save both with numpy.savez(.., X=.., y=..)")
    arrays = {"X": read_matrix(path), "y": read_matrix(labels)}
    if is_file(classes):
        arrays["class_names"] = read_matrix(classes)
    return arrays, list(arrays)


def _names_from_file(names: AnyArray, where: str) -> list[str]:
    if names.dtype.kind != "U" or names.ndim != 1:
        raise DataError(f"{where}: class_names is {names.dtype} of shape {list(names.shape)}; give a list of texts")
    return [str(name) for name in names]
