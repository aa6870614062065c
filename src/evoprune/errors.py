"""The errors evoprune raises. Each message names the file, the value and the way out."""

from __future__ import annotations


class EvoPruneError(Exception):
    """Base of every error that is the input's or the machine's, not a defect of evoprune.

    The command line prints the message as one sentence and ends with `exit_status`.
    """

    exit_status = 2


def is_shortage(error: BaseException) -> bool:
    """Whether an error says that memory ran out; torch's allocators say so in words alone."""
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and any(words in str(error) for words in _SHORTAGES)
    )


_SHORTAGES = ("out of memory", "not enough memory", "can't allocate memory", "ALLOC_FAILED")


class DataError(EvoPruneError):
    """Images, labels, splits or feature files that cannot be used as they are."""


class ConfigError(EvoPruneError):
    """A setting that is unknown, out of range, or contradicts another."""


class BackboneError(EvoPruneError):
    """A backbone that is unknown, needs a missing package, or whose weights cannot be had."""


class StorageError(EvoPruneError):
    """A run folder, store or cache that cannot be read or written."""


class DamagedStoreError(StorageError):
    """A study whose contents are not what was written: only a copy of it, or a new search, helps."""

    exit_status = 3
