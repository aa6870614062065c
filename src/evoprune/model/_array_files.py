"""Exported files of arrays: safetensors, and torch files that hold tensors and one JSON text."""

from __future__ import annotations

import io
import json
import pickle
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from evoprune.backbones import pack, unpack
from evoprune.errors import BackboneError, ConfigError
from evoprune.model._archive import checked_archive
from evoprune.model._deployable import Deployable, shown_name
from evoprune.model._facts import KEY, ExportFacts, RefusedError, arrays_bytes, parse_facts
from evoprune.model._files import model_arrays, read_model_arrays
from evoprune.model._model import Model

if TYPE_CHECKING:
    from torch import Tensor

_BACKBONE, _HEAD = "backbone.", "head."


def safetensors_bytes(deployable: Deployable) -> bytes:
    """A safetensors file: the arrays, and the facts as JSON in the header's metadata."""
    arrays, facts = _packed(deployable)
    return save(arrays, metadata={KEY: facts.to_json()})


def torch_bytes(deployable: Deployable) -> bytes:
    """A torch file: a dictionary of tensors with the facts as JSON text, which `weights_only=True` reads."""
    import torch  # noqa: PLC0415

    arrays, facts = _packed(deployable)
    contents: dict[str, Any] = {KEY: facts.to_json()}
    # A copy, because torch wants arrays that it may write to.
    contents |= {name: torch.from_numpy(np.array(array)) for name, array in arrays.items()}
    buffer = io.BytesIO()
    torch.save(contents, buffer)
    return buffer.getvalue()


def read_safetensors(data: bytes) -> tuple[Model, ExportFacts]:
    """The model in a safetensors file.

    Raises:
        RefusedError: the file is damaged or foreign; the message says why in a few words.
    """
    try:
        arrays = load(data)
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise RefusedError(str(error)) from error
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    metadata = header.get("__metadata__")
    return _unpacked(arrays, metadata.get(KEY) if isinstance(metadata, dict) else None)


def read_torch(data: bytes) -> tuple[Model, ExportFacts]:
    """The model in a torch file; nothing in it is executed.

    Raises:
        RefusedError: the file is damaged or foreign; the message says why in a few words.
    """
    import torch  # noqa: PLC0415

    checked_archive(data)
    try:
        contents = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise RefusedError("it holds more than tensors, and such a file can run code") from error
    except Exception as error:
        # Its unpickler raises nearly any exception on a damaged file (IndexError, AssertionError, struct.error, ..).
        raise RefusedError("torch cannot read it") from error
    if not isinstance(contents, dict):
        raise RefusedError("it is no model of evoprune")
    text = contents.pop(KEY, None)
    if not all(isinstance(name, str) and isinstance(value, torch.Tensor) for name, value in contents.items()):
        raise RefusedError("it holds more than tensors")
    return _unpacked({name: _as_array(value) for name, value in contents.items()}, text)


def _as_array(tensor: Tensor) -> NDArray[Any]:
    """The numbers of a tensor.

    Raises:
        RefusedError: it is of a kind that numpy has not, or repeats what is stored of it, to any size.
    """
    try:
        array: NDArray[Any] = tensor.detach().numpy()
        stored = tensor.untyped_storage().nbytes()
    except (RuntimeError, TypeError, NotImplementedError) as error:
        raise RefusedError("it holds tensors that a model of evoprune has not") from error
    if array.nbytes > stored:
        raise RefusedError("a tensor in it is larger than what is stored of it")
    return array


def _packed(deployable: Deployable) -> tuple[dict[str, NDArray[Any]], ExportFacts]:
    backbone = deployable.model.backbone
    arrays = {f"{_HEAD}{k}": v for k, v in model_arrays(deployable.head, deployable.model.rejection).items()}
    if backbone is None:
        facts = deployable.facts()
    else:
        weights, build = pack(backbone)
        build["name"] = shown_name(backbone.name)
        arrays |= {f"{_BACKBONE}{name}": np.ascontiguousarray(array) for name, array in weights.items()}
        facts = deployable.facts({"build": build})
    return arrays, facts.sealed(arrays_bytes(arrays))


def _unpacked(arrays: dict[str, NDArray[Any]], text: object) -> tuple[Model, ExportFacts]:
    if not isinstance(text, str):
        raise RefusedError("it is no model of evoprune")
    facts = parse_facts(text)
    if not facts.holds(arrays_bytes(arrays)):
        raise RefusedError("its checksum is not that of its contents")
    try:
        stored, rejection = read_model_arrays(_named(arrays, _HEAD), facts.head, facts.rejection)
        head = stored.head()
        backbone = None
        if facts.input == "image":
            build = (facts.backbone or {})["build"]
            backbone = unpack(_named(arrays, _BACKBONE), build)
    except (ArithmeticError, AttributeError, LookupError, TypeError, BackboneError, ConfigError) as error:
        why = str(error) if isinstance(error, BackboneError) else "its parts do not fit together"
        raise RefusedError(why) from error
    if len(facts.class_names) != head.classes or (backbone is not None and backbone.width != head.width):
        raise RefusedError("its parts do not fit together")
    return Model(head, facts.class_names, backbone, facts.about, rejection), facts


def _named(arrays: dict[str, NDArray[Any]], prefix: str) -> dict[str, NDArray[Any]]:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
