"""Removing features from the last layer of an ONNX graph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper

from evoprune._types import IntArray
from evoprune.backbones._channels import Plan, Step, plan_cuts
from evoprune.backbones._onnx_model import drop_unused, inner_names, new_name, value_shapes

_ELEMENTWISE = frozenset(
    {
        *("Abs", "Cast", "Celu", "Clip", "Dropout", "Elu", "Erf", "Exp"),
        *("Gelu", "HardSigmoid", "HardSwish", "Identity", "LeakyRelu", "Mish", "Neg", "Relu", "Selu"),
        *("Sigmoid", "Softplus", "Softsign", "Sqrt", "Swish", "Tanh", "ThresholdedRelu"),
    }
)
_POOLING = frozenset({"AveragePool", "GlobalAveragePool", "GlobalLpPool", "GlobalMaxPool", "LpPool", "MaxPool"})
_REDUCING = frozenset({"ReduceL2", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceSum"})
_RESHAPING = frozenset({"Flatten", "Reshape", "Squeeze"})
_BINARY = frozenset({"Add", "Div", "Max", "Min", "Mul", "PRelu", "Pow", "Sub"})
_TYPES = frozenset({TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE, TensorProto.INT8, TensorProto.UINT8})


@dataclass(frozen=True)
class _Weights:
    """Which input of a node is a constant that goes with its output channels, and on which axis."""

    position: int
    axis: int


class _OnnxChannels:
    """A graph as a `ChannelGraph`."""

    def __init__(self, model: ModelProto, size: tuple[int, int]) -> None:
        self.graph: GraphProto = model.graph
        self.makers = {name: node for node in self.graph.node for name in node.output}
        self.constants = {initializer.name: initializer for initializer in self.graph.initializer}
        self.shapes = value_shapes(model, size)
        self.weights: dict[str, list[_Weights]] = {}
        self._readers: dict[str, int] = {output.name: 1 for output in self.graph.output}
        for node in self.graph.node:
            for name in (*node.input, *inner_names(node)):
                self._readers[name] = self._readers.get(name, 0) + (node.op_type != "Shape")

    def values(self) -> list[str]:
        return [name for node in self.graph.node for name in node.output if name]

    def readers(self, value: str) -> int:
        return self._readers[value]

    def step(self, value: str) -> Step | str:
        node = self.makers.get(value)
        if node is None:
            return f"{value!r}, which no layer makes"
        shown = f"{value!r} ({node.op_type})"
        several = len([name for name in node.output if name]) > 1
        if node.domain not in {"", "ai.onnx"} or several or len(self._shape(value)) < 2:
            return shown
        return self._step(node) or shown

    def _step(self, node: NodeProto) -> Step | None:
        kind, name, source = node.op_type, node.output[0], node.input[0] if node.input else ""
        through = Step((source,))
        if kind in _ELEMENTWISE or (kind in _POOLING and len(self._shape(name)) == 4):
            return through
        if kind in _REDUCING:
            return through if self._positions_only(node) else None
        if kind in _RESHAPING:
            return through if self._keeps_channels(node) else None
        if kind in _BINARY:
            return self._binary(node)
        if kind == "Concat":
            return self._concat(node)
        return self._weighted(node)

    def _weighted(self, node: NodeProto) -> Step | None:
        """A layer with weights of its own, whose axis is that of the output channels."""
        kind, axis = node.op_type, 0
        whole, through = Step((), _layer(node)), Step((node.input[0],), _layer(node))
        if kind == "Conv" and self._weigh(node, [(1, 0), (2, 0)]):
            groups, outputs = _attribute(node, "group", 1), self._shape(node.output[0])[1]
            if groups == 1:
                return whole
            return through if (groups, self._shape(node.input[0])[1]) == (outputs, outputs) else None
        if kind == "BatchNormalization" and self._weigh(node, [(1, 0), (2, 0), (3, 0), (4, 0)]):
            return through
        if kind == "Gemm":
            axis = 0 if _attribute(node, "transB", 0) else 1
            return whole if self._weigh(node, [(1, axis), (2, -1)]) else None
        if kind == "MatMul" and len(self._shape(node.output[0])) == 2 and self._weigh(node, [(1, 1)]):
            return whole
        return None

    def _binary(self, node: NodeProto) -> Step | None:
        """Two values with the same channels, or one and a constant."""
        shape = self._shape(node.output[0])
        values, constants = [], []
        for position, name in enumerate(node.input):
            if self._constant(name) is not None:
                constants.append((position, 1 - len(shape)))
            elif len(self._shape(name)) != len(shape):
                return None
            elif self._shape(name)[1] != 1:
                values.append(name)
        if len(shape) < 2 or not values or any(self._shape(name)[:2] != shape[:2] for name in values):
            return None
        if not self._weigh(node, constants):
            return None
        # Its constant goes with the channels, but is no reason by itself to choose them so early.
        return Step(tuple(values))

    def _concat(self, node: NodeProto) -> Step | None:
        widths = [self._shape(name)[1:2] for name in node.input]
        rank = len(self._shape(node.output[0]))
        if not rank or _attribute(node, "axis", 0) % rank != 1 or () in widths or len(set(node.input)) < len(widths):
            return None
        return Step(tuple(node.input), parts=tuple(width for (width,) in widths))

    def _weigh(self, node: NodeProto, places: list[tuple[int, int]]) -> bool:
        """Note the constants of a node that go with its channels; False where one is none."""
        width, found = self._shape(node.output[0])[1], []
        for position, axis in places:
            if position >= len(node.input) or not node.input[position]:
                continue
            name = self._constant(node.input[position])
            if name is None:
                return False
            dims = list(self.constants[name].dims)
            if len(dims) < (-axis if axis < 0 else axis + 1) or dims[axis] == 1 != width:
                continue  # one number for all channels
            if dims[axis] != width or self.constants[name].data_type not in _TYPES:
                return False
            found.append(_Weights(position, axis % len(dims)))
        self.weights[node.output[0]] = found
        return True

    def _constant(self, value: str) -> str | None:
        """The initializer behind a value, casts in between or not."""
        while value not in self.constants:
            node = self.makers.get(value)
            if node is None or node.op_type not in {"Cast", "Identity"}:
                return None
            value = node.input[0]
        return value

    def own(self, node: NodeProto, position: int) -> TensorProto:
        """The initializer behind an input of a node, made its own where other nodes read it too."""
        value, shared, casts = node.input[position], False, []
        while value not in self.constants:
            shared = shared or self.readers(value) > 1
            maker = self.makers[value]
            if maker.op_type == "Cast":
                casts.append(maker)
            value = maker.input[0]
        constant = self.constants[value]
        if not shared and self.readers(value) == 1:
            return constant
        name = new_name(self.graph, constant.name)
        self.graph.initializer.append(constant)
        copy: TensorProto = self.graph.initializer[-1]
        copy.name = name
        place = next(i for i, other in enumerate(self.graph.node) if other.output[0] == node.output[0])
        for cast in reversed(casts):
            self.graph.node.insert(place, cast)
            place += 1
            cast_copy = self.graph.node[place - 1]
            cast_copy.input[0], name = name, new_name(self.graph, f"{name}_cast")
            cast_copy.output[0] = name
        self.graph.node[place].input[position] = name
        return copy

    def _shape(self, value: str) -> tuple[int, ...]:
        return self.shapes.get(value, ())

    def _keeps_channels(self, node: NodeProto) -> bool:
        """Whether features that are single numbers stay the same in number and order."""
        before, after = self._shape(node.input[0]), self._shape(node.output[0])
        same = len(before) >= 2 and before[:2] == after[:2] and set(before[2:]) <= {1}
        # The target of a reshaping is rewritten where it names the number of features.
        return same and (node.op_type != "Reshape" or node.input[1] in self.constants)

    def _positions_only(self, node: NodeProto) -> bool:
        rank = len(self._shape(node.input[0]))
        axes = _attribute(node, "axes", [])
        if len(node.input) > 1 and node.input[1] in self.constants:
            axes = numpy_helper.to_array(self.constants[node.input[1]]).tolist()
        return rank > 2 and bool(axes) and all(axis % rank >= 2 for axis in axes)


def _layer(node: NodeProto) -> str:
    return str(node.name or node.output[0])


def cut_graph(model: ModelProto, size: tuple[int, int], keep: IntArray) -> tuple[ModelProto | None, Plan]:
    """Remove features from a graph; the one given is not changed.

    Args:
        model: as `simplified` gives it: images `[N, 3, h, w]` to features `[N, D]` or maps `[N, D, H, W]`.
        size: h and w.
        keep: numbers of the features that stay, ascending, fewer than D.

    Returns:
        The smaller graph (None where nothing can be removed), whose other weights and nodes are
        untouched, and what was done or stood in the way.
    """
    small = ModelProto()
    small.CopyFrom(model)
    channels = _OnnxChannels(small, size)
    plan = plan_cuts(channels, small.graph.output[0].name, keep)
    if not plan.layers:
        return None, plan
    for name, indices in plan.cuts.items():
        node = channels.makers[name]
        for weights in channels.weights.get(name, ()):
            _cut(channels.own(node, weights.position), weights.axis, indices)
        if node.op_type == "Conv" and _attribute(node, "group", 1) > 1:
            _set_attribute(node, "group", indices.size)
        if node.op_type == "Reshape":
            _resize(small.graph, node, channels.constants[node.input[1]], channels.shapes[name][1], indices.size)
    for selection in plan.selections:
        _select(small.graph, selection.value, selection.reader, selection.indices)
    for value in small.graph.output:
        dims = value.type.tensor_type.shape.dim
        if len(dims) > 1 and dims[1].HasField("dim_value"):
            dims[1].dim_value = keep.size
    drop_unused(small.graph)
    return small, plan


def _cut(constant: TensorProto, axis: int, indices: IntArray) -> None:
    rows = np.take(numpy_helper.to_array(constant), indices, axis=axis)
    constant.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(rows), constant.name))


def _resize(graph: GraphProto, node: NodeProto, target: TensorProto, width: int, kept: int) -> None:
    """Let a reshaping that names the number of features name the new one."""
    dims = numpy_helper.to_array(target)
    if width in dims:
        name = new_name(graph, target.name)
        graph.initializer.append(numpy_helper.from_array(np.where(dims == width, kept, dims), name))
        node.input[1] = name


def _select(graph: GraphProto, value: str, reader: str, indices: IntArray) -> None:
    index = new_name(graph, f"{value}_selection")
    graph.initializer.append(numpy_helper.from_array(indices.astype(np.int64), index))
    selected = new_name(graph, f"{value}_selected")
    place = next(i for i, node in enumerate(graph.node) if node.output[0] == reader)
    graph.node.insert(place, helper.make_node("Gather", [value, index], [selected], axis=1))
    node = graph.node[place + 1]
    for position, name in enumerate(node.input):
        if name == value:
            node.input[position] = selected


def _attribute(node: NodeProto, name: str, default: Any) -> Any:
    found = [attribute for attribute in node.attribute if attribute.name == name]
    return helper.get_attribute_value(found[0]) if found else default


def _set_attribute(node: NodeProto, name: str, value: int) -> None:
    for attribute in node.attribute:
        if attribute.name == name:
            attribute.i = value
