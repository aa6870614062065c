"""From images to rows of features: what is cached is read, the rest goes through the backbone."""

from __future__ import annotations

import logging
import os
from collections import deque
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Protocol

import numpy as np

from evoprune._types import BoolArray, Float32Array
from evoprune.backbones import Backbone
from evoprune.data import BrokenImage, Image, check_images
from evoprune.errors import BackboneError, ConfigError, DataError
from evoprune.features._cache import FeatureCache

LOG = logging.getLogger("evoprune")

_MOST_THREADS = 8


class Progress(Protocol):
    """Hears how far a piece of work is."""

    def __call__(self, done: int, total: int) -> None:
        """Called from the caller's own thread with 0 < done <= total."""


@dataclass(frozen=True, eq=False)
class Survey:
    """What is known of some images before any goes through the network.

    Attributes:
        images: the n images that can be read, as far as that had to be looked at.
        digests: SHA-256 of each, hexadecimal.
        readable: which of the images asked about these are `[N]`.
        broken: the others.
        known: features `[D]` by digest, of images that the cache knows; without meaning if `rows` is set.
        rows: features of the distinct images, in the order in which they first come, if all are cached together.
    """

    images: tuple[Image, ...]
    digests: tuple[str, ...]
    readable: BoolArray
    broken: tuple[BrokenImage, ...]
    known: Mapping[str, Float32Array]
    rows: Float32Array | None

    @property
    def distinct(self) -> list[str]:
        """The digests without repetitions, in the order in which they first come."""
        return list(dict.fromkeys(self.digests))


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
    ) -> None:
        """Check the settings.

        Args:
            network: the backbone.
            batch_size: images that go through the network at once.
            threads: how many images are read and decoded at once; None takes one per processor, 8 at most.
            progress: called after each batch with the number of images done and to do, cached ones not counted.
            notify: called with a sentence where the cache cannot be used; None logs it.

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
            return Survey(tuple(images), tuple(digests), np.ones(len(images), dtype=np.bool_), (), {}, rows)
        known = self._cache.collect(self._network.fingerprint, digests)
        unknown = [image for image, digest in zip(images, digests, strict=True) if digest not in known]
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
        return Survey(left, tuple(digests), readable, tuple(broken), known, rows)

    def features(self, survey: Survey) -> Float32Array:
        """Features `[n, D]` of the images of a survey, in their order; those of equal contents are equal.

        Raises:
            BackboneError: the backbone cannot be had, or gives features that are not finite.
            DataError: an image that was not checked cannot be read.
        """
        distinct = survey.distinct
        rows = survey.rows
        if rows is None:
            rows = self._completed(survey, distinct)
            self._cache.store(self._network.name, self._network.fingerprint, distinct, rows)
        if len(distinct) == len(survey.digests):
            return rows
        row_of = {digest: row for row, digest in enumerate(distinct)}
        return rows[[row_of[digest] for digest in survey.digests]]

    def _load(self, digests: Sequence[str]) -> Float32Array | None:
        return self._cache.load(self._network.fingerprint, list(dict.fromkeys(digests)))

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
            return list(pool.map(digest, images))
        finally:
            pool.shutdown(cancel_futures=True)

    def _completed(self, survey: Survey, distinct: Sequence[str]) -> Float32Array:
        """Features `[n, D]` of the distinct images, computing those that are not known."""
        images = dict(zip(survey.digests, survey.images, strict=True))
        rows = dict(survey.known)
        if missing := [digest for digest in distinct if digest not in rows]:
            rows.update(zip(missing, self._computed([images[digest] for digest in missing]), strict=True))
        features = np.stack([rows[digest] for digest in distinct])
        # As when it comes from the cache.
        features.flags.writeable = False
        return features

    def _computed(self, images: Sequence[Image]) -> Float32Array:
        """Features `[n, D]` of these images."""
        parts: list[Float32Array] = []
        done = 0
        with closing(self._prepared(images)) as prepared:
            while batch := list(islice(prepared, self._batch_size)):
                part = self._network.extract(np.stack(batch))
                finite = np.isfinite(part).all(axis=1)
                if not finite.all():
                    name = images[done + int(finite.argmin())].name
                    raise BackboneError(
                        f"backbone {self._network.name!r} gives NaN or infinite features for {name}; its weights or "
                        "its preprocessing are at fault if other images fail too, else leave this image out"
                    )
                parts.append(part)
                done += len(batch)
                if self._progress is not None:
                    self._progress(done, len(images))
        return np.concatenate(parts)

    def _prepared(self, images: Sequence[Image]) -> Generator[Float32Array, None, None]:
        """The images as input of the network, in order; threads decode up to two batches in advance."""

        def prepare(image: Image) -> Float32Array:
            return self._network.prepare(image.load())

        pool = ThreadPoolExecutor(self._threads)
        try:
            remaining = iter(images)
            waiting = deque(pool.submit(prepare, image) for image in islice(remaining, 2 * self._batch_size))
            while waiting:
                yield waiting.popleft().result()
                waiting.extend(pool.submit(prepare, image) for image in islice(remaining, 1))
        finally:
            pool.shutdown(cancel_futures=True)
