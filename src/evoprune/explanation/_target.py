"""What a heatmap explains: one number that an image's features decide."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from evoprune._types import Float32Array, FloatArray, IntArray
from evoprune.errors import ConfigError
from evoprune.heads import CompactHead, forward


@dataclass(frozen=True, eq=False)
class Target:
    """A number of each image: what the network gives, a hidden unit's value, or the logit of a class.

    Attributes:
        columns: which number; one for all images `[1]`, or one for each `[N]`.
        head: what the features go through, or None where the number is one of the features.
        depth: after how many of the head's matrices the number is read.
    """

    columns: IntArray
    head: CompactHead | None = None
    depth: int = 0

    @classmethod
    def output(cls, number: int) -> Target:
        """A number that the network itself gives: a feature, or the logit of a network with its classifier."""
        return cls(np.array([number], dtype=np.int64))

    @classmethod
    def unit(cls, head: CompactHead, layer: int, number: int) -> Target:
        """The value, after ReLU, of a unit in a hidden layer of a head.

        Args:
            head: the head.
            layer: of the hidden layers, from 1.
            number: of the unit among those that the compact head has, from 0.

        Raises:
            ConfigError: the head has no such layer or unit.
        """
        if not 1 <= layer < len(head.matrices) or not 0 <= number < head.matrices[layer - 1].shape[1]:
            raise ConfigError(
                f"the head has no unit {number} in a hidden layer {layer}; layers count from 1, units from 0"
            )
        return cls(np.array([number], dtype=np.int64), head, layer)

    @classmethod
    def class_logit(cls, head: CompactHead, classes: IntArray) -> Target:
        """The logit of a class, one `[1]` for all images or one for each `[N]`.

        Raises:
            ConfigError: the head has no such class.
        """
        classes = np.atleast_1d(np.asarray(classes, dtype=np.int64))
        if classes.min() < 0 or classes.max() >= head.classes:
            raise ConfigError(
                f"classes {classes.tolist()} are not those of a head with {head.classes}; they count from 0"
            )
        return cls(classes, head, len(head.matrices))

    def of(self, images: slice) -> Target:
        """The same for some of the images."""
        return self if len(self.columns) == 1 else replace(self, columns=self.columns[images])

    def values(self, X: Float32Array) -> FloatArray:
        """The numbers `[N]` of features `[N, D]`.

        Raises:
            ConfigError: there are neither one nor N columns, or not that many numbers.
            DataError: the features do not fit the head.
        """
        numbers = self.layer_values(X)
        return numbers[np.arange(len(numbers)), self.columns_for(*numbers.shape)].astype(np.float64)

    def layer_values(self, X: Float32Array) -> Float32Array:
        """All numbers `[N, W]` among which the target's are, of features `[N, D]`.

        Raises:
            DataError: the features do not fit the head.
        """
        if self.head is None:
            return X
        self.head.check(X)
        numbers = forward(X[:, self.head.inputs], self.head.matrices[: self.depth], self.head.biases[: self.depth])
        return np.maximum(numbers, 0) if self.depth < len(self.head.matrices) else numbers

    def columns_for(self, images: int, width: int) -> IntArray:
        """The column `[N]` of each of N images, in rows of `width` numbers.

        Raises:
            ConfigError: there are neither one nor N columns, or not that many numbers.
        """
        if len(self.columns) not in (1, images):
            raise ConfigError(f"{len(self.columns)} targets do not fit {images} image(s); give one, or one an image")
        if self.columns.min() < 0 or self.columns.max() >= width:
            raise ConfigError(f"there is no number {self.columns.max()}; the network gives {width}, counted from 0")
        return np.broadcast_to(self.columns, images)
