"""Reading weights from a file of the user's. Imported only when torch is needed."""

from __future__ import annotations

import pickle
import tarfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from evoprune.backbones._wording import first_line
from evoprune.errors import BackboneError

_WRAPPERS = ("state_dict", "model_state_dict", "model")
"""Names under which training scripts commonly store the weights among other things."""


def load_into(
    network: nn.Module, path: Path, *, ignored: Sequence[str], rename: Callable[[str], str] = str
) -> nn.Module:
    """Put the weights of a file into a network.

    Args:
        network: may be on the `meta` device; it takes over the file's tensors.
        path: `.safetensors`, or a `.pth` / `.pt` / `.bin` file that holds tensors only.
        ignored: beginnings of the names that belong to the classifier, which is cut off.
        rename: from a name in the file to the network's.

    Raises:
        BackboneError: the file cannot be read, or holds the weights of another network.
    """
    state = {rename(name): value for name, value in read_weights(path).items() if not name.startswith(tuple(ignored))}
    return put_into(network, state, str(path))


def put_into(network: nn.Module, state: Mapping[str, Tensor], where: str) -> nn.Module:
    """Put weights into a network.

    Args:
        network: may be on the `meta` device; it takes over the tensors.
        state: all weights of the network, and no others.
        where: what errors call their source.

    Raises:
        BackboneError: they are the weights of another network.
    """
    try:
        missing, unexpected = network.load_state_dict(state, strict=False, assign=True)
    except RuntimeError as error:
        # The first line only names the class; each further line is one weight that does not fit.
        detail = str(error).splitlines()[-1].strip()
        raise BackboneError(f"{where} holds the weights of another network: {detail}") from error
    if missing or unexpected:
        raise BackboneError(
            f"{where} holds the weights of another network: {_some(missing)} missing, {_some(unexpected)} "
            "not known to it; give the file that belongs to this backbone"
        )
    return network


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a weights file by name; nothing in the file is executed.

    Raises:
        BackboneError: the file cannot be read, or holds more than tensors.
    """
    suffix = path.suffix.lower()
    try:
        if suffix == ".safetensors":
            return load_file(path)
        if suffix in {".pth", ".pt", ".bin"}:
            # The form of torch before 0.1.10, which torch would unpack into a folder; a file of zeros is one too.
            if tarfile.is_tarfile(path):
                raise BackboneError(
                    f"the weights file {path} is a tar archive; save the state_dict() with a present torch"
                )
            return _tensors(torch.load(path, map_location="cpu", weights_only=True), path)
    except OSError as error:
        raise BackboneError(f"the weights file {path} cannot be read: {error.strerror or error}") from error
    except pickle.UnpicklingError as error:
        raise BackboneError(
            f"the weights file {path} holds more than tensors, or is damaged, and is not opened because such "
            "a file can run code; save the state_dict() alone, best as .safetensors"
        ) from error
    except BackboneError:
        raise
    except Exception as error:
        # torch's unpickler raises nearly any exception on a damaged file: IndexError, AssertionError, struct.error, ..
        raise BackboneError(f"the weights file {path} is damaged: {first_line(error)}") from error
    raise BackboneError(f"the weights file {path} has an unknown ending; give a .safetensors, .pth, .pt or .bin file")


def _tensors(loaded: Any, path: Path) -> dict[str, Tensor]:
    for wrapper in _WRAPPERS:
        if isinstance(loaded, Mapping) and isinstance(loaded.get(wrapper), Mapping):
            loaded = loaded[wrapper]
    if not isinstance(loaded, Mapping) or not all(isinstance(value, Tensor) for value in loaded.values()):
        raise BackboneError(f"the weights file {path} holds no state_dict (a mapping from names to tensors)")
    # Data-parallel training puts this word before every name.
    return {str(name).removeprefix("module."): value for name, value in loaded.items()}


def _some(names: Sequence[str]) -> str:
    if not names:
        return "nothing"
    return f"{names[0]!r}" if len(names) == 1 else f"{names[0]!r} and {len(names) - 1} more"
