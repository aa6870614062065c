"""Whether an exported file computes what the model does."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evoprune._types import Float32Array
from evoprune.errors import StorageError

TOLERANCE = 1e-4
"""Largest difference of logits, relative to the largest logit where that is over 1."""


@dataclass(frozen=True)
class Agreement:
    """Logits of a file against those of a model, on the same images.

    Attributes:
        images: number of images (or rows of features).
        max_difference: largest absolute difference of a logit.
        scaled_difference: the same, divided by the largest absolute logit where that is over 1.
        same_class: share of the images that are given the same class, 0..1.
        ties: images given another class whose two best logits lie closer together than the tolerance.
    """

    images: int
    max_difference: float
    scaled_difference: float
    same_class: float
    ties: int = 0

    def require(self, what: str) -> None:
        """Refuse a file that computes something else.

        Raises:
            StorageError: a difference is over the tolerance, or a class differs that is no tie.
        """
        others = round((1 - self.same_class) * self.images) - self.ties
        if not self.scaled_difference <= TOLERANCE or others:
            raise StorageError(
                f"{what} does not compute what the model does (largest difference of a logit "
                f"{self.max_difference:.2g}, another class for {others} of {self.images}) and was not written; "
                "export in another format"
            )


def agreement(logits: Float32Array, reference: Float32Array) -> Agreement:
    """How far logits `[N, C]` agree with those of a reference."""
    difference = float(np.abs(logits - reference).max(initial=0))
    scale = max(1.0, float(np.abs(reference).max(initial=0)))
    same = logits.argmax(axis=1) == reference.argmax(axis=1)
    best = np.sort(reference, axis=1)[:, -2:]
    close = best[:, -1] - best[:, 0] <= TOLERANCE * scale
    ties = int((~same & close).sum()) if reference.shape[1] > 1 else 0
    return Agreement(len(logits), difference, difference / scale, float(same.mean()), ties)
