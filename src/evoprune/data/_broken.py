"""Images that cannot be read: finding them all, refusing them, or going on without them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np

from evoprune.data._classes import require_classes
from evoprune.data._dataset import BrokenImage, Image, ImageSet
from evoprune.data._images import UnreadableImageError
from evoprune.errors import DataError

_BLOCK = 4096
"""Images that wait to be decoded at a time."""


def check_images(
    images: Sequence[Image], *, threads: int = 4, progress: Callable[[int], None] | None = None
) -> list[BrokenImage]:
    """Decode every image and list those that cannot be read.

    Args:
        images: N images.
        threads: how many are decoded at once.
        progress: called in the caller's thread with the number of images done so far, 1..N.

    Returns:
        The broken images, in the order of `images`.
    """
    broken: list[BrokenImage] = []
    pool = ThreadPoolExecutor(max(1, threads))
    try:
        # Some at a time: what waits in a pool takes more memory than an image's name.
        blocks = (images[start : start + _BLOCK] for start in range(0, len(images), _BLOCK))
        problems = (problem for block in blocks for problem in pool.map(_problem, block))
        for done, problem in enumerate(problems, start=1):
            if problem is not None:
                broken.append(problem)
            if progress is not None:
                progress(done)
    finally:
        # Leaving the pool in the usual way would decode everything that is still queued after Ctrl-C.
        pool.shutdown(cancel_futures=True)
    return broken


def raise_broken(broken: Sequence[BrokenImage]) -> None:
    """Refuse broken images, all in one error; nothing happens if there are none.

    Raises:
        DataError: there are broken images; the message lists each with its reason.
    """
    if not broken:
        return
    count = "1 image" if len(broken) == 1 else f"{len(broken)} images"
    listed = "".join(f"\n  {item.path}: {item.reason}" for item in broken)
    raise DataError(f"{count} cannot be read; mend or remove them, or go on without them by --skip-broken:{listed}")


def without(image_set: ImageSet, broken: Sequence[BrokenImage]) -> ImageSet:
    """The same data set without its broken images; the other images keep their parts.

    Args:
        image_set: N images.
        broken: what `check_images` found.

    Returns:
        A data set whose `broken` records the images left out.

    Raises:
        DataError: a class has no readable image left in a part.
    """
    if not broken:
        return image_set
    paths = {item.path for item in broken}
    keep = np.array([Path(image.name) not in paths for image in image_set.images], dtype=np.bool_)
    divisions = tuple(division.keep(keep) for division in image_set.divisions)
    labels = image_set.labels[keep]
    require_classes(
        labels,
        image_set.class_names,
        divisions,
        f"{image_set.name} without its {len(broken)} broken image(s)",
    )
    images = tuple(image for image, kept in zip(image_set.images, keep, strict=True) if kept)
    return replace(image_set, images=images, labels=labels, divisions=divisions, broken=(*image_set.broken, *broken))


def _problem(image: Image) -> BrokenImage | None:
    try:
        image.load()
    except UnreadableImageError as error:
        return BrokenImage(error.path, error.reason)
    except DataError as error:
        return BrokenImage(Path(image.name), str(error))
    return None
