"""The two files of a model: `head.safetensors` with the weights, `model.json` with the rest."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load

from evoprune.errors import StorageError
from evoprune.heads import CompactHead

FORMAT_VERSION = 1


@dataclass(frozen=True)
class StoredModel:
    """What the files of a model say.

    Attributes:
        head: the compact head.
        class_names: C names.
        backbone: name of the backbone, or None for a model of a feature file.
        fingerprint: of the backbone, or None.
        about: facts about its making.
    """

    head: CompactHead
    class_names: tuple[str, ...]
    backbone: str | None
    fingerprint: str | None
    about: dict[str, Any]


def read_files(folder: Path) -> StoredModel:
    """Read the files of a model and check that they belong together.

    Raises:
        StorageError: a file is missing, damaged, or of a newer version.
    """
    path = folder / "model.json"
    description = _description(path)
    try:
        head = _head(folder / "head.safetensors", description)
        names = tuple(str(name) for name in description["class_names"])
        backbone = description["backbone"]
        stored = StoredModel(
            head,
            names,
            None if backbone is None else str(backbone["name"]),
            None if backbone is None else str(backbone["fingerprint"]),
            dict(description["about"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged(path, repr(error)) from error
    if len(names) != head.classes:
        raise _damaged(path, f"{len(names)} class names for {head.classes} outputs")
    return stored


def stored_facts(folder: Path) -> dict[str, Any] | None:
    """The facts about the making of the model in a folder, or None where there is no whole model."""
    try:
        return read_files(folder).about
    except StorageError:
        return None


def _description(path: Path) -> dict[str, Any]:
    try:
        description = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise StorageError(
            f"{path} cannot be read: {error.strerror or error}; name a run folder or the folder of a model"
        ) from error
    except ValueError as error:
        raise _damaged(path, str(error)) from error
    if not isinstance(description, dict) or "format_version" not in description:
        raise _damaged(path, "it is no description of a model")
    if description["format_version"] != FORMAT_VERSION:
        raise StorageError(
            f"{path} has format version {description['format_version']!r}, this program reads {FORMAT_VERSION}; "
            "install the version of evoprune that wrote it"
        )
    return description


def _head(path: Path, description: dict[str, Any]) -> CompactHead:
    try:
        contents = path.read_bytes()
    except OSError as error:
        raise _damaged(path, error.strerror or str(error)) from error
    if hashlib.sha256(contents).hexdigest() != description["head_sha256"]:
        raise _damaged(path, "its checksum is not that in model.json")
    try:
        tensors = load(contents)
    except SafetensorError as error:
        raise _damaged(path, str(error)) from error
    layers = range(sum(name.startswith("matrix.") for name in tensors))
    head = CompactHead(
        tensors["inputs"],
        int(description["width"]),
        tuple(tensors[f"matrix.{i}"] for i in layers),
        tuple(tensors.get(f"bias.{i}") for i in layers),
        tuple(map(int, description["connections"])),
    )
    if not _fits(head):
        raise _damaged(path, "its arrays do not fit together")
    return head


def _fits(head: CompactHead) -> bool:
    """Whether the arrays of a head can be multiplied one after the other."""
    if not head.matrices or head.inputs.ndim != 1 or not np.issubdtype(head.inputs.dtype, np.integer):
        return False
    if any(matrix.ndim != 2 for matrix in head.matrices) or len(head.connections) != len(head.matrices):
        return False
    if head.inputs.size and not 0 <= head.inputs.min() <= head.inputs.max() < head.width:
        return False
    inputs = (head.inputs.size, *(matrix.shape[1] for matrix in head.matrices))
    return all(
        matrix.shape[0] == size and (bias is None or bias.shape == (matrix.shape[1],))
        for matrix, bias, size in zip(head.matrices, head.biases, inputs, strict=False)
    )


def _damaged(path: Path, why: str) -> StorageError:
    return StorageError(
        f"{path} is damaged ({why}); put a copy of it in its place, or, in a run folder, have the model made "
        "again with `evoprune resume`"
    )
