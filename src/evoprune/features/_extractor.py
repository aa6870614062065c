"""From images to rows of features: what is cached is read, the rest goes through the backbone."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from evoprune import _large
from evoprune._types import BoolArray, Float32Array
from evoprune.backbones import Backbone
from evoprune.data import BrokenImage, Image, check_images
from evoprune.errors import BackboneError, ConfigError, DataError
from evoprune.features._cache import FeatureCache
from evoprune.features._compute import Compute, compute_here
from evoprune.features._shards import Shards

LOG = logging.getLogger("evoprune")

_MOST_THREADS = 8
_BLOCK = 4096
"""Images that wait to be read at a time."""


class Progress(Protocol):
    """Hears how far a piece of work is."""

    def __call__(self, done: int, total: int) -> None:
        """Called from the caller's own thread with 0 <= done <= total."""


@dataclass(frozen=True, eq=False)
class Survey:
    """What is known of some images before any goes through the network.

    Attributes:
        images: the n images that can be read, as far as that had to be looked at.
        digests: SHA-256 of each, hexadecimal.
        readable: which of the images asked about these are `[N]`.
        broken: the others.
        known: features `[D]` by digest, of images that the cache knows; without meaning if `rows` is set.
        sharded: how many of these an earlier extraction left that did not come to its end.
        rows: features `[n, D]` of the images, if all are cached together.
    """

    images: tuple[Image, ...]
    digests: tuple[str, ...]
    readable: BoolArray
    broken: tuple[BrokenImage, ...]
    known: Mapping[str, Float32Array]
    sharded: int
    rows: Float32Array | None


class Extractor:
    """Features of images by one backbone, each distinct image computed once and kept in the cache."""

    def __init__(
        self,
        network: Backbone,
        *,
        batch_size: int = 64,
        threads: int | None = None,
        progress: Progress | None = None,
        notify: Callable[[str], None] | None = None,
        compute: Compute | None = None,
    ) -> None:
        """Check the settings.

        Args:
            network: the backbone.
            batch_size: images that go through the network at once.
            threads: how many images are read and decoded at once; None takes one per processor, 8 at most.
            progress: called before the first and after each batch with the number of images done and to do; those
                cached are not counted, but for those that an interrupted extraction has done.
            notify: called with a sentence where the cache cannot be used; None logs it.
            compute: what puts images through the backbone; None does so here.

        Raises:
            ConfigError: a setting is out of range.
        """
        if batch_size < 1:
            raise ConfigError(f"batch_size={batch_size} is out of range; give 1 or more")
        if threads is not None and threads < 1:
            raise ConfigError(f"threads={threads} is out of range; give 1 or more, or leave it out")
        self._network = network
        self._batch_size = batch_size
        self._threads = threads or min(_MOST_THREADS, os.cpu_count() or 1)
        self._progress = progress
        self._compute = compute or compute_here
        self._cache = FeatureCache(notify or LOG.warning)

    def survey(self, images: Sequence[Image], *, check: bool = True) -> Survey:
        """Look up images in the cache, and decode those that it does not know.

        Args:
            images: N images.
            check: whether to look for broken images; without it, `features` raises at the first of them.

        Raises:
            BackboneError: some images are not known, and the backbone cannot be had.
        """
        digests = self._digests(images)
        rows = self._load(digests)
        if rows is not None:
            return Survey(tuple(images), tuple(digests), np.ones(len(images), dtype=np.bool_), (), {}, 0, rows)
        known = self._cache.collect(self._network.fingerprint, digests)
        unknown = [image for image, digest in zip(images, digests, strict=True) if digest not in known.rows]
        broken: list[BrokenImage] = []
        if unknown and check:
            # Builds the network: one that cannot be had is said before minutes go into checking images.
            _ = self._network.width
            broken = check_images(unknown, threads=self._threads)
        paths = {item.path for item in broken}
        readable = np.array([Path(image.name) not in paths for image in images], dtype=np.bool_)
        left = tuple(image for image, kept in zip(images, readable, strict=True) if kept)
        digests = [
            digest or image.digest() for image, digest, kept in zip(images, digests, readable, strict=True) if kept
        ]
        # Without the broken images, the rest may be known as a whole.
        rows = self._load(digests) if broken else None
        return Survey(left, tuple(digests), readable, tuple(broken), known.rows, known.sharded, rows)

    def features(self, survey: Survey) -> Float32Array:
        """Features `[n, D]` of the images of a survey, in their order, read-only; those of equal contents are equal.

        Raises:
            BackboneError: the backbone cannot be had, or gives features that are not finite.
            DataError: an image that was not checked cannot be read.
        """
        if survey.rows is not None:
            return survey.rows
        rows = self._completed(survey)
        stored = self._cache.store(self._network.name, self._network.fingerprint, survey.digests, rows)
        if stored is not None:
            return stored
        features: Float32Array = _large.empty((len(survey.digests), len(rows[survey.digests[0]])), np.float32)
        for row, digest in enumerate(survey.digests):
            features[row] = rows[digest]
        # As when it comes from the cache.
        features.flags.writeable = False
        return features

    def _load(self, digests: Sequence[str]) -> Float32Array | None:
        return self._cache.load(self._network.fingerprint, digests)

    def _digests(self, images: Sequence[Image]) -> list[str]:
        """SHA-256 of each image, empty for a file that cannot be read."""

        def digest(image: Image) -> str:
            try:
                return image.digest()
            except DataError:
                # It is listed with its reason among all the other broken images.
                return ""

        pool = ThreadPoolExecutor(self._threads)
        try:
            # Some at a time: what waits in a pool takes more memory than an image's name.
            blocks = (images[start : start + _BLOCK] for start in range(0, len(images), _BLOCK))
            return [found for block in blocks for found in pool.map(digest, block)]
        finally:
            pool.shutdown(cancel_futures=True)

    def _completed(self, survey: Survey) -> Mapping[str, Float32Array]:
        """Features `[D]` of the images by digest, computing those that are not known."""
        images = dict(zip(survey.digests, survey.images, strict=True))
        missing = [digest for digest in images if digest not in survey.known]
        if not missing:
            return survey.known
        total = survey.sharded + len(missing)
        if survey.sharded:
            LOG.info("features: the extraction continues at %d of %d images", survey.sharded, total)
        if self._progress is not None:
            self._progress(survey.sharded, total)
        return {**survey.known, **self._computed(missing, [images[digest] for digest in missing], total)}

    def _computed(self, digests: Sequence[str], images: Sequence[Image], total: int) -> Mapping[str, Float32Array]:
        """Features `[D]` of these images by digest, the last of `total`; all but the last of them lie in shards."""
        network = self._network
        shards = Shards(lambda some, parts: self._cache.store_shard(network.name, network.fingerprint, some, parts))
        done = 0
        try:
            with closing(self._compute(network, images, self._batch_size, self._threads)) as batches:
                for features in batches:
                    finite = np.isfinite(features).all(axis=1)
                    if not finite.all():
                        name = images[done + int(finite.argmin())].name
                        raise BackboneError(
                            f"backbone {network.name!r} gives NaN or infinite features for {name}; its weights or "
                            "its preprocessing are at fault if other images fail too, else leave this image out"
                        )
                    shards.add(digests[done : done + len(features)], features)
                    done += len(features)
                    if done < len(images) and shards.full:
                        shards.write()
                    if self._progress is not None:
                        self._progress(total - len(images) + done, total)
        except BaseException:
            # Whatever ends the extraction early: what has been computed is not computed again.
            shards.write()
            raise
        return shards.rows
