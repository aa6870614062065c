"""Arrays in files, read so that those too large for memory never are in it as a whole."""

from __future__ import annotations

import lzma
import math
import struct
import tokenize
import zipfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from evoprune import _large
from evoprune.errors import DataError

if TYPE_CHECKING:
    from numpy.lib.npyio import NpzFile

AnyArray: TypeAlias = NDArray[np.generic]

DAMAGED = (
    ArithmeticError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    lzma.LZMAError,
    struct.error,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)
"""What reading a damaged file of arrays raises; the header of an array is a piece of Python's syntax."""

_BYTES = 1 << 24
"""Read at a time."""


def unreadable(what: str, error: Exception) -> DataError:
    """The error about an array that cannot be read.

    Args:
        what: the file, and which array in it.
        error: one of `DAMAGED`.
    """
    if "pickle" in str(error):
        return DataError(f"{what} holds Python objects, which are never loaded; save plain numbers")
    return DataError(f"{what} cannot be read, the file is damaged ({str(error) or type(error).__name__})")


def read_matrix(path: Path) -> AnyArray:
    """The array of a `.npy` file; one that is large stays in the file, which must not change while it is used.

    Raises:
        DataError: the file is damaged, or holds Python objects.
    """
    try:
        with path.open("rb") as file:
            if _large.is_large(path.stat().st_size):
                return np.asarray(np.lib.format.open_memmap(path, mode="r"))
            # numpy.load would take a file that is no array for pickled objects, and say so.
            array: AnyArray = np.lib.format.read_array(file, allow_pickle=False)
            return array
    except DAMAGED as error:
        raise unreadable(str(path), error) from error


def read_member(archive: NpzFile, name: str) -> AnyArray:
    """An array of an open `.npz` archive; one that is large is copied to a file without a name.

    Raises:
        any of `DAMAGED`: the archive is damaged, or the array holds Python objects.
    """
    files = archive.zip
    member = None if files is None else files.getinfo(name if name in files.namelist() else f"{name}.npy")
    if files is None or member is None or not _large.is_large(member.file_size):
        return np.asarray(archive[name])
    with files.open(member) as stream:
        version = np.lib.format.read_magic(stream)
        if version not in ((1, 0), (2, 0)):
            raise ValueError(f"a header of version {version} is unknown")
        header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, fortran, dtype = header(stream)
        if dtype.hasobject:
            raise ValueError("it would have to be unpickled")
        if math.prod(shape) * dtype.itemsize > member.file_size:
            raise ValueError("it is shorter than its header says")
        array = _large.empty(shape[::-1] if fortran else shape, dtype)
        contents = array.reshape(-1).view(np.uint8)
        done = 0
        while part := stream.read(_BYTES):
            if done + len(part) > len(contents):
                raise ValueError("it is longer than its header says")
            contents[done : done + len(part)] = np.frombuffer(part, np.uint8)
            done += len(part)
        if done < len(contents):
            raise ValueError("it is shorter than its header says")
        return array.T if fortran else array
