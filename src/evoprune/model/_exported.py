"""Exported models: one file that predicts with nothing but itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from evoprune._types import BoolArray, ByteArray, Float32Array, FloatArray
from evoprune.backbones import Preprocessing, preprocess
from evoprune.errors import ConfigError, StorageError
from evoprune.model._archive import checked_archive
from evoprune.model._array_files import read_safetensors, read_torch, safetensors_bytes, torch_bytes
from evoprune.model._classify import AnImage, Outputs, Prediction, classify, several
from evoprune.model._deployable import Deployable, Format
from evoprune.model._facts import ExportFacts, RefusedError
from evoprune.model._model import Model, readable
from evoprune.model._onnx_file import Run, onnx_bytes, read_onnx
from evoprune.model._torchscript_file import read_torchscript, torchscript_bytes

SUFFIXES: dict[Format, str] = {
    "safetensors": ".safetensors",
    "torch": ".pt",
    "onnx": ".onnx",
    "torchscript": ".torchscript",
}
"""Formats, and the endings of their files."""

_WRITERS: dict[Format, Callable[[Deployable], bytes]] = {
    "safetensors": safetensors_bytes,
    "torch": torch_bytes,
    "onnx": onnx_bytes,
    "torchscript": torchscript_bytes,
}


@dataclass(frozen=True, eq=False)
class ExportedModel:
    """A model that was read from an exported file.

    Attributes:
        format: kind of the file.
        facts: what the file says about itself.
        model: the model itself, from a file of arrays; None from one that holds a graph.
    """

    format: Format
    facts: ExportFacts
    model: Model | None = None
    _run: Run | None = field(default=None, repr=False)

    @property
    def class_names(self) -> tuple[str, ...]:
        """C names."""
        return self.facts.class_names

    @property
    def threshold(self) -> float | None:
        """The OOD score above which an image is unknown, or None."""
        return None if self.facts.rejection is None else float(self.facts.rejection["threshold"])

    def prepare(self, pixels: ByteArray) -> Float32Array:
        """One image `[H, W, 3]` (uint8, RGB) as input `[3, h, w]`.

        Raises:
            ConfigError: the file holds a head alone.
        """
        return preprocess(pixels, self._preprocessing())

    def _preprocessing(self) -> Preprocessing:
        if self.facts.preprocessing is None:
            raise ConfigError(
                "the file holds a head without a backbone, which classifies features and no images; "
                "export without --head-only, or give features to run() in Python"
            )
        return self.facts.preprocessing

    def run(self, batch: Float32Array) -> Outputs:
        """Logits, scores and rejections of prepared images `[N, 3, h, w]`, or of features `[N, D]` for a head alone.

        Raises:
            DataError: the features have another width.
            StorageError: the file cannot compute them.
        """
        if self.model is not None:
            return self.model.outputs(batch) if self.model.backbone is None else self.model.run(batch)
        if self._run is None:
            raise StorageError("this exported model was not read from a file; use load_exported")
        try:
            logits, scores = self._run(batch)
        except ValueError as error:
            raise StorageError(f"the exported model cannot compute a batch of shape {batch.shape}: {error}") from error
        return Outputs(logits, scores, self._unknown(scores, len(batch)))

    def predict(self, images: AnImage | Sequence[AnImage]) -> list[Prediction]:
        """Classify images; those too unlike the data set's own are `unknown`, where the file has a threshold.

        Args:
            images: a path or an array `[H, W, 3]` (uint8, RGB), or several of them.

        Raises:
            ConfigError: the file holds a head alone.
            DataError: a file is not a readable image.
        """
        self._preprocessing()
        return readable(list(classify(self, several(images))))

    def _unknown(self, scores: FloatArray | None, count: int) -> BoolArray:
        if scores is None or self.threshold is None:
            return np.zeros(count, np.bool_)
        beyond: BoolArray = ~(scores <= self.threshold)
        return beyond


def exported_bytes(deployable: Deployable) -> bytes:
    """The exported file of a model.

    Raises:
        BackboneError: the backbone cannot be written in this format.
    """
    return _WRITERS[deployable.options.format](deployable)


def load_exported(path: str | Path, *, threads: int | None = None) -> ExportedModel:
    """Read an exported file of any format; no code in it is executed.

    Args:
        path: the file.
        threads: of onnxruntime for ONNX files; its own choice by default.

    Raises:
        StorageError: the file cannot be read, is damaged, or is none of evoprune.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise StorageError(
            f"{path} cannot be read: {error.strerror or error}; name a file that `evoprune export` wrote"
        ) from error
    return parse_exported(data, str(path), threads=threads)


def parse_exported(data: bytes, name: str, *, threads: int | None = None) -> ExportedModel:
    """An exported model from the bytes of its file.

    Args:
        data: of the file.
        name: what errors call it.
        threads: of onnxruntime for ONNX files; its own choice by default.

    Raises:
        StorageError: the file is damaged, or is none of evoprune.
    """
    try:
        kind = _kind(data)
        if kind == "safetensors":
            model, facts = read_safetensors(data)
            return ExportedModel(kind, facts, model)
        if kind == "torch":
            model, facts = read_torch(data)
            return ExportedModel(kind, facts, model)
        run, facts = read_onnx(data, threads) if kind == "onnx" else read_torchscript(data)
        return ExportedModel(kind, facts, None, run)
    except ValueError as error:
        raise StorageError(
            f"{name} is no model file of evoprune, or is damaged ({error}); give a file that `evoprune export` wrote, "
            "or export it again"
        ) from error


def _kind(data: bytes) -> Format:
    """The format of a file, by its first bytes."""
    if not data:
        raise RefusedError("it is empty")
    if data[:2] == b"PK":
        # The archive of a TorchScript file has its code in a folder of this name.
        return "torchscript" if any(name.startswith("code/") for name in checked_archive(data)) else "torch"
    if data[8:9] == b"{" and int.from_bytes(data[:8], "little") < len(data):
        return "safetensors"
    return "onnx"
