"""What lies in a folder: visible sub-folders and image files, in a fixed order."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from evoprune._files import is_folder, is_there
from evoprune.data._images import IMAGE_SUFFIXES
from evoprune.errors import DataError

_NOT_OURS = frozenset({"__MACOSX"})
"""Folders that archive programs leave behind."""


def require_folder(path: Path) -> None:
    """Check that a path is a folder.

    Raises:
        DataError: it does not exist or is a file.
    """
    if is_folder(path):
        return
    if not is_there(path):
        raise DataError(f"{path} does not exist; give a folder of images, one sub-folder per class")
    way_out = {
        ".npz": "it looks like a feature file, to be given with --features",
        ".zip": "unpack it and give the folder",
    }.get(path.suffix.lower(), "give the folder that holds the images")
    raise DataError(f"{path} is a file, not a folder; {way_out}")


def subfolders(folder: Path) -> list[Path]:
    """The visible folders in a folder, sorted by name; links to folders count.

    Raises:
        DataError: the folder cannot be read.
    """
    try:
        return sorted(p for p in folder.iterdir() if _visible(p.name) and p.is_dir())
    except OSError as error:
        raise _unreadable(error) from error


def direct_images(folder: Path) -> list[Path]:
    """The image files that lie in a folder itself, sorted by name.

    Raises:
        DataError: the folder cannot be read.
    """
    try:
        return sorted(p for p in folder.iterdir() if _is_image(p.name) and not p.is_dir())
    except OSError as error:
        raise _unreadable(error) from error


def image_files(folder: Path) -> Iterator[Path]:
    """The image files anywhere below a folder, in a fixed order; links are followed, each folder once.

    Raises:
        DataError: a folder cannot be read.
    """
    for current, names in _walk(folder):
        yield from (current / name for name in names if _is_image(name))


def holds_images(folder: Path) -> bool:
    """Whether an image file lies anywhere below a folder.

    Raises:
        DataError: a folder cannot be read.
    """
    return next(image_files(folder), None) is not None


def other_files(folder: Path) -> str:
    """The kinds of files below a folder that holds no image, for an error's sentence: `12 .heic, 1 .txt`.

    Raises:
        DataError: a folder cannot be read.
    """
    kinds = Counter(Path(name).suffix.lower() for _, names in _walk(folder) for name in names if _visible(name))
    return ", ".join(f"{count} {kind or 'without suffix'}" for kind, count in kinds.most_common(3))


def _walk(folder: Path) -> Iterator[tuple[Path, list[str]]]:
    seen: set[Path] = set()
    for current, folders, files in os.walk(folder, followlinks=True, onerror=_refuse):
        real = Path(current).resolve()
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if _visible(name))
        yield Path(current), sorted(files)


def _visible(name: str) -> bool:
    return not name.startswith(".") and name not in _NOT_OURS


def _is_image(name: str) -> bool:
    return _visible(name) and Path(name).suffix.lower() in IMAGE_SUFFIXES


def _unreadable(error: OSError) -> DataError:
    return DataError(f"the folder {error.filename} cannot be read: {(error.strerror or str(error)).lower()}")


def _refuse(error: OSError) -> None:
    raise _unreadable(error) from error
