"""From the pixels of any image to the input of a network."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image

from evoprune._types import ByteArray, Float32Array
from evoprune.backbones._base import Preprocessing

_FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}

_MOST_PIXELS = 1 << 26
"""Pixels of a resized image that are worked out in full; beyond, the crop alone is, and may differ in the last bit."""


def preprocess(pixels: ByteArray, how: Preprocessing) -> Float32Array:
    """One image `[H, W, 3]` (uint8, RGB) as a contiguous network input `[3, h, w]` (float32).

    The arithmetic of `crop` is that of torchvision and timm, to the pixel: the longer side
    is cut to an integer, the crop's corner is rounded half to even.
    """
    image = Image.fromarray(pixels)
    height, width = how.size
    if how.fit == "crop":
        image = _cropped(image, how)
    elif image.size != (width, height):
        image = image.resize((width, height), _FILTERS[how.interpolation])
    channels = np.asarray(image).transpose(2, 0, 1)
    if how.color == "BGR":
        channels = channels[::-1]
    prepared = np.array(channels, dtype=np.float32, order="C")
    prepared -= np.array(how.mean, dtype=np.float32).reshape(3, 1, 1)
    prepared /= np.array(how.std, dtype=np.float32).reshape(3, 1, 1)
    return prepared


def _cropped(image: Image.Image, how: Preprocessing) -> Image.Image:
    """The centre of the resized image."""
    height, width = how.size
    covering = _covering(image, how)
    left, top = (round((whole - side) / 2) for whole, side in zip(covering, (width, height), strict=True))
    if covering[0] * covering[1] > _MOST_PIXELS:
        # Of an image of 30,000 x 2 pixels the whole would take gigabytes: the crop is resized alone.
        across, down = image.width / covering[0], image.height / covering[1]
        box = (left * across, top * down, (left + width) * across, (top + height) * down)
        return image.resize((width, height), _FILTERS[how.interpolation], box=box)
    if covering != image.size:
        image = image.resize(covering, _FILTERS[how.interpolation])
    return image.crop((left, top, left + width, top + height))


def _covering(image: Image.Image, how: Preprocessing) -> tuple[int, int]:
    """Width and height at which the shorter side (relative to the crop) is the crop's divided by `crop_fraction`."""
    # The small term keeps 224 / (224 / 232) from falling to 231.
    target_height, target_width = (math.floor(side / how.crop_fraction + 1e-6) for side in how.size)
    if image.height * target_width <= image.width * target_height:
        return max(target_width, image.width * target_height // image.height), target_height
    return target_width, max(target_height, image.height * target_width // image.width)
