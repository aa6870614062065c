"""A whole backbone as arrays and facts, which a file can hold."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from evoprune._types import IntArray
from evoprune.backbones._base import Backbone, Preprocessing
from evoprune.backbones._fingerprint import fingerprint
from evoprune.backbones._measured import preprocessing_of
from evoprune.backbones._network_backbone import NetworkBackbone
from evoprune.backbones._onnx import OnnxBackbone, onnx_backbone
from evoprune.backbones._onnx_export import INPUT, OUTPUT, onnx_model
from evoprune.backbones._wording import first_line
from evoprune.errors import BackboneError

if TYPE_CHECKING:
    from evoprune.backbones._pack_facts import PackFacts

Arrays: TypeAlias = dict[str, NDArray[Any]]

_GRAPH, _CUTS, _WEIGHTS = "graph", "cuts.", "weights."
_TYPES = (np.float16, np.float32, np.float64, np.int64, np.bool_)
_COUNTER = "num_batches_tracked"
"""Of batch norms: how long they were trained, which no feature depends on."""


def pack(backbone: Backbone) -> tuple[Arrays, dict[str, Any]]:
    """A backbone as arrays and facts, from which `unpack` makes it again with nothing else.

    Backbones of ours (bundled, torchvision, timm) are packed as the weights of their torch
    network and the name of its architecture, so that unpacking needs the same package again.
    ONNX backbones are packed as the bytes of their graph. A user's own module
    (`ModuleBackbone`) has no architecture that could be built by name: what is packed is its
    ONNX graph, and the transform as far as it can be described (`preprocessing_of`).
    Weights that are exactly numbers of 16 bits are stored as such.

    Args:
        backbone: any of this package's, shrunk or not.

    Returns:
        Arrays by name, and facts that JSON can hold.

    Raises:
        BackboneError: the backbone cannot be built, has no graph, or its preprocessing cannot be described.
    """
    how = preprocessing_of(backbone)
    name, taken, given, architecture = backbone.name, None, None, None
    if isinstance(backbone, NetworkBackbone):
        arrays, architecture = _network_arrays(backbone), backbone.architecture
    elif isinstance(backbone, OnnxBackbone):
        name, taken, given = backbone.short_name, backbone.graph.input, backbone.graph.output
        arrays = {_GRAPH: np.frombuffer(backbone.content(), dtype=np.uint8)}
    else:
        taken, given = INPUT, OUTPUT
        arrays = {_GRAPH: np.frombuffer(onnx_model(backbone).SerializeToString(), dtype=np.uint8)}
    facts = {
        "name": name,
        "architecture": architecture,
        "width": backbone.width,
        "preprocessing": _record(how, taken, given, name),
    }
    return arrays, facts


def unpack(arrays: Mapping[str, NDArray[Any]], facts: Mapping[str, Any]) -> Backbone:
    """The backbone that `pack` took apart, built and run once.

    Nothing is downloaded, and nothing in the data is run as code. The fingerprint follows from
    what the arrays hold, so features of changed arrays are never taken for those of the original.

    Args:
        arrays: as `pack` gives them; others beside them are refused. Their numbers may have
            been rounded.
        facts: as `pack` gives them.

    Raises:
        BackboneError: the data are damaged or not of this form, or a package is missing that
            the architecture needs.
    """
    from evoprune.backbones._pack_facts import read_facts  # noqa: PLC0415

    known = read_facts(facts)
    record = known.preprocessing
    backbone: Backbone
    if known.architecture is not None:
        backbone = _network_backbone(arrays, known, known.architecture)
    else:
        graph = arrays.get(_GRAPH)
        if graph is None or len(arrays) != 1 or graph.dtype != np.uint8 or graph.ndim != 1:
            raise _damaged(known.name, "it has no graph")
        content = np.ascontiguousarray(graph).tobytes()
        backbone = onnx_backbone(known.name, content, record.preprocessing(), record.input, record.output)
    try:
        width = backbone.width
    except RuntimeError as error:
        # torch's own: weights that fit in shape, but are not such that the network can be run with them.
        raise _damaged(known.name, first_line(error)) from error
    if width != known.width:
        raise _damaged(known.name, f"it gives {width} features instead of {known.width}")
    return backbone


def _record(how: Preprocessing, taken: str | None, given: str | None, name: str) -> dict[str, Any]:
    from evoprune.backbones._onnx_record import OnnxRecord  # noqa: PLC0415

    try:
        return OnnxRecord.of(how, taken, given).model_dump(mode="json")
    except ValueError as error:
        raise BackboneError(
            f"the preprocessing of backbone {name!r} has values that a file cannot hold ({how}); give ModuleBackbone "
            "a Preprocessing with a positive size and std, and a crop_fraction up to 1"
        ) from error


def _network_arrays(backbone: NetworkBackbone) -> Arrays:
    state = backbone.network.state_dict()
    arrays: Arrays = {
        f"{_WEIGHTS}{name}": _narrowed(np.ascontiguousarray(value.numpy()))
        for name, value in state.items()
        if not name.endswith(_COUNTER)
    }
    return arrays | {f"{_CUTS}{number}": kept for number, kept in enumerate(backbone.cuts)}


def _narrowed(values: NDArray[Any]) -> NDArray[Any]:
    """The same numbers in 16 bits, where each of them fits exactly."""
    if values.dtype != np.float32:
        return values
    with np.errstate(over="ignore"):
        narrow = values.astype(np.float16)
    return narrow if np.array_equal(narrow.astype(np.float32), values) else values


def _network_backbone(arrays: Mapping[str, NDArray[Any]], facts: PackFacts, architecture: str) -> NetworkBackbone:
    import torch  # noqa: PLC0415

    from evoprune.backbones._architectures import empty_network  # noqa: PLC0415
    from evoprune.backbones._weights_file import put_into  # noqa: PLC0415

    network: Any = empty_network(architecture).eval()
    how = facts.preprocessing.preprocessing()
    stored = sum(name.startswith(_CUTS) for name in arrays)
    cuts = tuple(arrays[name] for number in range(stored) if (name := f"{_CUTS}{number}") in arrays)
    for kept in cuts:
        # One time after the other, as it was done: what stays of a layer that nobody reads depends on the way.
        network = _cut_again(network, how, kept, facts.name)
    weights = {name: values for name, values in arrays.items() if not name.startswith(_CUTS)}
    if not all(name.startswith(_WEIGHTS) and values.dtype in _TYPES for name, values in weights.items()):
        raise _damaged(facts.name, "it holds arrays that are no weights")
    state = {name.removeprefix(_WEIGHTS): torch.from_numpy(np.array(values)) for name, values in weights.items()}
    put_into(network, state, f"the file of backbone {facts.name!r}")
    identity = fingerprint(f"packed {architecture}", _digest(arrays), how)
    return NetworkBackbone(
        facts.name,
        identity,
        how,
        lambda: network,
        architecture=architecture,
        cuts=cuts,
    )


def _cut_again(network: Any, how: Preprocessing, kept: IntArray, name: str) -> Any:
    from evoprune.backbones._torch_cut import cut_network  # noqa: PLC0415

    if kept.dtype != np.int64 or kept.ndim != 1 or not kept.size or kept[0] < 0 or np.any(np.diff(kept) <= 0):
        raise _damaged(name, "the numbers of its features are none")
    try:
        small, _ = cut_network(network, how.size, kept)
    except (IndexError, RuntimeError) as error:
        raise _damaged(name, "it has features that its architecture has not") from error
    if small is None:
        raise _damaged(name, "its architecture cannot lose features")
    return small


def _digest(arrays: Mapping[str, NDArray[Any]]) -> str:
    """SHA-256 over name, type, shape and contents of every array, sorted by name, hexadecimal."""
    digest = hashlib.sha256()
    for name, values in sorted(arrays.items()):
        digest.update(f"{name}\0{values.dtype.str}\0{list(values.shape)}\0".encode())
        digest.update(np.ascontiguousarray(values).data)
    return digest.hexdigest()


def _damaged(name: str, why: str) -> BackboneError:
    return BackboneError(f"the backbone {name!r} in the file is damaged ({why}); take a fresh copy of the file")
