"""What an unknown transform does to images, found by trying it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from evoprune._types import ByteArray, Float32Array, FloatArray
from evoprune.backbones._base import Backbone, Preprocessing
from evoprune.backbones._module import ModuleBackbone
from evoprune.backbones._preprocessing import preprocess
from evoprune.errors import BackboneError

_TOLERANCE = 0.05
"""Largest difference that is taken for rounding, in levels of 0..255."""


def preprocessing_of(backbone: Backbone) -> Preprocessing:
    """From pixels to the input of a backbone, as a description that can be written into a file.

    The transform of a `ModuleBackbone` is any function. It is tried on a few images, and
    described if it does what a `Preprocessing` can say (resize or crop, then normalise).

    Raises:
        BackboneError: the transform does something else.
    """
    known = getattr(backbone, "preprocessing", None)
    if isinstance(known, Preprocessing):
        return known
    if isinstance(backbone, ModuleBackbone):
        if isinstance(backbone.transform, Preprocessing):
            return backbone.transform
        found = _measured(backbone.prepare, backbone.input_size)
        if found is not None:
            return found
    raise BackboneError(
        f"what backbone {backbone.name!r} does to images cannot be written into a file, because it is not a resizing "
        "or cropping followed by a normalisation; make the backbone as ModuleBackbone(module, Preprocessing(...))"
    )


def _measured(prepare: Callable[[ByteArray], Float32Array], size: tuple[int, int]) -> Preprocessing | None:
    plain = Preprocessing(size)
    black, white, red = (_level(prepare, color) for color in ((0, 0, 0), (255, 255, 255), (255, 0, 0)))
    if black is None or white is None or red is None or np.any(white <= black):
        return None
    std = 255 / (white - black)
    mean = -black * std
    color = int(np.argmax(red - black))
    how = replace(plain, mean=_triple(mean), std=_triple(std), color="RGB" if color == 0 else "BGR")
    generator = np.random.default_rng(0)
    height, width = size
    shapes = ((height + 41, width + 87), (height + 90, width + 33), (max(height // 2, 1), max(width // 2, 1) + 9))
    images = [generator.integers(0, 256, (*shape, 3), dtype=np.uint8) for shape in shapes]
    expected = [prepare(image) for image in images]
    # An image that needs no resizing would look the same through any filter, so all are of other sizes.
    for candidate in _candidates(how):
        pairs = zip(images, expected, strict=True)
        if all(_same(preprocess(image, candidate), wanted, std) for image, wanted in pairs):
            return candidate
    return None


def _candidates(how: Preprocessing) -> Iterator[Preprocessing]:
    """All that differ in fit and filter; crops of a shorter side up to twice the input."""
    shorter = min(how.size)
    for interpolation in ("bilinear", "bicubic", "lanczos", "nearest"):
        filtered = replace(how, interpolation=interpolation)
        yield filtered
        for resized in range(shorter, 2 * shorter + 1):
            yield replace(filtered, fit="crop", crop_fraction=shorter / resized)


def _level(prepare: Callable[[ByteArray], Float32Array], color: tuple[int, int, int]) -> FloatArray | None:
    """What an image of one colour becomes, one number a channel; None where the result is not of one colour."""
    prepared = prepare(np.full((70, 90, 3), color, dtype=np.uint8)).astype(np.float64)
    level: FloatArray = prepared.mean(axis=(1, 2))
    even = np.abs(prepared - level[:, None, None]).max() <= 1e-5 * (1 + np.abs(level).max())
    return level if even else None


def _same(given: Float32Array, wanted: Float32Array, std: FloatArray) -> bool:
    return bool((np.abs(given - wanted) * std[:, None, None]).max() <= _TOLERANCE)


def _triple(values: FloatArray) -> tuple[float, float, float]:
    first, second, third = (float(value) for value in values)
    return first, second, third
