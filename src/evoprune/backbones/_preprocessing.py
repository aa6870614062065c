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


def preprocess(pixels: ByteArray, how: Preprocessing) -> Float32Array:
    """One image `[H, W, 3]` (uint8, RGB) as a contiguous network input `[3, h, w]` (float32).

    The arithmetic of `crop` is that of torchvision and timm, to the pixel: the longer side
    is cut to an integer, the crop's corner is rounded half to even.
    """
    image = Image.fromarray(pixels)
    height, width = how.size
    if how.fit == "crop":
        image = _cover(image, how)
        top, left = round((image.height - height) / 2), round((image.width - width) / 2)
        image = image.crop((left, top, left + width, top + height))
    elif image.size != (width, height):
        image = image.resize((width, height), _FILTERS[how.interpolation])
    channels = np.asarray(image).transpose(2, 0, 1)
    if how.color == "BGR":
        channels = channels[::-1]
    prepared = np.array(channels, dtype=np.float32, order="C")
    prepared -= np.array(how.mean, dtype=np.float32).reshape(3, 1, 1)
    prepared /= np.array(how.std, dtype=np.float32).reshape(3, 1, 1)
    return prepared


def _cover(image: Image.Image, how: Preprocessing) -> Image.Image:
    """Resize so that the shorter side (relative to the crop) is the crop's divided by `crop_fraction`."""
    # The small term keeps 224 / (224 / 232) from falling to 231.
    target_height, target_width = (math.floor(side / how.crop_fraction + 1e-6) for side in how.size)
    if image.height * target_width <= image.width * target_height:
        size = (max(target_width, image.width * target_height // image.height), target_height)
    else:
        size = (target_width, max(target_height, image.height * target_width // image.width))
    return image if size == image.size else image.resize(size, _FILTERS[how.interpolation])
