"""One entry of the feature cache: a safetensors file that knows its own checksum.

Layout: the safetensors header with the tensors `features` `[n, D]` (F32) and `digests` `[n, 32]`
(U8, SHA-256 of each image), and in `__metadata__` the backbone's name and fingerprint and a
`checksum`: the SHA-256 of the whole file with the checksum itself written as zeros. So a file that
was cut short, and a bit that flipped anywhere, are both seen.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from evoprune._files import replacing
from evoprune._types import Float32Array

FORMAT = "evoprune-features-1"

_LENGTH_BYTES = 8
_DIGEST_BYTES = 32
_ALIGNMENT = 64
_LONGEST_HEADER = 1 << 20
_NO_CHECKSUM = "0" * 64


class DamagedEntryError(Exception):
    """A file of the cache whose contents are not what was written."""


@dataclass(frozen=True)
class EntryHeader:
    """What the beginning of an entry's file says.

    Attributes:
        backbone: name of the backbone.
        fingerprint: its fingerprint.
        images: n.
        width: D.
        checksum: see the module.
        length: bytes before the features.
    """

    backbone: str
    fingerprint: str
    images: int
    width: int
    checksum: str
    length: int

    @property
    def features_bytes(self) -> int:
        """Size of the features."""
        return self.images * self.width * np.dtype(np.float32).itemsize

    @property
    def file_bytes(self) -> int:
        """Size of the whole file."""
        return self.length + self.features_bytes + self.images * _DIGEST_BYTES


@dataclass(frozen=True)
class Entry:
    """The contents of an entry.

    Attributes:
        header: what the file says about itself.
        digests: SHA-256 of each image, hexadecimal `[n]`.
        features: `[n, D]`, read-only, mapped from the file.
    """

    header: EntryHeader
    digests: tuple[str, ...]
    features: Float32Array


def write_entry(
    path: Path, backbone: str, fingerprint: str, digests: Sequence[str], features: Iterable[Float32Array], width: int
) -> None:
    """Write an entry in one step: whoever reads `path` finds the old file, the new one, or none.

    Args:
        path: of the entry; its folder is made.
        backbone: name of the backbone.
        fingerprint: its fingerprint.
        digests: SHA-256 of each image, hexadecimal `[n]`.
        features: `[n, D]` in parts, of which only one need be in memory at a time.
        width: D.

    Raises:
        OSError: the disk is full, or the folder cannot be written.
    """
    start = _header_bytes(backbone, fingerprint, len(digests), width)
    with replacing(path) as stream:
        checksum = hashlib.sha256(start)
        stream.write(start)
        for part in features:
            contents = np.ascontiguousarray(part, dtype="<f4").reshape(-1).view(np.uint8).data
            checksum.update(contents)
            stream.write(contents)
        packed = bytes.fromhex("".join(digests))
        checksum.update(packed)
        stream.write(packed)
        stream.seek(start.index(_NO_CHECKSUM.encode()))
        stream.write(checksum.hexdigest().encode())


def read_header(path: Path) -> EntryHeader:
    """What an entry says about itself; size and form are checked, the checksum is not.

    Raises:
        DamagedEntryError: the file is cut short, or is no entry.
        OSError: the file cannot be read.
    """
    with path.open("rb") as stream:
        return _read_header(stream)


def read_digests(path: Path) -> tuple[str, ...]:
    """The images in an entry; the checksum is not verified.

    Raises:
        DamagedEntryError: the file is cut short, or is no entry.
        OSError: the file cannot be read.
    """
    with path.open("rb") as stream:
        return _read_digests(stream, _read_header(stream))


def read_entry(path: Path) -> Entry:
    """Read an entry and verify its checksum.

    Raises:
        DamagedEntryError: the file is not what was written.
        OSError: the file cannot be read.
    """
    with path.open("rb") as stream:
        header = _read_header(stream)
        if _checksum(stream, header) != header.checksum:
            raise DamagedEntryError("the checksum does not match")
        digests = _read_digests(stream, header)
        # Mapped from the open file: the name may stand for another file by now.
        mapped = np.memmap(stream, "<f4", "r", offset=header.length, shape=(header.images, header.width))
        return Entry(header, digests, np.asarray(mapped))


def _header_bytes(backbone: str, fingerprint: str, images: int, width: int) -> bytes:
    split = images * width * 4
    record = {
        # First, so that zeros in a name are not taken for it.
        "__metadata__": {
            "checksum": _NO_CHECKSUM,
            "format": FORMAT,
            "backbone": backbone,
            "fingerprint": fingerprint,
        },
        "features": {"dtype": "F32", "shape": [images, width], "data_offsets": [0, split]},
        "digests": {
            "dtype": "U8",
            "shape": [images, _DIGEST_BYTES],
            "data_offsets": [split, split + images * _DIGEST_BYTES],
        },
    }
    text = json.dumps(record).encode()
    text += b" " * (-(_LENGTH_BYTES + len(text)) % _ALIGNMENT)
    return len(text).to_bytes(_LENGTH_BYTES, "little") + text


def _read_header(stream: BinaryIO) -> EntryHeader:
    size = os.fstat(stream.fileno()).st_size
    length = int.from_bytes(stream.read(_LENGTH_BYTES), "little")
    if not 0 < length <= min(_LONGEST_HEADER, size - _LENGTH_BYTES):
        raise DamagedEntryError("the header is cut short")
    try:
        record: Any = json.loads(stream.read(length))
        metadata = record["__metadata__"]
        images, width = record["features"]["shape"]
        header = EntryHeader(
            backbone=str(metadata["backbone"]),
            fingerprint=str(metadata["fingerprint"]),
            images=int(images),
            width=int(width),
            checksum=str(metadata["checksum"]),
            length=_LENGTH_BYTES + length,
        )
        known = metadata["format"] == FORMAT
    except (ValueError, KeyError, TypeError) as error:
        raise DamagedEntryError("the header is unreadable") from error
    if not known or header.images < 1 or header.width < 1:
        raise DamagedEntryError("the header is not one of this version")
    if size != header.file_bytes:
        raise DamagedEntryError(f"it has {size} bytes instead of {header.file_bytes}")
    return header


def _read_digests(stream: BinaryIO, header: EntryHeader) -> tuple[str, ...]:
    stream.seek(header.length + header.features_bytes)
    packed = stream.read(header.images * _DIGEST_BYTES).hex()
    step = 2 * _DIGEST_BYTES
    return tuple(packed[start : start + step] for start in range(0, len(packed), step))


def _checksum(stream: BinaryIO, header: EntryHeader) -> str:
    stream.seek(0)
    start = stream.read(header.length)
    digest = hashlib.sha256(start.replace(header.checksum.encode(), _NO_CHECKSUM.encode(), 1))
    while chunk := stream.read(1 << 20):
        digest.update(chunk)
    return digest.hexdigest()
