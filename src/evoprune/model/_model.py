"""The outcome: a backbone, a compact head and the names of the classes, ready to predict."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from evoprune._files import write_atomic
from evoprune._types import ByteArray, Float32Array, FloatArray, IntArray
from evoprune.backbones import Backbone, load_backbone
from evoprune.data import load_image
from evoprune.errors import BackboneError, ConfigError, DataError, StorageError
from evoprune.heads import CompactHead

FORMAT_VERSION = 1


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
            raise ConfigError("this model was made from a feature file and has no backbone; use predict_features")
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
        description = {
            "format_version": FORMAT_VERSION,
            "width": self.head.width,
            "connections": self.head.connections,
            "class_names": self.class_names,
            "backbone": None
            if self.backbone is None
            else {"name": self.backbone.name, "fingerprint": self.backbone.fingerprint},
            "about": self.about,
        }
        write_atomic(Path(folder) / "head.safetensors", save(tensors))
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
        description = _read_description(folder / "model.json")
        try:
            head = _read_head(folder / "head.safetensors", description)
            names = tuple(str(name) for name in description["class_names"])
            made_with, about = description["backbone"], dict(description["about"])
            fingerprint = None if made_with is None else str(made_with["fingerprint"])
            name = None if made_with is None else str(made_with["name"])
        except (KeyError, TypeError, ValueError) as error:
            raise StorageError(f"{folder} does not hold a whole model: {error!r}") from error
        if len(names) != head.classes:
            raise StorageError(f"{folder} holds {len(names)} class names for {head.classes} outputs; it is damaged")
        if name is not None:
            backbone = backbone or load_backbone(name)
            if backbone.fingerprint != fingerprint:
                raise BackboneError(
                    f"the model in {folder} was made with another version of backbone {name!r}; "
                    "restore its weights and preprocessing, or run the search again"
                )
        return cls(head, names, backbone, about)


def _read_description(path: Path) -> dict[str, Any]:
    try:
        description = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise StorageError(
            f"{path} cannot be read: {error.strerror}; name a run folder or the folder of a model"
        ) from error
    except ValueError as error:
        raise StorageError(f"{path} is damaged: {error}") from error
    if not isinstance(description, dict) or description.get("format_version") != FORMAT_VERSION:
        raise StorageError(f"{path} is not a model description of version {FORMAT_VERSION}")
    return description


def _read_head(path: Path, description: dict[str, Any]) -> CompactHead:
    try:
        with safe_open(path, framework="numpy") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise StorageError(f"{path} cannot be read: {error}") from error
    layers = sum(name.startswith("matrix.") for name in tensors)
    matrices = tuple(tensors[f"matrix.{i}"] for i in range(layers))
    biases = tuple(tensors.get(f"bias.{i}") for i in range(layers))
    head = CompactHead(
        tensors["inputs"],
        int(description["width"]),
        matrices,
        biases,
        tuple(map(int, description["connections"])),
    )
    sizes = [head.inputs.size, *(m.shape[1] for m in matrices)]
    if (
        not layers
        or any(m.ndim != 2 or m.shape[0] != n for m, n in zip(matrices, sizes, strict=False))
        or any(b is not None and b.shape != (m.shape[1],) for m, b in zip(matrices, biases, strict=True))
        or (head.inputs.size and not 0 <= head.inputs.min() <= head.inputs.max() < head.width)
    ):
        raise DataError(f"{path} holds arrays that do not fit together; the model is damaged")
    return head
