"""Features of corrupted images: how well a candidate bears noise, blur, low contrast and compression."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from evoprune._types import IntArray
from evoprune.backbones import Backbone
from evoprune.data import CORRUPTIONS, CorruptedImage, Division, ImageSet
from evoprune.errors import ConfigError
from evoprune.features._extractor import Extractor, Progress
from evoprune.features._features import Corrupted, Features


def with_corruptions(
    features: Features,
    images: ImageSet,
    rows: IntArray,
    network: Backbone,
    *,
    batch_size: int = 64,
    threads: int | None = None,
    progress: Progress | None = None,
    notify: Callable[[str], None] | None = None,
) -> Features:
    """The same features, with those of corrupted images beside them; they are cached as others are.

    Args:
        features: N rows.
        images: the N images that they were extracted from.
        rows: rows whose images are corrupted in every way of `data.CORRUPTIONS`; the order does not matter.
        network: the backbone that made the features.
        batch_size: see `extract`.
        threads: see `extract`.
        progress: see `extract`.
        notify: see `extract`.

    Raises:
        ConfigError: the images are not those of the features, there are no such rows, or a setting is out of range.
        DataError: an image cannot be read.
        BackboneError: the backbone cannot be had, or gives features that are not finite.
    """
    extractor = Extractor(network, batch_size=batch_size, threads=threads, progress=progress, notify=notify)
    return attach_corruptions(features, images, rows, extractor)


def attach_corruptions(features: Features, images: ImageSet, rows: IntArray, extractor: Extractor) -> Features:
    """As `with_corruptions`, by an extractor with the backbone of the features."""
    count = len(features.y)
    if len(images.images) != count:
        raise ConfigError(
            f"{images.name} has {len(images.images)} images, but {features.name} has {count} rows; give the images "
            "that the features were extracted from"
        )
    rows = np.unique(rows)
    if len(rows) == 0 or rows[0] < 0 or rows[-1] >= count:
        raise ConfigError(f"rows={rows.tolist()} are not rows of {features.name}; give some of 0..{count - 1}")
    corrupted = [CorruptedImage(images.images[row], kind) for kind in CORRUPTIONS for row in rows]
    # The originals were found readable when the features were extracted.
    X = extractor.features(extractor.survey(corrupted, check=False))
    return replace(features, corrupted=Corrupted.of(CORRUPTIONS, rows, X.reshape(len(CORRUPTIONS), len(rows), -1)))


def evaluated_rows(divisions: Sequence[Division]) -> IntArray:
    """The rows on which candidates may be evaluated, sorted.

    Those of validation and test parts; of a division without validation part all, since a search takes
    one out of its training part.
    """
    parts = [part for d in divisions for part in (d.test, d.train if d.validation is None else d.validation)]
    return np.unique(np.concatenate(parts))
