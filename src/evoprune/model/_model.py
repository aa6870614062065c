"""The outcome: a backbone, a compact head and the names of the classes, ready to predict."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save

from evoprune._files import write_atomic
from evoprune._types import ByteArray, Float32Array, FloatArray, IntArray
from evoprune.backbones import Backbone, load_backbone
from evoprune.data import load_image
from evoprune.errors import BackboneError, ConfigError
from evoprune.heads import CompactHead
from evoprune.model._files import FORMAT_VERSION, read_files


@dataclass(frozen=True)
class Prediction:
    """What a model says of one image.

    Attributes:
        image: its name.
        label: name of the most probable class.
        probability: of that class, 0..1.
        probabilities: of every class, in the order of the class names.
    """

    image: str
    label: str
    probability: float
    probabilities: tuple[float, ...]


@dataclass(frozen=True)
class Model:
    """A classifier: backbone, compact head, class names.

    Attributes:
        head: the compact head, which takes the backbone's features as they come.
        class_names: C names.
        backbone: the feature extractor, or None for a model of a feature file.
        about: facts about its making, kept with it.
    """

    head: CompactHead
    class_names: tuple[str, ...]
    backbone: Backbone | None = None
    about: dict[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        network = None if self.backbone is None else self.backbone.name
        read = f"{self.head.inputs.size} of {self.head.width} features"
        return (
            f"Model({len(self.class_names)} classes, {read}, {self.head.parameters:,} parameters, backbone {network!r})"
        )

    def probabilities(self, X: Float32Array) -> FloatArray:
        """Class probabilities `[N, C]` of features `[N, D]`.

        Raises:
            DataError: the features have another width.
        """
        logits = self.head.logits(X).astype(np.float64)
        exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
        normalised: FloatArray = exponentials / exponentials.sum(axis=1, keepdims=True)
        return normalised

    def predict_features(self, X: Float32Array) -> IntArray:
        """Class numbers `[N]` of features `[N, D]`."""
        numbers: IntArray = self.head.logits(X).argmax(axis=1).astype(np.int64)
        return numbers

    def predict(self, images: str | Path | ByteArray | Sequence[str | Path | ByteArray]) -> list[Prediction]:
        """Classify images.

        Args:
            images: a path or an array `[H, W, 3]` (uint8, RGB), or several of them.

        Raises:
            ConfigError: the model was made from a feature file and has no backbone.
            DataError: a file is not a readable image.
        """
        if self.backbone is None:
            raise ConfigError(
                "this model was made from features and has no backbone to turn images into them; "
                "in Python, give features to Model.predict_features"
            )
        several = [images] if isinstance(images, (str, Path, np.ndarray)) else list(images)
        predictions = []
        for number, image in enumerate(several):
            pixels = image if isinstance(image, np.ndarray) else load_image(image)
            name = f"image {number}" if isinstance(image, np.ndarray) else str(image)
            features = self.backbone.extract(self.backbone.prepare(pixels)[None])
            row = self.probabilities(features)[0]
            best = int(row.argmax())
            predictions.append(Prediction(name, self.class_names[best], float(row[best]), tuple(map(float, row))))
        return predictions

    def save(self, folder: str | Path) -> None:
        """Write `head.safetensors` and `model.json` into a folder.

        Raises:
            StorageError: the folder cannot be written to.
        """
        tensors: dict[str, IntArray | Float32Array] = {"inputs": self.head.inputs}
        for i, (matrix, bias) in enumerate(zip(self.head.matrices, self.head.biases, strict=True)):
            tensors[f"matrix.{i}"] = matrix
            if bias is not None:
                tensors[f"bias.{i}"] = bias
        description: dict[str, Any] = {
            "format_version": FORMAT_VERSION,
            "width": self.head.width,
            "connections": self.head.connections,
            "class_names": self.class_names,
            "backbone": None
            if self.backbone is None
            else {"name": self.backbone.name, "fingerprint": self.backbone.fingerprint},
            "about": self.about,
        }
        contents = save(tensors)
        description["head_sha256"] = hashlib.sha256(contents).hexdigest()
        write_atomic(Path(folder) / "head.safetensors", contents)
        write_atomic(Path(folder) / "model.json", json.dumps(description, indent=2) + "\n")

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
        return cls(stored.head, stored.class_names, backbone, stored.about)
