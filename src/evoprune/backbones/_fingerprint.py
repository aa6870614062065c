"""Fingerprints: equal where the features are equal."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path

from evoprune.backbones._base import Preprocessing

_VERSION = 1
"""Raised when evoprune itself changes what features come out of the same weights."""


def fingerprint(architecture: str, weights: str, preprocessing: Preprocessing) -> str:
    """SHA-256 of everything that features depend on, hexadecimal.

    Args:
        architecture: which network the weights are put into.
        weights: digest of the weights, hexadecimal.
        preprocessing: from pixels to input.
    """
    record = {
        "version": _VERSION,
        "architecture": architecture,
        "weights": weights,
        "preprocessing": dataclasses.asdict(preprocessing),
    }
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()


def file_digest(*paths: Path) -> str:
    """SHA-256 of the contents of files, one after the other, hexadecimal.

    Raises:
        OSError: a file cannot be read.
    """
    digest = hashlib.sha256()
    for path in paths:
        digest.update(_length(path.stat().st_size))
        with path.open("rb") as stream:
            while chunk := stream.read(1 << 20):
                digest.update(chunk)
    return digest.hexdigest()


def bytes_digest(content: bytes) -> str:
    """What `file_digest` gives for a file with this content."""
    digest = hashlib.sha256(_length(len(content)))
    digest.update(content)
    return digest.hexdigest()


def _length(size: int) -> bytes:
    """Written before each content: it keeps two files apart from one that holds both."""
    return size.to_bytes(8, "little")
