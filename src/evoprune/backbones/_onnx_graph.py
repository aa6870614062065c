"""What an ONNX file says about itself, read without running it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath

import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto

from evoprune._files import is_file
from evoprune.backbones._onnx_record import OnnxRecord
from evoprune.errors import BackboneError


@dataclass(frozen=True)
class OnnxGraph:
    """The parts of an ONNX file that a backbone needs.

    Attributes:
        input: name of the input that takes the images.
        output: name of the output that gives the features.
        batch: number of images that the graph is fixed to, or None where any number goes.
        files: the ONNX file, then the files that hold its weights, if any; empty where the
            graph did not come from a file.
    """

    input: str
    output: str
    batch: int | None
    files: tuple[Path, ...]


def read_graph(path: Path, record: OnnxRecord) -> OnnxGraph:
    """Read and check an ONNX file.

    Raises:
        BackboneError: it cannot be read, takes or gives something else than images and
            features, or keeps weights outside its folder.
    """
    try:
        # Weights in other files are looked at only after their paths have been checked.
        model = onnx.load(path, load_external_data=False)
    except OSError as error:
        raise BackboneError(f"the ONNX file {path} cannot be read: {error.strerror}") from error
    except DecodeError as error:
        raise BackboneError(f"{path} is not an ONNX file, or is damaged") from error
    record_name = f"{path.stem}.json"
    taken, given = _ports(model, record.input, record.output, str(path), record_name)
    batch = _check_input(taken, record.input_size, str(path), record_name)
    return OnnxGraph(taken.name, given.name, batch, (path, *_external_files(model, path)))


def parse_graph(content: bytes, name: str, size: tuple[int, int], taken: str | None, given: str | None) -> OnnxGraph:
    """Read and check the bytes of an ONNX file that has all its weights inside.

    Args:
        content: the bytes.
        name: what errors call the backbone.
        size: height and width of the images that it is to take.
        taken: name of its input; may be left out where there is one.
        given: name of its output; may be left out where there is one.

    Raises:
        BackboneError: it cannot be read, takes or gives something else than images and
            features, or has weights elsewhere.
    """
    where = f"the graph of backbone {name!r}"
    try:
        model = onnx.load_model_from_string(content)
    except DecodeError as error:
        raise BackboneError(f"{where} is no ONNX file, or is damaged; take a fresh copy of it") from error
    if any(tensor.data_location == TensorProto.EXTERNAL for tensor in _tensors(model)):
        raise BackboneError(
            f"{where} keeps weights in another file, and is not opened; give one with its weights inside"
        )
    source, result = _ports(model, taken, given, where, None)
    return OnnxGraph(source.name, result.name, _check_input(source, size, where, None), ())


def _ports(
    model: ModelProto, taken: str | None, given: str | None, where: str, record: str | None
) -> tuple[ValueInfoProto, ValueInfoProto]:
    graph = model.graph
    weights = {initializer.name for initializer in graph.initializer}
    inputs = [value for value in graph.input if value.name not in weights]
    return (
        _pick(inputs, taken, "input", where, record),
        _pick(list(graph.output), given, "output", where, record),
    )


def _pick(
    values: Sequence[ValueInfoProto], wanted: str | None, what: str, where: str, record: str | None
) -> ValueInfoProto:
    names = [value.name for value in values]
    if wanted is None and len(values) == 1:
        return values[0]
    if wanted in names:
        return values[names.index(wanted)]
    asked = f"no {what} {wanted!r}" if wanted else f"{len(values)} {what}s"
    listed = ", ".join(map(repr, names)) or "none"
    way_out = f'set "{what}" in {record} to' if record else f"name as {what}"
    raise BackboneError(f"{where} has {asked}; {way_out} one of: {listed}")


def _check_input(taken: ValueInfoProto, size: tuple[int, int], where: str, record: str | None) -> int | None:
    """The fixed number of images, if any."""
    kind = taken.type.tensor_type
    dims = [dim.dim_value if dim.HasField("dim_value") else None for dim in kind.shape.dim]
    fits = len(dims) == 4 and all(a in {None, b} for a, b in zip(dims[1:], (3, *size), strict=True))
    if kind.elem_type != TensorProto.FLOAT or not fits:
        shown = ", ".join("?" if dim is None else str(dim) for dim in dims)
        raise BackboneError(
            f"{where} takes {TensorProto.DataType.Name(kind.elem_type)} [{shown}]; needed is FLOAT "
            f"[N, 3, {size[0]}, {size[1]}]" + (f" (the input_size in {record})" if record else "")
        )
    return dims[0]


def _external_files(model: ModelProto, path: Path) -> list[Path]:
    """Files that hold weights of the model, each once, sorted by name."""
    locations: set[str] = set()
    for tensor in _tensors(model):
        if tensor.data_location == TensorProto.EXTERNAL:
            locations.update(entry.value for entry in tensor.external_data if entry.key == "location")
    for location in locations:
        # A Windows path is refused everywhere: the same file must not mean two things on two machines.
        parts = PureWindowsPath(location).parts
        if PureWindowsPath(location).anchor or PurePosixPath(location).is_absolute() or ".." in parts:
            raise BackboneError(
                f"{path} keeps weights in {location!r:.300}, outside its own folder, and is not opened; "
                "save the model again with its weights inside or beside it"
            )
        if not is_file(path.parent / location):
            raise BackboneError(f"{path} keeps weights in {location!r:.300}, which is not beside it; put it there")
        # A link may lead beside the file's own place too: caches of model hubs keep all files in one other folder.
        homes = (path.parent.resolve(), path.resolve().parent)
        if not any((path.parent / location).resolve().is_relative_to(home) for home in homes):
            raise BackboneError(
                f"{path} keeps weights in {location!r}, a link that leads outside its own folder, and is not opened; "
                "put the file itself there"
            )
    return [path.parent / location for location in sorted(locations)]


def _tensors(model: ModelProto) -> Iterator[TensorProto]:
    """Every constant of the model, those in branches, loops and functions included."""
    yield from _graph_tensors(model.graph)
    for function in model.functions:
        yield from _node_tensors(function.node)


def _graph_tensors(graph: GraphProto) -> Iterator[TensorProto]:
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    yield from _node_tensors(graph.node)


def _node_tensors(nodes: Sequence[NodeProto]) -> Iterator[TensorProto]:
    for node in nodes:
        for attribute in node.attribute:
            yield from _attribute_tensors(attribute)


def _attribute_tensors(attribute: AttributeProto) -> Iterator[TensorProto]:
    yield from (attribute.t, *attribute.tensors)
    for sparse in (attribute.sparse_tensor, *attribute.sparse_tensors):
        yield from (sparse.values, sparse.indices)
    if attribute.type == AttributeProto.GRAPH:
        yield from _graph_tensors(attribute.g)
    for graph in attribute.graphs:
        yield from _graph_tensors(graph)
