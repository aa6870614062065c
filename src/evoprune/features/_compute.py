"""The part of an extraction that takes long: images through the backbone, batch by batch."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Protocol

import numpy as np

from evoprune._types import Float32Array
from evoprune.backbones import Backbone
from evoprune.data import Image


class Compute(Protocol):
    """Computes features of images; where, is its own matter."""

    def __call__(
        self, network: Backbone, images: Sequence[Image], batch_size: int, threads: int
    ) -> Generator[Float32Array, None, None]:
        """Features `[b, D]` of images 0..b-1, of images b..2b-1, .. in this order; the last batch may be smaller.

        Args:
            network: the backbone.
            images: N images that can be read.
            batch_size: b, images that go through the network at once; each batch by itself, so that features have
                the same bits wherever they are computed on equal hardware.
            threads: how many images are read and decoded at once on a machine.

        Raises:
            BackboneError: the backbone cannot be had.
            DataError: an image cannot be read.
        """


def compute_here(
    network: Backbone, images: Sequence[Image], batch_size: int, threads: int
) -> Generator[Float32Array, None, None]:
    """As `Compute`, in this process: threads decode up to two batches in advance."""

    def prepare(image: Image) -> Float32Array:
        return network.prepare(image.load())

    pool = ThreadPoolExecutor(threads)
    try:
        remaining = iter(images)
        waiting = deque(pool.submit(prepare, image) for image in islice(remaining, 2 * batch_size))
        while waiting:
            batch: list[Float32Array] = []
            while waiting and len(batch) < batch_size:
                batch.append(waiting.popleft().result())
                waiting.extend(pool.submit(prepare, image) for image in islice(remaining, 1))
            yield network.extract(np.stack(batch))
    finally:
        pool.shutdown(cancel_futures=True)
