"""Images made worse on purpose: noise, blur, low contrast, strong compression.

One medium severity, the third of five of ImageNet-C (Hendrycks & Dietterich, 2019). Its authors
chose weaker figures for smaller images (Tiny ImageNet-C, CIFAR-10-C), which are at chance
otherwise; here the figures follow the size of each image.
"""

from __future__ import annotations

import hashlib
import io
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import PIL.Image
import PIL.ImageFilter

from evoprune._types import ByteArray, FloatArray
from evoprune.data._dataset import Image
from evoprune.errors import ConfigError

_VERSION = 1
"""Part of each digest; another number makes cached features of corrupted images be computed again."""

_SIDES = (32, 64, 224)
"""Pixels: images of CIFAR-10-C, Tiny ImageNet-C and ImageNet-C. The tables below have a figure for each."""

_NOISE_SD = (0.08, 0.12, 0.18)
"""On the scale 0..1."""

_BLUR_SD = (0.7 / 32, 1 / 64, 3 / 224)
"""As a share of the side."""

_CONTRAST = (0.4, 0.2, 0.2)
"""What is left of the difference to the mean colour."""

_JPEG_QUALITY = (58, 50, 15)


@dataclass(frozen=True)
class CorruptedImage:
    """An image made worse; the same one every time.

    An image of more pixels than ImageNet-C's (224 x 224) is reduced to as many first, its
    proportions kept: what is added to finer pixels would vanish when the network's input is made.

    Attributes:
        image: the original.
        kind: one of `CORRUPTIONS`.

    Raises:
        ConfigError: the kind is unknown.
    """

    image: Image
    kind: str

    def __post_init__(self) -> None:
        if self.kind not in _APPLY:
            raise ConfigError(f"corruption {self.kind!r} is unknown; choose from {', '.join(CORRUPTIONS)}")

    @property
    def name(self) -> str:
        """The original's name, and how it is corrupted."""
        return f"{self.image.name} ({self.kind})"

    def digest(self) -> str:
        """SHA-256 of the kind, its version and the original's digest, hexadecimal.

        Raises:
            DataError: the original cannot be read.
        """
        return hashlib.sha256(f"{self.kind} {_VERSION} {self.image.digest()}".encode()).hexdigest()

    def load(self) -> ByteArray:
        """Pixels `[H, W, 3]`, RGB, corrupted.

        Raises:
            DataError: the original is not a readable image.
        """
        pixels = _reduced(self.image.load())
        side = math.sqrt(pixels.shape[0] * pixels.shape[1])
        return _APPLY[self.kind](pixels, side, np.random.default_rng(int(self.digest(), 16)))


def _reduced(pixels: ByteArray) -> ByteArray:
    height, width = pixels.shape[:2]
    scale = _SIDES[-1] / math.sqrt(height * width)
    if scale >= 1:
        return pixels
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(PIL.Image.fromarray(pixels).resize(size, PIL.Image.Resampling.BILINEAR))


def _strength(figures: tuple[float, float, float], side: float) -> float:
    """The figure for an image of this side, pixels; between the published sides linear in its logarithm."""
    return float(np.interp(math.log(side), np.log(_SIDES), figures))


def _noise(pixels: ByteArray, side: float, rng: np.random.Generator) -> ByteArray:
    return _rounded(pixels + rng.normal(0, 255 * _strength(_NOISE_SD, side), pixels.shape))


def _blur(pixels: ByteArray, side: float, _rng: np.random.Generator) -> ByteArray:
    kernel = PIL.ImageFilter.GaussianBlur(_strength(_BLUR_SD, side) * side)
    return np.asarray(PIL.Image.fromarray(pixels).filter(kernel))


def _contrast(pixels: ByteArray, side: float, _rng: np.random.Generator) -> ByteArray:
    mean = pixels.mean(axis=(0, 1))
    return _rounded(mean + _strength(_CONTRAST, side) * (pixels - mean))


def _jpeg(pixels: ByteArray, side: float, _rng: np.random.Generator) -> ByteArray:
    buffer = io.BytesIO()
    PIL.Image.fromarray(pixels).save(buffer, "JPEG", quality=round(_strength(_JPEG_QUALITY, side)))
    with PIL.Image.open(buffer) as image:
        return np.asarray(image)


def _rounded(values: FloatArray) -> ByteArray:
    return np.rint(np.clip(values, 0, 255)).astype(np.uint8)


_APPLY: dict[str, Callable[[ByteArray, float, np.random.Generator], ByteArray]] = {
    "noise": _noise,
    "blur": _blur,
    "contrast": _contrast,
    "jpeg": _jpeg,
}
"""Kind -> pixels, their side and a generator to corrupted pixels."""

CORRUPTIONS: tuple[str, ...] = tuple(_APPLY)
"""The kinds of corruption."""
