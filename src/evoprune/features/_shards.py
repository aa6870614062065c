"""What an extraction has computed, kept in shards on the way, so that an interrupted one is continued."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from evoprune._types import Float32Array

SHARD_BYTES = 64 * 2**20
"""Size at which a shard is written."""

SHARD_SECONDS = 60.0
"""Time after which a shard is written, whatever its size: what a killed extraction may lose."""


class Shards:
    """Rows of features as they are computed.

    Args:
        keep: writes the features of images, by their digests, in parts `[b, D]`, and gives them back mapped from
            their file `[n, D]`, or None where they cannot be kept.
    """

    def __init__(self, keep: Callable[[Sequence[str], Sequence[Float32Array]], Float32Array | None]) -> None:
        self._keep = keep
        self._digests: list[str] = []
        self._parts: list[Float32Array] = []
        self._since = time.monotonic()
        self.rows: dict[str, Float32Array] = {}

    @property
    def full(self) -> bool:
        """Whether a shard should be written now."""
        size = sum(part.nbytes for part in self._parts)
        return size >= SHARD_BYTES or time.monotonic() - self._since >= SHARD_SECONDS

    def add(self, digests: Sequence[str], features: Float32Array) -> None:
        """Take the features `[b, D]` of a whole batch: what is computed later then falls into the same batches."""
        self._digests.extend(digests)
        self._parts.append(features)
        self.rows.update(zip(digests, features, strict=True))

    def write(self) -> None:
        """Write what has come since the last shard, if anything; memory keeps only what cannot be written."""
        if not self._parts:
            return
        kept = self._keep(self._digests, self._parts)
        if kept is not None:
            self.rows.update(zip(self._digests, kept, strict=True))
        self._digests, self._parts = [], []
        self._since = time.monotonic()
