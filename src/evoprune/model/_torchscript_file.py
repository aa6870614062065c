"""Exported TorchScript files: a traced network from images to logits, probabilities and OOD score.

TorchScript is a program, and torch runs parts of it while it loads a file. A file is therefore opened only where its
code has nothing that runs on loading, and run only where its graph consists of operators on tensors.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from evoprune._types import Float32Array, FloatArray
from evoprune.backbones import torch_network
from evoprune.errors import BackboneError
from evoprune.model._archive import archive_digest, checked_archive
from evoprune.model._deployable import Deployable
from evoprune.model._facts import KEY, ExportFacts, RefusedError, parse_facts
from evoprune.model._head_graph import head_model
from evoprune.model._onnx_file import Run, checked_outputs, whole_graph
from evoprune.model._script_code import FORBIDDEN_CODE, is_shallow
from evoprune.model._script_operators import is_plain_operator
from evoprune.model._script_tensors import check_tensors

if TYPE_CHECKING:
    import torch
    from torch import nn

_FACTS_FILE = f"{KEY}.json"
_IN_ARCHIVE = f"extra/{_FACTS_FILE}"
_WRITERS_OWN = ("version", "byteorder", ".data/serialization_id")
"""Files that every archive of torch has; the last differs each time."""

_TENSORS_OF = {"data.pkl": "data/", "constants.pkl": "constants/"}
"""The pickles of a TorchScript file, and where the bytes of their tensors lie."""

_WRITTEN_LAST = (*_WRITERS_OWN, _IN_ARCHIVE)


def torchscript_bytes(deployable: Deployable) -> bytes:
    """A TorchScript file; the facts stand in its extra file `evoprune.json`.

    Raises:
        BackboneError: the backbone cannot be traced, or has operators that would not be opened again.
    """
    import torch  # noqa: PLC0415

    network = _network(deployable)
    example = torch.zeros(2, *deployable.input_shape())
    with warnings.catch_warnings(), torch.inference_mode(mode=False), torch.no_grad():
        # torch warns that TorchScript is old, and that sizes become constants, which those of images are here.
        warnings.simplefilter("ignore")
        try:
            traced = torch.jit.trace(  # type: ignore[no-untyped-call]
                network.eval(), example, check_trace=False, _store_inputs=False
            )
        except RuntimeError as error:
            raise BackboneError(
                "the backbone cannot be traced to TorchScript; export as onnx, safetensors or torch instead"
            ) from error
        buffer = io.BytesIO()
        torch.jit.save(traced, buffer)
    strange = sorted({kind for kind in _kinds(traced) if not is_plain_operator(kind)})
    if strange:
        raise BackboneError(
            f"the backbone uses the TorchScript operator {strange[0]}, with which the file would not be opened again; "
            "export as onnx, safetensors or torch instead"
        )
    # What is left out says from which lines of which files on this machine the code was traced.
    files = {name: file for name, file in checked_archive(buffer.getvalue()).items() if not name.endswith("debug_pkl")}
    facts = deployable.facts().sealed(archive_digest(files, _WRITTEN_LAST))
    return _archive({**files, _IN_ARCHIVE: facts.to_json().encode()})


def read_torchscript(data: bytes) -> tuple[Run, ExportFacts]:
    """What computes a TorchScript file, and its facts.

    Raises:
        RefusedError: the file is damaged, foreign or does more than compute; the message says why in a few words.
    """
    import torch  # noqa: PLC0415

    files = checked_archive(data)
    if _IN_ARCHIVE not in files:
        raise RefusedError("it is no model of evoprune")
    facts = parse_facts(files[_IN_ARCHIVE].decode("utf-8", "replace"))
    if not facts.holds(archive_digest(files, _WRITTEN_LAST)):
        raise RefusedError("its checksum is not that of its contents")
    for name, contents in files.items():
        if name.endswith((".py", ".pkl")) and any(word in contents for word in FORBIDDEN_CODE):
            raise RefusedError("it holds code that would run when it is opened")
        if name.endswith(".py") and not is_shallow(contents):
            raise RefusedError("its code is nested deeper than that of a network")
    _check_tensors(files)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            network = torch.jit.load(io.BytesIO(data), map_location="cpu")  # type: ignore[no-untyped-call]
        strange = [kind for kind in _kinds(network) if not is_plain_operator(kind)]
    except (RuntimeError, ValueError, LookupError, AttributeError, OSError) as error:
        raise RefusedError("torch cannot read it") from error
    if strange:
        raise RefusedError(f"it does more than compute ({strange[0]})")
    network.eval()

    def run(batch: Float32Array) -> tuple[Float32Array, FloatArray | None]:
        try:
            with torch.inference_mode():
                found = network(torch.from_numpy(np.require(batch, np.float32, ("C", "W"))))
            logits, _, *scores = [value.numpy() for value in found]
        except (RuntimeError, TypeError, ValueError, AttributeError) as error:
            raise RefusedError("torch cannot run it") from error
        return checked_outputs([logits, *scores], len(batch), facts)

    return run, facts


def _check_tensors(files: dict[str, bytes]) -> None:
    """Refuse tensors that are larger than their bytes, which torch would make all the same.

    Raises:
        RefusedError: there are such, or pickles of another kind.
    """
    for name, contents in files.items():
        if name.endswith(".pkl"):
            folder = _TENSORS_OF.get(name)
            if folder is None:
                raise RefusedError(f"it has a pickle {name!r}, which a model of evoprune has not")
            sizes = {path.removeprefix(folder): len(data) for path, data in files.items() if path.startswith(folder)}
            check_tensors(contents, sizes)


def _archive(files: dict[str, bytes]) -> bytes:
    """An archive as torch writes it."""
    import torch  # noqa: PLC0415

    buffer = io.BytesIO()
    writer = torch._C.PyTorchFileWriter(buffer)
    for name, contents in files.items():
        if name not in _WRITERS_OWN:
            writer.write_record(name, contents, len(contents))
    writer.write_end_of_file()
    return buffer.getvalue()


def _network(deployable: Deployable) -> nn.Module:
    """The torch network of a model, with its numbers as the file keeps them."""
    from evoprune.model._onnx_network import OnnxNetwork  # noqa: PLC0415
    from evoprune.model._script_network import joined  # noqa: PLC0415

    backbone = deployable.model.backbone
    network = None if backbone is None else torch_network(backbone)
    if network is None:
        return OnnxNetwork(whole_graph(deployable), deployable.input_shape())
    head = OnnxNetwork(head_model(deployable.head, deployable.model.rejection), (deployable.head.width,))
    return joined(network, head, half=deployable.options.half)


def _kinds(network: torch.jit.ScriptModule) -> Iterator[str]:
    """Kinds of all nodes of a network's graph, those in branches and loops included."""
    waiting: list[Any] = list(network.inlined_graph.nodes())
    while waiting:
        node = waiting.pop()
        yield str(node.kind())
        for block in node.blocks():
            waiting.extend(block.nodes())
