"""The bundled data set: scikit-learn's handwritten digits."""

from __future__ import annotations

import numpy as np

from evoprune.data._dataset import ImageSet
from evoprune.data._images import ArrayImage
from evoprune.data._splits import DEFAULT_SPLIT, Split, split_rows


def load_digits_set(seed: int = 0, split: Split = DEFAULT_SPLIT) -> ImageSet:
    """1797 grey images of 8 x 8 pixels in 10 classes (UCI Optical Recognition of Handwritten Digits).

    Args:
        seed: of the stratified split.
        split: shares of training, validation and test part.

    Raises:
        ConfigError: a split or seed that cannot be used.
    """
    from sklearn.datasets import load_digits  # noqa: PLC0415

    bundled = load_digits()
    # The 17 grey levels 0..16 are spread over 0..255.
    grey = np.rint(bundled.images * (255 / 16)).astype(np.uint8)
    pixels = np.repeat(grey[..., None], 3, axis=3)
    labels = bundled.target.astype(np.int64)
    class_names = tuple(str(name) for name in bundled.target_names)
    division = split_rows(labels, class_names, split=split, seed=seed, where="digits")
    images = tuple(ArrayImage(f"digits/{row:04d}", image) for row, image in enumerate(pixels))
    return ImageSet("digits", images, labels, class_names, (division,))
