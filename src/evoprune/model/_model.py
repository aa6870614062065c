"""The outcome: a backbone, a compact head and the names of the classes, ready to predict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from evoprune._html import html_table
from evoprune._types import ByteArray, Float32Array, FloatArray, IntArray
from evoprune.backbones import Backbone, load_backbone
from evoprune.data import UnreadableImageError
from evoprune.errors import BackboneError, ConfigError
from evoprune.heads import probabilities_of
from evoprune.model._classify import AnImage, Outputs, Prediction, classify, several
from evoprune.model._files import StoredModel, read_files, write_files
from evoprune.model._rejection import Rejection
from evoprune.model._stored_head import AnyHead

_SHOWN = 10
"""Names of classes that a notebook shows."""


@dataclass(frozen=True)
class Model:
    """A classifier: backbone, compact head, class names.

    Attributes:
        head: a compact head, or an ensemble of them, which takes the backbone's features as they come.
        class_names: C names.
        backbone: the feature extractor, or None for a model of a feature file.
        about: facts about its making, kept with it.
        rejection: when an image is unknown; None where every image is given a class.
    """

    head: AnyHead
    class_names: tuple[str, ...]
    backbone: Backbone | None = None
    about: dict[str, Any] = field(default_factory=dict)
    rejection: Rejection | None = None

    def __repr__(self) -> str:
        network = None if self.backbone is None else self.backbone.name
        read = f"{self.head.inputs.size} of {self.head.width} features"
        return (
            f"Model({len(self.class_names)} classes, {read}, {self.head.parameters:,} parameters, backbone {network!r})"
        )

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        names = ", ".join(self.class_names[:_SHOWN]) + (", .." if len(self.class_names) > _SHOWN else "")
        rows = [
            ("classes", f"{len(self.class_names)}: {names}"),
            ("backbone", "none: it takes features" if self.backbone is None else self.backbone.name),
            ("features read", f"{self.head.inputs.size:,} of {self.head.width:,}"),
            ("parameters of the head", f"{self.head.parameters:,}"),
            ("unknown images", "given a class" if self.rejection is None else f"told by {self.rejection.score}"),
        ]
        return html_table("Model", rows, right_from=len(rows[0]))

    def outputs(self, X: Float32Array) -> Outputs:
        """Logits, scores and rejections of features `[N, D]`.

        Raises:
            DataError: the features have another width.
        """
        logits = self.head.logits(X)
        if self.rejection is None:
            return Outputs(logits, None, np.zeros(len(X), np.bool_))
        scores = self.rejection.scores(self.head, X)
        return Outputs(logits, scores, self.rejection.unknown(scores))

    def probabilities(self, X: Float32Array) -> FloatArray:
        """Class probabilities `[N, C]` of features `[N, D]`.

        Raises:
            DataError: the features have another width.
        """
        return probabilities_of(self.head.logits(X))

    def predict_features(self, X: Float32Array) -> IntArray:
        """Class numbers `[N]` of features `[N, D]`; none is rejected here.

        Raises:
            DataError: the features have another width.
        """
        numbers: IntArray = self.head.logits(X).argmax(axis=1).astype(np.int64)
        return numbers

    def prepare(self, pixels: ByteArray) -> Float32Array:
        """One image `[H, W, 3]` (uint8, RGB) as the backbone's input `[3, h, w]`.

        Raises:
            ConfigError: the model was made from a feature file and has no backbone.
        """
        return self._network().prepare(pixels)

    def run(self, batch: Float32Array) -> Outputs:
        """Logits, scores and rejections of prepared images `[N, 3, h, w]`.

        Raises:
            ConfigError: the model was made from a feature file and has no backbone.
        """
        return self.outputs(self._network().extract(batch))

    def predict(self, images: AnImage | Sequence[AnImage]) -> list[Prediction]:
        """Classify images; those too unlike the data set's own are `unknown`, where the model has a threshold.

        Args:
            images: a path or an array `[H, W, 3]` (uint8, RGB), or several of them.

        Raises:
            ConfigError: the model was made from a feature file and has no backbone.
            DataError: a file is not a readable image.
        """
        self._network()
        return readable(list(classify(self, several(images))))

    def _network(self) -> Backbone:
        if self.backbone is None:
            raise ConfigError(
                "this model was made from features and has no backbone to turn images into them; "
                "in Python, give features to Model.predict_features"
            )
        return self.backbone

    def save(self, folder: str | Path) -> None:
        """Write `head.safetensors` and `model.json` into a folder; the backbone is kept by its name alone.

        Raises:
            StorageError: the folder cannot be written to.
        """
        name = None if self.backbone is None else self.backbone.name
        identity = None if self.backbone is None else self.backbone.fingerprint
        stored = StoredModel(self.head, self.class_names, name, identity, self.about, self.rejection)
        write_files(Path(folder), stored)

    @classmethod
    def load(cls, folder: str | Path, backbone: Backbone | None = None) -> Model:
        """Read a model that `save` wrote.

        Args:
            folder: where it lies.
            backbone: the network it was made with, where that cannot be loaded by name.

        Raises:
            StorageError: a file is missing or damaged.
            BackboneError: the backbone cannot be loaded, or is another one.
        """
        folder = Path(folder)
        stored = read_files(folder)
        if stored.backbone is not None:
            backbone = backbone or load_backbone(stored.backbone)
            if backbone.fingerprint != stored.fingerprint:
                raise BackboneError(
                    f"the model in {folder} was made with another version of backbone {stored.backbone!r}; "
                    "restore its weights and preprocessing, or run the search again"
                )
        return cls(stored.head, stored.class_names, backbone, stored.about, stored.rejection)


def readable(found: Sequence[Prediction | UnreadableImageError]) -> list[Prediction]:
    """The predictions.

    Raises:
        DataError: an image cannot be read.
    """
    predictions = []
    for item in found:
        if isinstance(item, UnreadableImageError):
            raise item
        predictions.append(item)
    return predictions
