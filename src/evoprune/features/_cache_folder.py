"""The folder of the feature cache: what lies there, whether it is whole, and removing it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Literal

from evoprune import _large
from evoprune._files import TEMPORARY
from evoprune.errors import StorageError
from evoprune.features._cache_file import DamagedEntryError, Entry, read_entry, read_header

ENTRY_SUFFIX = ".safetensors"
"""Of the file of a set of images."""

SHARD_SUFFIX = ".shard.safetensors"
"""Of the file of some images of an extraction that is going on, or was interrupted."""

FOLDER_LETTERS = 32
"""Of a fingerprint, which name the folder of a backbone."""


def cache_folder() -> Path:
    """Where features are cached: `EVOPRUNE_CACHE` if set, else the user's cache directory."""
    return _large.cache_root() / "features"


@dataclass(frozen=True)
class CacheEntry:
    """One file of the cache.

    Attributes:
        path: the file.
        backbone: name of the backbone; empty where the file does not tell.
        fingerprint: of the backbone; empty where the file does not tell.
        images: number of distinct images.
        width: D, the number of features.
        bytes: size of the file.
        date: when it was written, UTC.
        state: `ok` or `damaged` after `verify`; `unchecked` where the checksum was not looked at.
    """

    path: Path
    backbone: str
    fingerprint: str
    images: int
    width: int
    bytes: int
    date: datetime
    state: Literal["ok", "damaged", "unchecked"]


def list_entries() -> list[CacheEntry]:
    """Every entry of the cache, sorted by path; checksums are not looked at (`unchecked` or `damaged`)."""
    return [_describe(path, verified=False) for path in _all_files()]


def verify() -> list[CacheEntry]:
    """Every entry of the cache, sorted by path, with its checksum verified (`ok` or `damaged`)."""
    return [_describe(path, verified=True) for path in _all_files()]


def clear(fingerprint: str | None = None) -> list[CacheEntry]:
    """Remove entries from the cache, and what interrupted processes left there.

    Args:
        fingerprint: of the backbone whose entries are removed; None removes all.

    Returns:
        The entries removed.

    Raises:
        StorageError: a file cannot be removed.
    """
    removed = []
    for folder in _backbone_folders():
        if fingerprint is not None and folder.name != fingerprint[:FOLDER_LETTERS]:
            continue
        try:
            for path in entry_files(folder):
                removed.append(_describe(path, verified=False))
                path.unlink(missing_ok=True)
            for path in folder.glob(f"{TEMPORARY}*.tmp"):
                path.unlink(missing_ok=True)
        except OSError as error:
            raise StorageError(
                f"the cache file {error.filename} cannot be removed: {error.strerror}; check who owns it"
            ) from error
        # Another process may just have written into it.
        with suppress(OSError):
            folder.rmdir()
    return removed


def entry_key(fingerprint: str, digests: Sequence[str]) -> str:
    """What the name of the file of these images begins with, in whatever order they are."""
    return hashlib.sha256("\n".join((fingerprint, *sorted(digests))).encode()).hexdigest()


def read_checked(path: Path) -> Entry:
    """Read an entry, verify its checksum, and that it is what its name says.

    Raises:
        DamagedEntryError: it is not.
        OSError: the file cannot be read.
    """
    entry = read_entry(path)
    if entry_key(entry.header.fingerprint, entry.digests) != path.name.partition(".")[0]:
        raise DamagedEntryError("it holds other features than its name says")
    return entry


def _describe(path: Path, *, verified: bool) -> CacheEntry:
    status = path.stat()
    date = datetime.fromtimestamp(status.st_mtime, timezone.utc)
    try:
        header = read_checked(path).header if verified else read_header(path)
    except (DamagedEntryError, OSError):
        return CacheEntry(path, "", "", 0, 0, status.st_size, date, "damaged")
    state: Literal["ok", "unchecked"] = "ok" if verified else "unchecked"
    return CacheEntry(
        path, header.backbone, header.fingerprint, header.images, header.width, status.st_size, date, state
    )


def _all_files() -> Iterator[Path]:
    for folder in _backbone_folders():
        yield from entry_files(folder)


def _backbone_folders() -> list[Path]:
    return _matching(cache_folder(), rf"[0-9a-f]{{{FOLDER_LETTERS}}}")


def entry_files(folder: Path) -> list[Path]:
    """The entries and shards in the folder of a backbone, sorted; none where it cannot be read."""
    return _matching(folder, rf"[0-9a-f]{{64}}({re.escape(ENTRY_SUFFIX)}|{re.escape(SHARD_SUFFIX)})")


def _matching(folder: Path, pattern: str) -> list[Path]:
    """What is ours in a folder; a user may have pointed EVOPRUNE_CACHE to one that holds other things."""
    try:
        return sorted(path for path in folder.iterdir() if re.fullmatch(pattern, path.name))
    except OSError:
        return []
