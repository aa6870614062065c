"""From images to predictions, the same way for a model in memory and for an exported file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeAlias

import numpy as np

from evoprune._types import BoolArray, ByteArray, Float32Array, FloatArray
from evoprune.data import UnreadableImageError, load_image
from evoprune.heads import probabilities_of

UNKNOWN = "unknown"
"""The label of an image that is too unlike those of the data set."""

BATCH = 32
"""Images that are classified at once."""

AnImage: TypeAlias = str | Path | ByteArray
"""A path, or pixels `[H, W, 3]` (uint8, RGB)."""


@dataclass(frozen=True)
class Prediction:
    """What a model says of one image.

    Attributes:
        image: its name.
        label: name of the most probable class, or `unknown` where the image is rejected.
        probability: of the most probable class, 0..1.
        probabilities: of every class, in the order of the class names.
        unknown: whether the image is rejected.
        nearest: name of the most probable class, also where the image is rejected.
        score: how outlying the image is, higher is more; None where the model has no threshold.
    """

    image: str
    label: str
    probability: float
    probabilities: tuple[float, ...]
    unknown: bool = False
    nearest: str = ""
    score: float | None = None


@dataclass(frozen=True, eq=False)
class Outputs:
    """What a model computes for N images.

    Attributes:
        logits: `[N, C]`.
        scores: how outlying each image is `[N]`, higher is more; None where the model has no threshold.
        unknown: which images are rejected `[N]`.
    """

    logits: Float32Array
    scores: FloatArray | None
    unknown: BoolArray


class Classifier(Protocol):
    """What can classify images: a model, or an exported file."""

    @property
    def class_names(self) -> tuple[str, ...]:
        """C names."""

    def prepare(self, pixels: ByteArray) -> Float32Array:
        """One image `[H, W, 3]` (uint8, RGB) as input `[3, h, w]`."""

    def run(self, batch: Float32Array) -> Outputs:
        """Logits and scores of prepared images `[N, 3, h, w]`."""


def classify(classifier: Classifier, images: Sequence[AnImage]) -> Iterator[Prediction | UnreadableImageError]:
    """Classify images a batch at a time, in their order; one that cannot be read gives its error instead."""
    for start in range(0, len(images), BATCH):
        read = [_read(classifier, image) for image in images[start : start + BATCH]]
        prepared = [item for item in read if not isinstance(item, UnreadableImageError)]
        found = iter(_predictions(classifier, prepared, start, images, read)) if prepared else iter(())
        for item in read:
            yield item if isinstance(item, UnreadableImageError) else next(found)


def several(images: AnImage | Iterable[AnImage]) -> list[AnImage]:
    """One image or several, as a list."""
    return [images] if isinstance(images, (str, Path, np.ndarray)) else list(images)


def _read(classifier: Classifier, image: AnImage) -> Float32Array | UnreadableImageError:
    try:
        return classifier.prepare(image if isinstance(image, np.ndarray) else load_image(image))
    except UnreadableImageError as error:
        return error


def _predictions(
    classifier: Classifier,
    prepared: Sequence[Float32Array],
    start: int,
    images: Sequence[AnImage],
    read: Sequence[Float32Array | UnreadableImageError],
) -> list[Prediction]:
    outputs = classifier.run(np.stack(prepared))
    rows = [start + i for i, item in enumerate(read) if not isinstance(item, UnreadableImageError)]
    names = [f"image {row}" if isinstance(images[row], np.ndarray) else str(images[row]) for row in rows]
    return predictions(names, outputs, classifier.class_names)


def predictions(names: Sequence[str], outputs: Outputs, class_names: Sequence[str]) -> list[Prediction]:
    """What outputs say of N images of these names."""
    made = []
    for row, (name, shares) in enumerate(zip(names, probabilities_of(outputs.logits), strict=True)):
        best = int(shares.argmax())
        rejected = bool(outputs.unknown[row])
        made.append(
            Prediction(
                name,
                UNKNOWN if rejected else class_names[best],
                float(shares[best]),
                tuple(map(float, shares)),
                rejected,
                class_names[best],
                None if outputs.scores is None else float(outputs.scores[row]),
            )
        )
    return made
