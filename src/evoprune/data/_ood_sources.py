"""Out-of-distribution (OOD) material: folders of images, feature files and matrices. Classes only spread the draw."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from evoprune import _large
from evoprune._files import is_file
from evoprune._types import Float32Array, IntArray
from evoprune.data._array_files import read_matrix
from evoprune.data._dataset import Image
from evoprune.data._feature_arrays import as_array, checked_features, checked_part, require_equal_widths
from evoprune.data._feature_files import read_archive
from evoprune.data._images import FileImage
from evoprune.data._scan import image_files, other_files, require_folder
from evoprune.errors import DataError

OOD_FILE_SUFFIXES = (".npz", ".npy")
"""Files that `load_ood_features` reads."""


def load_ood_images(folder: str | Path) -> tuple[tuple[Image, ...], IntArray]:
    """The images of a folder, however nested; none is decoded.

    Args:
        folder: the folder; each folder in it that holds images itself is a class, and a flat one is one class.

    Returns:
        N images, and the class of each `[N]`, numbered from 0.

    Raises:
        DataError: no such folder, or no images in it.
    """
    folder = Path(folder)
    require_folder(folder)
    paths = list(image_files(folder))
    if not paths:
        others = other_files(folder)
        hint = f" (there are only {others} files)" if others else ""
        raise DataError(f"{folder} holds no images{hint}; JPEG, PNG, WebP, BMP and TIFF files are read")
    numbers: dict[Path, int] = {}
    groups = np.array([numbers.setdefault(path.parent, len(numbers)) for path in paths], dtype=np.int64)
    return tuple(FileImage(path) for path in paths), groups


def load_ood_features(path: str | Path) -> tuple[Float32Array, IntArray]:
    """Features from a `.npz` or `.npy` file; nothing in it is unpickled.

    A `.npz` file holds `X` (and `y`), or the parts `X_train`, `X_test` (and `X_val`, and their labels);
    a `.npy` file holds one matrix.

    Args:
        path: the file.

    Returns:
        Features `[N, D]`, and the class of each row `[N]`, numbered from 0; one class where there are no labels.

    Raises:
        DataError: the file is missing, damaged or of another kind, lacks arrays, or its arrays cannot be used.
    """
    path = Path(path)
    if not is_file(path):
        raise DataError(f"{path} is not a file; give an .npz file with X, or an .npy file of a matrix")
    if path.suffix.lower() == ".npy":
        return ood_from_array(read_matrix(path), str(path))
    arrays, present = read_archive(path)
    suffixes = [""] if "X" in arrays and "X_train" not in arrays else ["_train", "_val", "_test"]
    parts = [suffix for suffix in suffixes if f"X{suffix}" in arrays]
    if not parts:
        raise DataError(
            f"{path} lacks X (it has {', '.join(present) or 'no arrays'}); give X (and y), or X_train and X_test"
        )
    missing = [f"y{part}" for part in parts if f"y{part}" not in arrays]
    if len(missing) == len(parts):
        matrices = {f"X{part}": checked_features(arrays[f"X{part}"], f"{path}: X{part}") for part in parts}
        return _joined(matrices, None, str(path))
    if missing:
        raise DataError(f"{path} lacks {', '.join(missing)}; give the labels of all its rows, or of none")
    checked = [checked_part(f"X{p}", arrays[f"X{p}"], f"y{p}", arrays[f"y{p}"], str(path)) for p in parts]
    return _joined({label: X for label, X, _ in checked}, np.concatenate([y for _, _, y in checked]), str(path))


def ood_from_array(array: ArrayLike, name: str) -> tuple[Float32Array, IntArray]:
    """Check a matrix of features.

    Args:
        array: features `[N, D]`, finite.
        name: what errors call it.

    Returns:
        Features `[N, D]`, and the class of each row `[N]`: one class.

    Raises:
        DataError: it is not 2-D, is empty, or holds anything but finite numbers (also as float32).
    """
    return _joined({name: checked_features(as_array(array, name), name)}, None, name)


def _joined(matrices: dict[str, Float32Array], labels: IntArray | None, where: str) -> tuple[Float32Array, IntArray]:
    require_equal_widths(matrices, where)
    X = _large.join(list(matrices.values()))
    if labels is None:
        return X, np.zeros(len(X), dtype=np.int64)
    return X, np.unique(labels, return_inverse=True)[1].astype(np.int64)
