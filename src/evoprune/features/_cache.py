"""The feature cache: features by the contents of the images and the fingerprint of the backbone.

A set of images has one file. While they are extracted there are shards: files of some of the images,
which the next extraction finds if this one does not come to its end.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np

from evoprune import _large
from evoprune._files import TEMPORARY
from evoprune._types import Float32Array
from evoprune.errors import StorageError
from evoprune.features._cache_file import (
    DamagedEntryError,
    Entry,
    read_digests,
    read_entry,
    read_header,
    write_entry,
)

_ENTRY_SUFFIX = ".safetensors"
_SHARD_SUFFIX = ".shard.safetensors"
_FOLDER_LETTERS = 32
_ROWS = 1024
"""Rows that are written at a time."""

_T = TypeVar("_T")


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


@dataclass(frozen=True)
class Known:
    """What the cache knows of some images.

    Attributes:
        rows: features `[D]` by digest, mapped from files.
        sharded: how many of them an extraction left that did not come to its end.
    """

    rows: dict[str, Float32Array]
    sharded: int


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
            digests: SHA-256 of each image, hexadecimal `[n]`; those of equal images repeat.

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
        row_of = {digest: row for row, digest in enumerate(entry.digests)}
        rows = np.array([row_of[digest] for digest in digests], dtype=np.int64)
        features: Float32Array = _large.take(entry.features, rows)
        features.flags.writeable = False
        return features

    def collect(self, fingerprint: str, digests: Iterable[str]) -> Known:
        """What other entries of the same backbone, and shards, know about these images.

        Args:
            fingerprint: of the backbone.
            digests: SHA-256 of each image, hexadecimal.
        """
        found: dict[str, Float32Array] = {}
        sharded = 0
        missing = set(digests)
        for path in _entry_files(self._folder / fingerprint[:_FOLDER_LETTERS]):
            # Looking at the digests first spares the checksum of entries about other images.
            if missing.isdisjoint(self._attempt(read_digests, path) or ()):
                continue
            entry = self._attempt(_read, path)
            if entry is not None:
                known = {d: row for d, row in zip(entry.digests, entry.features, strict=True) if d in missing}
                found |= known
                missing -= known.keys()
                sharded += len(known) * path.name.endswith(_SHARD_SUFFIX)
        return Known(found, sharded)

    def store(
        self, backbone: str, fingerprint: str, digests: Sequence[str], rows: Mapping[str, Float32Array]
    ) -> Float32Array | None:
        """Keep the features of these images, and remove the shards that held some of them.

        Args:
            backbone: name of the backbone.
            fingerprint: its fingerprint.
            digests: SHA-256 of each image, hexadecimal `[n]`; those of equal images repeat.
            rows: features `[D]` by digest.

        Returns:
            Features `[n, D]` in the order of `digests`, read-only, mapped from the file; None where they
            could not be kept, which is said.
        """
        path = self._path(fingerprint, digests)
        parts = (np.stack([rows[d] for d in digests[start : start + _ROWS]]) for start in range(0, len(digests), _ROWS))
        stored = self._stored(path, backbone, fingerprint, digests, parts, len(rows[digests[0]]))
        if stored is not None:
            self._remove_shards(path.parent, set(digests))
        return stored

    def store_shard(
        self, backbone: str, fingerprint: str, digests: Sequence[str], parts: Sequence[Float32Array]
    ) -> Float32Array | None:
        """Keep features on the way, for the case that the extraction does not come to its end.

        Args:
            backbone: name of the backbone.
            fingerprint: its fingerprint.
            digests: SHA-256 of each image, hexadecimal `[n]`.
            parts: features `[b, D]`, of n images together.

        Returns:
            As `store`.
        """
        path = self._path(fingerprint, digests, _SHARD_SUFFIX)
        return self._stored(path, backbone, fingerprint, digests, parts, parts[0].shape[1])

    def _stored(
        self,
        path: Path,
        backbone: str,
        fingerprint: str,
        digests: Sequence[str],
        parts: Iterable[Float32Array],
        width: int,
    ) -> Float32Array | None:
        try:
            write_entry(path, backbone, fingerprint, digests, parts, width)
        except OSError as error:
            if self._folder not in self._unusable:
                self._unusable.add(self._folder)
                self._notify(
                    f"the features could not be kept in the cache {self._folder} ({error.strerror or error}); "
                    "this run goes on, the next one computes again what is missing there; make room there, or set "
                    "EVOPRUNE_CACHE to another folder"
                )
            return None
        # Whatever was wrong with an earlier file of this name.
        self._unusable.discard(path)
        entry = self._attempt(_read, path)
        # Another process may have put the same images in another order there, or removed the shard.
        return entry.features if entry is not None and entry.digests == tuple(digests) else None

    def _remove_shards(self, folder: Path, digests: set[str]) -> None:
        """Remove shards that hold nothing but these images."""
        for path in _entry_files(folder):
            if path.name.endswith(_SHARD_SUFFIX) and digests.issuperset(self._attempt(read_digests, path) or ("",)):
                # On some systems not while another process uses it; then that process removes it.
                with suppress(OSError):
                    path.unlink()

    def _path(self, fingerprint: str, digests: Sequence[str], suffix: str = _ENTRY_SUFFIX) -> Path:
        return self._folder / fingerprint[:_FOLDER_LETTERS] / (_key(fingerprint, digests) + suffix)

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


def _key(fingerprint: str, digests: Sequence[str]) -> str:
    return hashlib.sha256("\n".join((fingerprint, *sorted(digests))).encode()).hexdigest()


def _read(path: Path) -> Entry:
    """Read an entry, verify its checksum, and that it is what its name says."""
    entry = read_entry(path)
    if _key(entry.header.fingerprint, entry.digests) != path.name.partition(".")[0]:
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
    return _matching(folder, rf"[0-9a-f]{{64}}({re.escape(_ENTRY_SUFFIX)}|{re.escape(_SHARD_SUFFIX)})")


def _matching(folder: Path, pattern: str) -> list[Path]:
    """What is ours in a folder; a user may have pointed EVOPRUNE_CACHE to one that holds other things."""
    try:
        return sorted(path for path in folder.iterdir() if re.fullmatch(pattern, path.name))
    except OSError:
        return []
