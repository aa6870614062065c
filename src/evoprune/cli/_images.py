"""Images that a command is given: files, and folders of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from evoprune.errors import DataError


def image_files(given: Path) -> Iterator[Path]:
    """A file as it is, or all images below a folder, sorted; hidden ones are left out.

    Raises:
        DataError: the folder holds no images.
    """
    from evoprune.data import IMAGE_SUFFIXES

    if not given.is_dir():
        yield given
        return
    found = [
        path
        for path in sorted(given.rglob("*"))
        if path.suffix.lower() in IMAGE_SUFFIXES
        and path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(given).parts)
    ]
    if not found:
        raise DataError(f"{given} holds no images; JPEG, PNG, WebP, BMP and TIFF files are read")
    yield from found
