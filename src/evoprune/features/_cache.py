"""The feature cache: features by the contents of the images and the fingerprint of the backbone.

A set of images has one file. While they are extracted there are shards: files of some of the images,
which the next extraction finds if this one does not come to its end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from evoprune import _large
from evoprune._types import Float32Array
from evoprune.features._cache_file import DamagedEntryError, read_digests, write_entry
from evoprune.features._cache_folder import (
    ENTRY_SUFFIX,
    FOLDER_LETTERS,
    SHARD_SUFFIX,
    cache_folder,
    entry_files,
    entry_key,
    read_checked,
)

_ROWS = 1024
"""Rows that are written at a time."""

_T = TypeVar("_T")


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
        entry = self._attempt(read_checked, path)
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
        for path in entry_files(self._folder / fingerprint[:FOLDER_LETTERS]):
            # Looking at the digests first spares the checksum of entries about other images.
            if missing.isdisjoint(self._attempt(read_digests, path) or ()):
                continue
            entry = self._attempt(read_checked, path)
            if entry is not None:
                known = {d: row for d, row in zip(entry.digests, entry.features, strict=True) if d in missing}
                found |= known
                missing -= known.keys()
                sharded += len(known) * path.name.endswith(SHARD_SUFFIX)
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
        path = self._path(fingerprint, digests, SHARD_SUFFIX)
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
        entry = self._attempt(read_checked, path)
        # Another process may have put the same images in another order there, or removed the shard.
        return entry.features if entry is not None and entry.digests == tuple(digests) else None

    def _remove_shards(self, folder: Path, digests: set[str]) -> None:
        """Remove shards that hold nothing but these images."""
        for path in entry_files(folder):
            if path.name.endswith(SHARD_SUFFIX) and digests.issuperset(self._attempt(read_digests, path) or ("",)):
                # On some systems not while another process uses it; then that process removes it.
                with suppress(OSError):
                    path.unlink()

    def _path(self, fingerprint: str, digests: Sequence[str], suffix: str = ENTRY_SUFFIX) -> Path:
        return self._folder / fingerprint[:FOLDER_LETTERS] / (entry_key(fingerprint, digests) + suffix)

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
