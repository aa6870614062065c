"""Writing files so that no reader ever sees half of one."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from evoprune.errors import StorageError


def write_atomic(path: Path, contents: bytes | str) -> None:
    """Write a whole file, or leave the old one (or none) in place.

    Args:
        path: the file; its folder is made if it is not there.
        contents: bytes, or text written as UTF-8.

    Raises:
        StorageError: the folder cannot be written to, or the disk is full.
    """
    data = contents.encode("utf-8") if isinstance(contents, str) else contents
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            temporary = Path(file.name)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except OSError as error:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
        raise StorageError(
            f"{path} cannot be written: {error.strerror or error}; free space or give another folder"
        ) from error


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
