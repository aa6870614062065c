"""ZIP archives as torch writes them, checked before anything is unpacked."""

from __future__ import annotations

import hashlib
import io
import lzma
import zipfile
import zlib
from collections.abc import Collection, Mapping
from pathlib import PurePosixPath, PureWindowsPath

from evoprune.model._facts import RefusedError

_MOST_CODE = 1 << 26
"""Bytes by which an archive may grow when it is unpacked."""


def checked_archive(data: bytes) -> dict[str, bytes]:
    """The files of an archive by their name within its one folder.

    torch stores weights as they are and compresses code alone, and stores no name twice. An archive that does
    otherwise is not one of ours: it could unpack to any size, or show one reader something else than another.

    Raises:
        RefusedError: it is damaged, or no such archive; the message says why in a few words.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            for entry in entries:
                _check(entry)
            if sum(entry.file_size for entry in entries) > len(data) + _MOST_CODE:
                raise RefusedError("it unpacks to more than it should")
            names = [entry.filename for entry in entries]
            if len(set(names)) < len(names) or len({name.partition("/")[0] for name in names}) != 1:
                raise RefusedError("its files are not those of one archive of torch")
            return {name.partition("/")[2]: archive.read(name) for name in names}
    except RefusedError:
        raise
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, OSError, EOFError, RuntimeError, ValueError) as error:
        raise RefusedError("the archive is damaged or cut short") from error


def archive_digest(files: Mapping[str, bytes], leave_out: Collection[str]) -> bytes:
    """Names and SHA-256 of the files of an archive, in the order of the names, without some of them."""
    return b"".join(
        f"{name}\0".encode() + hashlib.sha256(files[name]).digest() for name in sorted(files) if name not in leave_out
    )


def _check(entry: zipfile.ZipInfo) -> None:
    path = PurePosixPath(entry.filename)
    if path.is_absolute() or ".." in path.parts or PureWindowsPath(entry.filename).anchor:
        raise RefusedError(f"it has a file {entry.filename!r}, outside itself")
