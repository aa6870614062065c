"""What a data set is: images (or anything that has rows), labels, and which rows are for what."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np

from evoprune._types import BoolArray, ByteArray, IntArray


class Image(Protocol):
    """One image: a name to show, a digest of its contents, and its pixels on request."""

    @property
    def name(self) -> str:
        """What errors and tables call it: the path, or a made-up name."""

    def digest(self) -> str:
        """SHA-256 of the stored contents, hexadecimal.

        Raises:
            DataError: the contents cannot be read.
        """

    def load(self) -> ByteArray:
        """Pixels `[H, W, 3]`, RGB. Called from several threads at once.

        Raises:
            DataError: the contents are not a readable image.
        """


@dataclass(frozen=True, eq=False)
class Division:
    """One division of the rows of a data set into parts; all arrays are sorted and disjoint.

    Attributes:
        train: rows to train on.
        test: rows kept for the report.
        validation: rows given as validation part by the data set, else None.
    """

    train: IntArray
    test: IntArray
    validation: IntArray | None = None

    def keep(self, kept: BoolArray) -> Division:
        """The division of the rows that are left, which move up.

        Args:
            kept: which of the rows are left `[N]`.
        """
        new_rows = np.cumsum(kept, dtype=np.int64) - 1

        def remap(rows: IntArray) -> IntArray:
            return new_rows[rows[kept[rows]]]

        validation = None if self.validation is None else remap(self.validation)
        return Division(remap(self.train), remap(self.test), validation)


@dataclass(frozen=True)
class BrokenImage:
    """An image that could not be read, and why."""

    path: Path
    reason: str


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Labelled images and their divisions.

    Attributes:
        name: short name, also of the run.
        images: N images.
        labels: class numbers `[N]`, int64, 0..C-1.
        class_names: C names, in the order of the class numbers.
        divisions: one division, or one per published fold.
        broken: images left out because they cannot be read (`skip_broken`).
    """

    name: str
    images: tuple[Image, ...]
    labels: IntArray
    class_names: tuple[str, ...]
    divisions: tuple[Division, ...]
    broken: tuple[BrokenImage, ...] = field(default=())
