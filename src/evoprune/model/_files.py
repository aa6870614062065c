"""The two files of a model: `head.safetensors` with the arrays, `model.json` with the rest."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from evoprune._files import read_sealed, sealed_json, write_together
from evoprune.errors import ConfigError, StorageError
from evoprune.model._rejection import Rejection, read_rejection
from evoprune.model._stored_head import AnyHead, StoredHead, read_head, store_head

FORMAT_VERSION = 1
"""Of models with one head."""

ENSEMBLE_VERSION = 2
"""Of models with several, which programs that know version 1 alone cannot read."""

REJECTION = "rejection."
"""What the names of a rejection's arrays begin with."""


@dataclass(frozen=True)
class StoredModel:
    """What the files of a model say.

    Attributes:
        head: the head.
        class_names: C names.
        backbone: name of the backbone, or None for a model of a feature file.
        fingerprint: of the backbone, or None.
        about: facts about its making.
        rejection: when an image is unknown, or None.
    """

    head: AnyHead
    class_names: tuple[str, ...]
    backbone: str | None
    fingerprint: str | None
    about: dict[str, Any]
    rejection: Rejection | None = None


def write_files(folder: Path, stored: StoredModel) -> None:
    """Write the files of a model.

    Raises:
        StorageError: the folder cannot be written to.
    """
    head, rejection = store_head(stored.head), stored.rejection
    backbone = None if stored.backbone is None else {"name": stored.backbone, "fingerprint": stored.fingerprint}
    description: dict[str, Any] = {
        "format_version": FORMAT_VERSION if head.vote is None else ENSEMBLE_VERSION,
        **head.facts(),
        "class_names": stored.class_names,
        "backbone": backbone,
        "about": stored.about,
    }
    if rejection is not None:
        description["rejection"] = rejection.facts()
    contents = save(model_arrays(head, rejection))
    description["head_sha256"] = hashlib.sha256(contents).hexdigest()
    write_together({folder / "head.safetensors": contents, folder / "model.json": sealed_json(description)})


def model_arrays(head: StoredHead, rejection: Rejection | None) -> dict[str, NDArray[Any]]:
    """The arrays of a head, and of its rejection where there is one, by name."""
    fitted = {} if rejection is None else rejection.arrays()
    named = {**head.arrays(), **{f"{REJECTION}{name}": array for name, array in fitted.items()}}
    return {name: np.ascontiguousarray(array) for name, array in named.items()}


def read_model_arrays(
    arrays: dict[str, NDArray[Any]], head_facts: dict[str, Any], rejection_facts: dict[str, Any] | None
) -> tuple[StoredHead, Rejection | None]:
    """The way back from `model_arrays`.

    Raises:
        KeyError, TypeError, ValueError, AttributeError, ConfigError: something is missing, or does not fit together.
    """
    head = read_head(arrays, head_facts)
    if rejection_facts is None:
        return head, None
    fitted = {name.removeprefix(REJECTION): array for name, array in arrays.items() if name.startswith(REJECTION)}
    return head, read_rejection(fitted, rejection_facts, head.hidden)


def read_files(folder: Path) -> StoredModel:
    """Read the files of a model and check that they belong together.

    Raises:
        StorageError: a file is missing, damaged, or of a newer version.
    """
    path = folder / "model.json"
    description = _description(path)
    try:
        arrays = _arrays(folder / "head.safetensors", description)
        head, rejection = read_model_arrays(arrays, description, description.get("rejection"))
        names = tuple(str(name) for name in description["class_names"])
        backbone = description["backbone"]
        stored = StoredModel(
            head.head(),
            names,
            None if backbone is None else str(backbone["name"]),
            None if backbone is None else str(backbone["fingerprint"]),
            dict(description["about"]),
            rejection,
        )
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, ConfigError) as error:
        raise _damaged(path, str(error) if isinstance(error, ValueError) else repr(error)) from error
    if len(names) != stored.head.classes:
        raise _damaged(path, f"{len(names)} class names for {stored.head.classes} outputs")
    return stored


def stored_model(folder: Path) -> StoredModel | None:
    """What the files of the model in a folder say, or None where there is no whole model."""
    try:
        return read_files(folder)
    except StorageError:
        return None


def stored_backbone(folder: Path) -> tuple[str, str] | None:
    """Name and fingerprint of the backbone that the model in a folder was made with; None where it has none.

    Raises:
        StorageError: there is no whole model.
    """
    stored = read_files(folder)
    return None if stored.backbone is None or stored.fingerprint is None else (stored.backbone, stored.fingerprint)


def _description(path: Path) -> dict[str, Any]:
    try:
        description = read_sealed(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise StorageError(
            f"{path} cannot be read: {error.strerror or error}; name a run folder or the folder of a model"
        ) from error
    except ValueError as error:
        raise _damaged(path, str(error)) from error
    if "format_version" not in description:
        raise _damaged(path, "it is no description of a model")
    if description["format_version"] not in (FORMAT_VERSION, ENSEMBLE_VERSION):
        raise StorageError(
            f"{path} has format version {description['format_version']!r}, this program reads {FORMAT_VERSION} and "
            f"{ENSEMBLE_VERSION}; install the version of evoprune that wrote it"
        )
    return description


def _arrays(path: Path, description: dict[str, Any]) -> dict[str, NDArray[Any]]:
    try:
        contents = path.read_bytes()
    except OSError as error:
        raise _damaged(path, error.strerror or str(error)) from error
    if hashlib.sha256(contents).hexdigest() != description["head_sha256"]:
        raise _damaged(path, "its checksum is not that in model.json")
    try:
        arrays: dict[str, NDArray[Any]] = load(contents)
    except SafetensorError as error:
        raise _damaged(path, str(error)) from error
    return arrays


def _damaged(path: Path, why: str) -> StorageError:
    return StorageError(
        f"{path} is damaged ({why}); put a copy of it in its place, or, in a run folder, have the model made "
        "again with `evoprune resume`"
    )
