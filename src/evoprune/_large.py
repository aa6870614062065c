"""Arrays that may be too large for memory: those lie in a file without a name, which the system reads in parts.

What is in such a file is as fast as memory while there is room, and makes room where there is none. It vanishes
with the array, or with the process.
"""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

from evoprune._types import ByteArray, IntArray

_SHARE = 16
"""An array is large if it would fill one part in so many of the machine's memory."""

_ROWS = 4096
"""Rows that are copied at a time."""

_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
"""Where Linux tells what a container may use, by version of its control groups."""

_LOG = logging.getLogger("evoprune")

_Scalar = TypeVar("_Scalar", bound=np.generic)


def cache_root() -> Path:
    """Where evoprune keeps what may be computed again: `EVOPRUNE_CACHE` if set, else the user's cache directory."""
    import platformdirs  # noqa: PLC0415

    moved = os.environ.get("EVOPRUNE_CACHE")
    return Path(moved).expanduser() if moved else Path(platformdirs.user_cache_dir("evoprune"))


def is_large(size: int) -> bool:
    """Whether so many bytes are a large part of this machine's memory."""
    return size > machine_memory() // _SHARE


def machine_memory() -> int:
    """Bytes of memory that this machine has, or that a container may use of it."""
    import psutil  # noqa: PLC0415

    memory = int(psutil.virtual_memory().total)
    for limit in _LIMITS:
        # The file is not there, or says "max".
        with suppress(OSError, ValueError):
            memory = min(memory, int(limit.read_text(encoding="ascii")))
    return memory


def bytes_in_file(size: int) -> ByteArray | None:
    """So many bytes, all 0, in a file that has no name; None where they are not many, or there is no room for them."""
    if not is_large(size):
        return None
    folder = cache_root()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            _reserve(file.fileno(), size, folder)
            return np.asarray(np.memmap(file, np.uint8, "r+", shape=(size,)))
    except OSError as error:
        _LOG.warning(
            "%.1f GB are held in memory, because %s has no room for them (%s)",
            size / 1e9,
            folder,
            error.strerror or error,
        )
        return None


def empty(shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
    """An array of any contents, in memory or, if it is large, in a file without a name."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    mapped = bytes_in_file(size)
    return np.empty(shape, dtype) if mapped is None else mapped.view(dtype).reshape(shape)


def take(X: NDArray[_Scalar], rows: IntArray) -> NDArray[_Scalar]:
    """The rows `X[rows]`, which lie in a file without a name if they are large."""
    if not is_large(len(rows) * X[:1].nbytes):
        return X[rows]
    taken: NDArray[_Scalar] = empty((len(rows), *X.shape[1:]), X.dtype)
    for start in range(0, len(rows), _ROWS):
        taken[start : start + _ROWS] = X[rows[start : start + _ROWS]]
    return taken


def join(parts: list[NDArray[_Scalar]]) -> NDArray[_Scalar]:
    """The rows of matrices of equal width below each other, in a file without a name if they are large."""
    if not is_large(sum(part.nbytes for part in parts)):
        return np.concatenate(parts)
    joined: NDArray[_Scalar] = empty((sum(map(len, parts)), *parts[0].shape[1:]), parts[0].dtype)
    np.concatenate(parts, out=joined)
    return joined


def convert(X: NDArray[Any], dtype: DTypeLike) -> NDArray[Any]:
    """A matrix in another type of number, rows one after the other; itself where it is that already."""
    if X.dtype == dtype and X.flags.c_contiguous:
        return X
    if not is_large(X.size * np.dtype(dtype).itemsize):
        return np.ascontiguousarray(X, dtype=dtype)
    converted = empty(X.shape, dtype)
    for start in range(0, len(X), _ROWS):
        converted[start : start + _ROWS] = X[start : start + _ROWS]
    return converted


def _reserve(descriptor: int, size: int, folder: Path) -> None:
    """Make a file so long; a disk that is full says so now, rather than by ending the process at some later write."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, size)
        return
    if shutil.disk_usage(folder).free < size:
        raise OSError(f"{size} bytes are wanted")
    os.truncate(descriptor, size)
