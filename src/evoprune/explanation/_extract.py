"""Running a network on images that are made one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import TypeAlias

import numpy as np

from evoprune._types import Float32Array

Extract: TypeAlias = Callable[[Float32Array], Float32Array]
"""Prepared images `[N, 3, h, w]` to features `[N, D]`, as `Backbone.extract`."""


def extracted(extract: Extract, images: Iterator[Float32Array], batch_size: int) -> Float32Array:
    """Features `[N, D]` of N images `[3, h, w]`, of which only a batch is held at a time."""
    parts = []
    while batch := list(islice(images, batch_size)):
        parts.append(extract(np.stack(batch)))
    return np.concatenate(parts)
