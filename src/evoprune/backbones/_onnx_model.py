"""Small operations on ONNX models that are loaded whole."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf.message import EncodeError  # type: ignore[import-untyped]
from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, ValueInfoProto, inliner, shape_inference
from onnxruntime import InferenceSession

from evoprune._types import Float32Array
from evoprune.backbones._onnx_session import open_session
from evoprune.backbones._wording import first_line
from evoprune.errors import BackboneError

_FIRST_IR_WITH_INNER_CONSTANTS = 4


def simplified(model: ModelProto, output: str, name: str) -> ModelProto:
    """A copy that computes one output and nothing else, with every constant among the initializers.

    Args:
        model: with its weights inside; not changed.
        output: name of the output.
        name: what errors call the backbone.

    Raises:
        BackboneError: functions inside the model cannot be resolved.
    """
    copy = ModelProto()
    copy.CopyFrom(model)
    if copy.functions:
        try:
            copy = inliner.inline_local_functions(copy)
        except (RuntimeError, ValueError) as error:
            raise BackboneError(
                f"the functions in the graph of {name!r} cannot be resolved: {first_line(error)}"
            ) from error
    graph = copy.graph
    _move_constants(graph)
    # Files of the first versions name every constant among the inputs as well.
    copy.ir_version = max(copy.ir_version, _FIRST_IR_WITH_INNER_CONSTANTS)
    constants = {initializer.name for initializer in graph.initializer}
    _replace(graph.input, [value for value in graph.input if value.name not in constants])
    _replace(graph.output, [value for value in graph.output if value.name == output])
    del graph.value_info[:]
    drop_unused(graph)
    return copy


def to_bytes(model: ModelProto, name: str) -> bytes:
    """A model with all its weights inside as the bytes of one ONNX file.

    Args:
        model: any.
        name: what errors call the backbone.

    Raises:
        BackboneError: the weights are too many for one file.
    """
    try:
        content: bytes = model.SerializeToString()
    except (ValueError, EncodeError) as error:
        raise BackboneError(f"the weights of backbone {name!r} are more than one ONNX file can hold (2 GB)") from error
    return content


def drop_unused(graph: GraphProto) -> None:
    """Remove the nodes and constants from which no output is computed."""
    needed = {value.name for value in graph.output}
    nodes: list[NodeProto] = []
    for node in reversed(graph.node):
        if needed.intersection(node.output):
            nodes.append(node)
            needed.update((*node.input, *inner_names(node)))
    _replace(graph.node, nodes[::-1])
    _replace(graph.initializer, [constant for constant in graph.initializer if constant.name in needed])


def inner_names(node: NodeProto) -> Iterator[str]:
    """Names of values that the branches and loops inside a node may read from outside."""
    for attribute in node.attribute:
        graphs = [attribute.g] if attribute.type == AttributeProto.GRAPH else list(attribute.graphs)
        for graph in graphs:
            yield from (value.name for value in graph.output)
            for inner in graph.node:
                yield from (*inner.input, *inner_names(inner))


def new_name(graph: GraphProto, base: str) -> str:
    """A name that no value of the graph has yet."""
    taken = {value.name for value in (*graph.input, *graph.output, *graph.initializer)}
    for node in graph.node:
        taken.update((*node.input, *node.output, *inner_names(node)))
    name, number = base, 0
    while name in taken:
        number += 1
        name = f"{base}_{number}"
    return name


def value_shapes(model: ModelProto, size: tuple[int, int]) -> dict[str, tuple[int, ...]]:
    """Shapes of the values of a model for one image (or as many as it is fixed to), where they can be told.

    Args:
        model: with one input, images.
        size: height and width of the images.
    """
    copy = ModelProto()
    copy.CopyFrom(model)
    graph = copy.graph
    dims = graph.input[0].type.tensor_type.shape.dim
    image = (dims[0].dim_value or 1, 3, *size)
    for dim, length in zip(dims, image, strict=True):
        dim.dim_value = length
    del graph.output[:]
    try:
        inferred = shape_inference.infer_shapes(copy, data_prop=True).graph
    except (shape_inference.InferenceError, ValueError):
        # Operators of other makers, say: then only running helps.
        inferred = graph
    shapes = {constant.name: tuple(constant.dims) for constant in graph.initializer}
    for value in (*inferred.input, *inferred.value_info):
        kind = value.type.tensor_type
        if kind.HasField("shape") and all(dim.HasField("dim_value") for dim in kind.shape.dim):
            shapes[value.name] = tuple(dim.dim_value for dim in kind.shape.dim)
    unknown = [name for node in graph.node for name in node.output if name and name not in shapes]
    graph.output.extend(ValueInfoProto(name=name) for name in unknown)
    return shapes | _tried_shapes(copy, np.zeros(image, dtype=np.float32)) if unknown else shapes


def _tried_shapes(model: ModelProto, batch: Float32Array) -> dict[str, tuple[int, ...]]:
    """Shapes of the outputs of a model, from running it; none where onnxruntime cannot."""
    try:
        outputs = session(model).run(None, {model.graph.input[0].name: batch})
    except Exception:
        # onnxruntime's own errors have no base but Exception. What is not known is left alone.
        return {}
    names = [value.name for value in model.graph.output]
    return {name: tuple(output.shape) for name, output in zip(names, outputs, strict=True)}


def session(model: ModelProto | bytes | Path) -> InferenceSession:
    """A model opened by onnxruntime on the CPU, which says nothing but errors."""
    return open_session(model.SerializeToString() if isinstance(model, ModelProto) else model)


def _move_constants(graph: GraphProto) -> None:
    nodes = []
    for node in graph.node:
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            constant = graph.initializer.add()
            constant.CopyFrom(node.attribute[0].t)
            constant.name = node.output[0]
        else:
            nodes.append(node)
    _replace(graph.node, nodes)


def _replace(field: Any, values: Iterable[Any]) -> None:
    kept = list(values)
    del field[:]
    field.extend(kept)
