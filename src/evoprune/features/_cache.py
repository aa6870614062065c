"""The feature cache: features by the contents of the images and the fingerprint of the backbone."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Literal, TypeVar

import platformdirs

from evoprune._types import Float32Array
from evoprune.errors import StorageError
from evoprune.features._cache_file import (
    TEMPORARY_SUFFIX,
    DamagedEntryError,
    Entry,
    read_digests,
    read_entry,
    read_header,
    write_entry,
)

_ENTRY_SUFFIX = ".safetensors"
_FOLDER_LETTERS = 32

_T = TypeVar("_T")


def cache_folder() -> Path:
    """Where features are cached: `EVOPRUNE_CACHE` if set, else the user's cache directory."""
    moved = os.environ.get("EVOPRUNE_CACHE")
    root = Path(moved).expanduser() if moved else Path(platformdirs.user_cache_dir("evoprune"))
    return root / "features"


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


class FeatureCache:
    """Looks up and stores features; never fails, but says what it could not do, once for each file or folder.

    Several processes may use one cache: entries are written in one step, and two processes
    that compute the same entry write the same.
    """

    def __init__(self, notify: Callable[[str], None]) -> None:
        """Use the folder that is set now.

        Args:
            notify: called with a sentence where an entry is damaged or cannot be read or written.
        """
        self._folder = cache_folder()
        self._notify = notify
        self._unusable: set[Path] = set()

    def load(self, fingerprint: str, digests: Sequence[str]) -> Float32Array | None:
        """The features of exactly these images.

        Args:
            fingerprint: of the backbone.
            digests: SHA-256 of each image, hexadecimal `[n]`, distinct.

        Returns:
            Features `[n, D]` in the order of `digests`, read-only and mapped from the file where
            they are stored in this order; None where there is no such entry.
        """
        path = self._path(fingerprint, digests)
        entry = self._attempt(_read, path)
        if entry is None:
            return None
        if entry.digests == tuple(digests):
            return entry.features
        rows = {digest: row for row, digest in enumerate(entry.digests)}
        return entry.features[[rows[digest] for digest in digests]]

    def collect(self, fingerprint: str, digests: Iterable[str]) -> dict[str, Float32Array]:
        """What other entries of the same backbone know about these images.

        Args:
            fingerprint: of the backbone.
            digests: SHA-256 of each image, hexadecimal.

        Returns:
            Features `[D]` by digest, for those images that are known.
        """
        found: dict[str, Float32Array] = {}
        missing = set(digests)
        for path in _entry_files(self._folder / fingerprint[:_FOLDER_LETTERS]):
            # Looking at the digests first spares the checksum of entries about other images.
            if missing.isdisjoint(self._attempt(read_digests, path) or ()):
                continue
            entry = self._attempt(_read, path)
            if entry is not None:
                known = zip(entry.digests, entry.features, strict=True)
                found.update((digest, row) for digest, row in known if digest in missing)
                missing -= found.keys()
        return found

    def store(self, backbone: str, fingerprint: str, digests: Sequence[str], features: Float32Array) -> None:
        """Keep the features of these images.

        Args:
            backbone: name of the backbone.
            fingerprint: its fingerprint.
            digests: SHA-256 of each image, hexadecimal `[n]`, distinct.
            features: `[n, D]`.
        """
        try:
            write_entry(self._path(fingerprint, digests), backbone, fingerprint, digests, features)
        except OSError as error:
            if self._folder in self._unusable:
                return
            self._unusable.add(self._folder)
            self._notify(
                f"the features could not be kept in the cache {self._folder} ({error.strerror or error}); "
                "this run goes on, the next one computes them again; make room there, or set EVOPRUNE_CACHE "
                "to another folder"
            )

    def _path(self, fingerprint: str, digests: Sequence[str]) -> Path:
        return self._folder / fingerprint[:_FOLDER_LETTERS] / _file_name(fingerprint, digests)

    def _attempt(self, read: Callable[[Path], _T], path: Path) -> _T | None:
        """What `read` makes of an entry, or None, and said, where it cannot be used."""
        if path in self._unusable:
            return None
        try:
            return read(path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except DamagedEntryError as error:
            self._unusable.add(path)
            self._notify(f"the cached features {path} are damaged ({error}) and are computed again")
        except OSError as error:
            self._unusable.add(path)
            self._notify(
                f"the cached features {path} cannot be read ({error.strerror or error}) and are computed again"
            )
        return None


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
        if fingerprint is not None and folder.name != fingerprint[:_FOLDER_LETTERS]:
            continue
        try:
            for path in _entry_files(folder):
                removed.append(_describe(path, verified=False))
                path.unlink(missing_ok=True)
            for path in folder.glob(f".*{TEMPORARY_SUFFIX}"):
                path.unlink(missing_ok=True)
        except OSError as error:
            raise StorageError(
                f"the cache file {error.filename} cannot be removed: {error.strerror}; check who owns it"
            ) from error
        # Another process may just have written into it.
        with suppress(OSError):
            folder.rmdir()
    return removed


def _file_name(fingerprint: str, digests: Sequence[str]) -> str:
    key = hashlib.sha256("\n".join((fingerprint, *sorted(digests))).encode()).hexdigest()
    return f"{key}{_ENTRY_SUFFIX}"


def _read(path: Path) -> Entry:
    """Read an entry, verify its checksum, and that it is what its name says."""
    entry = read_entry(path)
    if _file_name(entry.header.fingerprint, entry.digests) != path.name:
        raise DamagedEntryError("it holds other features than its name says")
    return entry


def _describe(path: Path, *, verified: bool) -> CacheEntry:
    status = path.stat()
    date = datetime.fromtimestamp(status.st_mtime, timezone.utc)
    try:
        header = _read(path).header if verified else read_header(path)
    except (DamagedEntryError, OSError):
        return CacheEntry(path, "", "", 0, 0, status.st_size, date, "damaged")
    state: Literal["ok", "unchecked"] = "ok" if verified else "unchecked"
    return CacheEntry(
        path, header.backbone, header.fingerprint, header.images, header.width, status.st_size, date, state
    )


def _all_files() -> Iterator[Path]:
    for folder in _backbone_folders():
        yield from _entry_files(folder)


def _backbone_folders() -> list[Path]:
    return _matching(cache_folder(), rf"[0-9a-f]{{{_FOLDER_LETTERS}}}")


def _entry_files(folder: Path) -> list[Path]:
    return _matching(folder, rf"[0-9a-f]{{64}}{re.escape(_ENTRY_SUFFIX)}")


def _matching(folder: Path, pattern: str) -> list[Path]:
    """What is ours in a folder; a user may have pointed EVOPRUNE_CACHE to one that holds other things."""
    try:
        return sorted(path for path in folder.iterdir() if re.fullmatch(pattern, path.name))
    except OSError:
        return []
