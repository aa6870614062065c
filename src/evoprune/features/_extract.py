"""From images to features: what is cached is read, the rest goes through the backbone."""

from __future__ import annotations

import logging
import os
from collections import deque
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Protocol

import numpy as np

from evoprune._types import Float32Array
from evoprune.backbones import Backbone, load_backbone
from evoprune.data import (
    DEFAULT_SPLIT,
    Image,
    ImageSet,
    Split,
    check_images,
    count_duplicates,
    load_images,
    raise_broken,
    without,
)
from evoprune.errors import BackboneError, ConfigError, DataError
from evoprune.features._cache import FeatureCache
from evoprune.features._digest import features_digest
from evoprune.features._features import Features

_LOG = logging.getLogger("evoprune")

_MOST_THREADS = 8


class Progress(Protocol):
    """Hears how far a piece of work is."""

    def __call__(self, done: int, total: int) -> None:
        """Called from the caller's own thread with 0 < done <= total."""


def extract(
    source: str | Path | ImageSet,
    backbone: str | Backbone = "tiny",
    *,
    skip_broken: bool = False,
    batch_size: int = 64,
    threads: int | None = None,
    progress: Progress | None = None,
    notify: Callable[[str], None] | None = None,
    seed: int = 0,
    split: Split = DEFAULT_SPLIT,
) -> Features:
    """Features of a set of images.

    Each distinct image goes through the backbone once; the result is kept in the user's
    cache directory (`EVOPRUNE_CACHE` moves it), and the network is not even built where
    all images are known. The features do not depend on threads, and on the batch size only
    as far as the network's own arithmetic does (in the last bits of float32).

    Args:
        source: a folder of images, the name of a bundled data set, or an image set.
        backbone: a name (see `load_backbone`) or a backbone.
        skip_broken: leave images out that cannot be read, instead of refusing them.
        batch_size: images that go through the network at once.
        threads: how many images are read and decoded at once; None takes one per processor, 8 at most.
        progress: called after each batch with the number of images done and to do, cached ones not counted.
        notify: called with a sentence about anything worth knowing that does not stop the
            extraction; None logs it as a warning of the logger `evoprune`.
        seed: of the split, where the source is not divided into parts.
        split: shares of training, validation and test part, where the source is not divided.

    Returns:
        Features with rows in the order of the image set.

    Raises:
        DataError: the source cannot be used; images that cannot be read are all listed.
        BackboneError: the backbone cannot be had, or gives features that are not finite.
        ConfigError: a setting is out of range.
    """
    if batch_size < 1:
        raise ConfigError(f"batch_size={batch_size} is out of range; give 1 or more")
    if threads is not None and threads < 1:
        raise ConfigError(f"threads={threads} is out of range; give 1 or more, or leave it out")
    workers = threads or min(_MOST_THREADS, os.cpu_count() or 1)
    say = notify or _LOG.warning
    image_set = source if isinstance(source, ImageSet) else load_images(source, seed=seed, split=split)
    network = load_backbone(backbone) if isinstance(backbone, str) else backbone
    cache = FeatureCache(say)

    digests = _digests(image_set.images, workers)
    distinct = list(dict.fromkeys(digests))
    rows = cache.load(network.fingerprint, distinct)
    if rows is None:
        known = cache.collect(network.fingerprint, distinct)
        image_set, digests = _readable(image_set, digests, known, network, workers, skip_broken=skip_broken)
        images = dict(zip(digests, image_set.images, strict=True))
        distinct = list(dict.fromkeys(digests))
        # Without its broken images, the set may be one that is known as a whole.
        rows = cache.load(network.fingerprint, distinct) if image_set.broken else None
        if rows is None:
            compute = partial(_computed, network=network, batch_size=batch_size, threads=workers, progress=progress)
            rows = _completed(known, images, distinct, compute)
            cache.store(network.name, network.fingerprint, distinct, rows)

    duplicates = count_duplicates(digests, image_set.divisions)
    if duplicates:
        say(f"{duplicates} test image(s) of {image_set.name} also stand in the training part")
    X = _per_image(rows, distinct, digests)
    return Features(
        name=image_set.name,
        X=X,
        y=image_set.labels,
        class_names=image_set.class_names,
        divisions=image_set.divisions,
        digest=features_digest(X, image_set.labels, image_set.divisions),
        row_names=tuple(image.name for image in image_set.images),
        backbone=network,
        broken=image_set.broken,
        duplicates=duplicates,
    )


def _digests(images: Sequence[Image], threads: int) -> list[str]:
    """SHA-256 of each image, empty for a file that cannot be read."""

    def digest(image: Image) -> str:
        try:
            return image.digest()
        except DataError:
            # It is listed with its reason among all the other broken images.
            return ""

    pool = ThreadPoolExecutor(threads)
    try:
        return list(pool.map(digest, images))
    finally:
        pool.shutdown(cancel_futures=True)


def _readable(
    image_set: ImageSet,
    digests: Sequence[str],
    known: Mapping[str, Float32Array],
    network: Backbone,
    threads: int,
    *,
    skip_broken: bool,
) -> tuple[ImageSet, list[str]]:
    """The image set without broken images, and the digests of those left."""
    unknown = [image for image, digest in zip(image_set.images, digests, strict=True) if digest not in known]
    if not unknown:
        return image_set, list(digests)
    # Builds the network: one that cannot be had is said before minutes go into checking images.
    _ = network.width
    broken = check_images(unknown, threads=threads)
    if broken and not skip_broken:
        raise_broken(broken)
    paths = {item.path for item in broken}
    left = [
        digest or image.digest()
        for image, digest in zip(image_set.images, digests, strict=True)
        if Path(image.name) not in paths
    ]
    return without(image_set, broken), left


def _completed(
    known: Mapping[str, Float32Array],
    images: Mapping[str, Image],
    digests: Sequence[str],
    compute: Callable[[Sequence[Image]], Float32Array],
) -> Float32Array:
    """Features `[n, D]` of the images with these digests, computing those that are not known."""
    rows = dict(known)
    if missing := [digest for digest in digests if digest not in known]:
        rows.update(zip(missing, compute([images[digest] for digest in missing]), strict=True))
    features = np.stack([rows[digest] for digest in digests])
    # As when it comes from the cache.
    features.flags.writeable = False
    return features


def _computed(
    images: Sequence[Image], network: Backbone, batch_size: int, threads: int, progress: Progress | None
) -> Float32Array:
    """Features `[n, D]` of these images."""
    parts: list[Float32Array] = []
    done = 0
    with closing(_prepared(network, images, threads, ahead=2 * batch_size)) as prepared:
        while batch := list(islice(prepared, batch_size)):
            part = network.extract(np.stack(batch))
            finite = np.isfinite(part).all(axis=1)
            if not finite.all():
                name = images[done + int(finite.argmin())].name
                raise BackboneError(
                    f"backbone {network.name!r} gives NaN or infinite features for {name}; its weights or "
                    "its preprocessing are at fault if other images fail too, else leave this image out"
                )
            parts.append(part)
            done += len(batch)
            if progress is not None:
                progress(done, len(images))
    return np.concatenate(parts)


def _prepared(
    network: Backbone, images: Sequence[Image], threads: int, ahead: int
) -> Generator[Float32Array, None, None]:
    """The images as input of the network, in order; threads decode up to `ahead` images in advance."""

    def prepare(image: Image) -> Float32Array:
        return network.prepare(image.load())

    pool = ThreadPoolExecutor(threads)
    try:
        remaining = iter(images)
        waiting = deque(pool.submit(prepare, image) for image in islice(remaining, ahead))
        while waiting:
            yield waiting.popleft().result()
            waiting.extend(pool.submit(prepare, image) for image in islice(remaining, 1))
    finally:
        pool.shutdown(cancel_futures=True)


def _per_image(rows: Float32Array, distinct: Sequence[str], digests: Sequence[str]) -> Float32Array:
    """Features `[N, D]` of all images from those of the distinct ones, copied if there are duplicates."""
    if len(distinct) == len(digests):
        return rows
    row_of = {digest: row for row, digest in enumerate(distinct)}
    return rows[[row_of[digest] for digest in digests]]
