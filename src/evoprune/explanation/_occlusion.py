"""Occlusion maps: what a number loses where a patch of the image is covered."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import product

import numpy as np

from evoprune._types import Float32Array, FloatArray
from evoprune.errors import ConfigError
from evoprune.explanation._extract import Extract, extracted
from evoprune.explanation._scaling import scaled
from evoprune.explanation._target import Target

PATCHES = 7
"""A patch is a seventh of the shorter side: about what one position of a network's last maps stands for."""

_ROUNDING = 1e-5
"""A loss below this share of the number itself is the network's rounding."""


def patch_size(height: int, width: int) -> int:
    """The side of a patch, pixels, for images of this size: 32 for 224 x 224."""
    return -(-min(height, width) // PATCHES)


def occlusion(
    extract: Extract,
    images: Float32Array,
    targets: Sequence[Target],
    *,
    patch: int | None = None,
    stride: int | None = None,
    batch_size: int = 64,
    progress: Callable[[int, int], None] | None = None,
) -> Float32Array:
    """Occlusion maps (Zeiler and Fergus 2014, arXiv 1311.2901, section 4.2), for networks without gradients.

    A square patch in the image's mean colour is moved over the image. A pixel's heat is what the target
    loses, averaged over the patches that cover it, of which those weigh more in whose middle it lies; where
    it gains, the heat is zero. All targets are read from the same passes through the network.

    Args:
        extract: the network.
        images: prepared images `[N, 3, h, w]`.
        targets: T things to explain.
        patch: side of the patch, pixels; a seventh of the shorter side by default (32 for 224 x 224).
        stride: pixels from one place of the patch to the next; half a patch by default.
        batch_size: images that go through the network at once.
        progress: called after each image with the number of images done and to do.

    Returns:
        Heatmaps `[T, N, h, w]`, each from 0 to 1; all zero where no patch lowers the target.

    Raises:
        ConfigError: patch or stride is out of range, or a target does not fit the network.
        BackboneError: the network cannot be run.
    """
    count, _, height, width = images.shape
    side = patch_size(height, width) if patch is None else patch
    step = max(1, side // 2) if stride is None else stride
    if not 1 <= side <= min(height, width) or not 1 <= step <= side:
        raise ConfigError(
            f"a patch of {side} pixels moved by {step} does not cover images of {height} x {width}; give a patch from "
            f"1 to {min(height, width)}, and a stride from 1 to the patch"
        )
    places = list(product(_starts(height, side, step), _starts(width, side, step)))
    maps = np.zeros((len(targets), count, height, width), dtype=np.float32)
    for row, image in enumerate(images):
        features = extracted(extract, _covered(image, places, side), batch_size)
        for number, target in enumerate(targets):
            values = target.of(slice(row, row + 1)).values(features)
            maps[number, row] = scaled(_averaged(values[0] - values[1:], values[0], places, side, (height, width)))[0]
        if progress is not None:
            progress(row + 1, count)
    return maps


def _starts(length: int, side: int, step: int) -> list[int]:
    """Where patches begin along one side, so that all of it is covered."""
    return sorted({*range(0, length - side, step), length - side})


def _covered(image: Float32Array, places: Sequence[tuple[int, int]], side: int) -> Iterator[Float32Array]:
    """The image `[3, h, w]` itself, and with the patch in each place."""
    mean = image.mean(axis=(1, 2))[:, None, None]
    yield image
    for top, left in places:
        covered = image.copy()
        covered[:, top : top + side, left : left + side] = mean
        yield covered


def _averaged(
    losses: FloatArray, value: float, places: Sequence[tuple[int, int]], side: int, size: tuple[int, int]
) -> FloatArray:
    """Weighted mean loss `[1, h, w]` of the patches that cover each pixel, from losses by place; gains are zero."""
    total, weights = np.zeros(size), np.zeros(size)
    # Weights fall off from the middle of the patch to its edges, so that maps have no steps of its size.
    tent = 1 - np.abs(np.linspace(-1, 1, side + 2)[1:-1])
    weight = np.outer(tent, tent)
    for (top, left), loss in zip(places, losses, strict=True):
        covered = np.s_[top : top + side, left : left + side]
        total[covered] += loss * weight
        weights[covered] += weight
    mean = total / weights
    mean[mean <= _ROUNDING * abs(value)] = 0
    return mean[None]
