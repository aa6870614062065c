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
        # The lengths keep two files apart from one that holds both.
        digest.update(path.stat().st_size.to_bytes(8, "little"))
        with path.open("rb") as stream:
            while chunk := stream.read(1 << 20):
                digest.update(chunk)
    return digest.hexdigest()
