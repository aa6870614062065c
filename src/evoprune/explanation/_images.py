"""Which images are looked at, and what of them the network sees."""

from __future__ import annotations

import numpy as np
from PIL import Image

from evoprune._types import ByteArray, Float32Array, FloatArray, IntArray
from evoprune.backbones import Backbone, Preprocessing
from evoprune.errors import ConfigError


def representatives(X: Float32Array, y: IntArray, train: IntArray, test: IntArray) -> IntArray:
    """One test image of each class: the one whose features are nearest to the mean of the class's training images.

    The distance is Euclidean, over all features; of several the first. A class without a test image has none.

    Args:
        X: features `[N, D]`.
        y: class numbers `[N]`.
        train: training rows.
        test: test rows.

    Returns:
        Rows, at most one a class, by class.
    """
    found = []
    for number in np.unique(y):
        own, candidates = train[y[train] == number], test[y[test] == number]
        if len(own) and len(candidates):
            mean = X[own].mean(axis=0, dtype=np.float64)
            found.append(candidates[np.linalg.norm(X[candidates] - mean, axis=1).argmin()])
    return np.array(found, dtype=np.int64)


def most_activating(values: FloatArray, count: int) -> IntArray:
    """Places `[K]` of up to `count` largest values, from the largest on; of equals the first.

    The lowest value does not count as activation, so a neuron that is the same for all images has none.

    Args:
        values: a neuron's value for each image `[N]`.
        count: how many.

    Raises:
        ConfigError: `count` is below 1.
    """
    if count < 1:
        raise ConfigError(f"{count} images cannot be shown; give 1 or more")
    order = np.argsort(-values, kind="stable")[:count]
    active: IntArray = order[values[order] > values.min(initial=np.inf)].astype(np.int64)
    return active


def seen_part(pixels: ByteArray, backbone: Backbone) -> ByteArray:
    """What of an image `[H, W, 3]` reaches the network, in the image's own resolution, so that a heatmap fits over it.

    All of it where the backbone stretches images to its size, and the centre where it crops them. A backbone with a
    transform of the user's own may do anything: there it is the prepared image, with its values scaled to 0..255.
    """
    preprocessing = getattr(backbone, "preprocessing", None)
    if isinstance(preprocessing, Preprocessing):
        return _centre(pixels, preprocessing) if preprocessing.fit == "crop" else pixels
    prepared = backbone.prepare(pixels).transpose(1, 2, 0)
    low, high = prepared.min(), prepared.max()
    return np.asarray(255 * (prepared - low) / ((high - low) or 1)).round().astype(np.uint8)


def _centre(pixels: ByteArray, how: Preprocessing) -> ByteArray:
    height, width = pixels.shape[:2]
    target_height, target_width = how.size
    # The largest part with the input's proportions, of which the crop keeps its share.
    scale = min(height / target_height, width / target_width) * how.crop_fraction
    rows, columns = max(1, round(scale * target_height)), max(1, round(scale * target_width))
    top, left = (height - rows) // 2, (width - columns) // 2
    return pixels[top : top + rows, left : left + columns]


def thumbnail(pixels: ByteArray, side: int) -> ByteArray:
    """An image `[H, W, 3]` whose longer side is at most `side` pixels."""
    image = Image.fromarray(pixels)
    image.thumbnail((side, side))
    return np.array(image)
