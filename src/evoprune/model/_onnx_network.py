"""A torch network that computes what an ONNX graph does: for TorchScript files, of the operators of common networks.

`onnx2torch` would do this for more operators, but has had no release since August 2024 and asks for torchvision.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from onnx import helper, numpy_helper
from torch import Tensor, nn
from torch.nn import functional

from evoprune.errors import BackboneError

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto


@dataclass(frozen=True, eq=False)
class _Node:
    """One node: what is computed from which values.

    Attributes:
        compute: from the node and its inputs (None where one is left out) to its first output.
        inputs: names of values; empty where one is left out.
        output: name of the first output.
        attributes: by name.
        numbers: inputs that are constants of the graph, by their place; None where they are computed.
        padding: of a convolution or pooling, worked out in its first pass.
    """

    compute: _Operator
    inputs: tuple[str, ...]
    output: str
    attributes: Mapping[str, Any]
    numbers: tuple[NDArray[Any] | None, ...]
    padding: list[int] = field(default_factory=list)

    def list_of(self, place: int, attribute: str) -> list[Any] | None:
        """Numbers given as a constant input, or as an attribute by older operators; None where they are left out."""
        if place < len(self.inputs) and self.inputs[place]:
            constant = self.numbers[place]
            if constant is None:
                raise _Unsupported(f"a computed {attribute}")
            return list(np.atleast_1d(constant).tolist())
        value = self.attributes.get(attribute)
        return None if value is None else [value] if isinstance(value, (int, float)) else list(value)


_Operator = Callable[[_Node, list[Tensor]], Tensor]


class _Unsupported(ValueError):
    """Something that the converter does not know; the message names it."""


class OnnxNetwork(nn.Module):
    """The network of an ONNX graph with one input; it gives the graph's outputs as a tuple.

    Raises:
        BackboneError: the graph has an operator that is not known here.
    """

    def __init__(self, model: ModelProto, size: Sequence[int]) -> None:
        """Read the graph.

        Args:
            model: float32 in and out, weights inside.
            size: shape of its input without the batch; padding that depends on it is fixed here.
        """
        super().__init__()
        graph = model.graph
        constants = {item.name: numpy_helper.to_array(item) for item in graph.initializer}
        self._input = next(value.name for value in graph.input if value.name not in constants)
        self._outputs = [value.name for value in graph.output]
        self._nodes: list[_Node] = []
        for node in graph.node:
            self._add(node, constants)
        self._buffers_of: dict[str, str] = {}
        read = {name for node in self._nodes for name in node.inputs}
        for number, name in enumerate(name for name in constants if name in read):
            self._buffers_of[name] = f"constant_{number}"
            self.register_buffer(f"constant_{number}", torch.from_numpy(np.array(constants[name])))
        with torch.inference_mode():
            self._fix_paddings(torch.zeros(1, *size))

    def _add(self, node: NodeProto, constants: dict[str, NDArray[Any]]) -> None:
        attributes = {item.name: helper.get_attribute_value(item) for item in node.attribute}
        if node.op_type == "Constant" and set(attributes) == {"value"}:
            constants[node.output[0]] = numpy_helper.to_array(attributes["value"])
            return
        if node.op_type not in _OPERATORS or node.domain not in ("", "ai.onnx"):
            raise BackboneError(
                f"the ONNX operator {node.op_type!r} cannot be turned into TorchScript here; "
                "export as onnx, safetensors or torch instead"
            )
        numbers = tuple(constants.get(name) for name in node.input)
        self._nodes.append(_Node(_OPERATORS[node.op_type], tuple(node.input), node.output[0], attributes, numbers))

    def _fix_paddings(self, batch: Tensor) -> None:
        """One pass in which the padding that follows from the size of the images is worked out."""
        try:
            self.forward(batch)
        except _Unsupported as error:
            raise BackboneError(
                f"the ONNX graph has {error}, which cannot be turned into TorchScript here; "
                "export as onnx, safetensors or torch instead"
            ) from error

    def forward(self, batch: Tensor) -> tuple[Tensor, ...]:
        """The graph's outputs of a batch."""
        values: dict[str, Tensor] = {name: getattr(self, buffer) for name, buffer in self._buffers_of.items()}
        values[self._input] = batch
        for node in self._nodes:
            values[node.output] = node.compute(node, [values[name] for name in node.inputs if name])
        return tuple(values[name] for name in self._outputs)


def _padding(node: _Node, images: Tensor, kernel: Sequence[int]) -> list[int]:
    """Columns and rows around the images: left, right, top, bottom; worked out in the first pass of a node."""
    # Not while a pass is traced, where sizes are no numbers.
    if not node.padding:
        node.padding.extend(_new_padding(node, images.shape[2:], kernel))
    return node.padding


def _new_padding(node: _Node, spatial: Sequence[int], kernel: Sequence[int]) -> list[int]:
    if len(spatial) != 2:
        raise _Unsupported(f"a kernel over {len(spatial)} axes")
    mode = node.attributes.get("auto_pad", b"NOTSET")
    if mode in (b"NOTSET", b"VALID"):
        top, left, bottom, right = node.attributes.get("pads", [0, 0, 0, 0]) if mode == b"NOTSET" else [0, 0, 0, 0]
        return [left, right, top, bottom]
    strides = node.attributes.get("strides", [1, 1])
    dilations = node.attributes.get("dilations", [1, 1])
    padding: list[int] = []
    for size, span, stride, dilation in zip(spatial, kernel, strides, dilations, strict=True):
        steps = -(-size // stride)
        total = max(0, (steps - 1) * stride + (span - 1) * dilation + 1 - size)
        before = total // 2 if mode == b"SAME_UPPER" else total - total // 2
        # torch takes the last axis first.
        padding = [before, total - before, *padding]
    return padding


def _conv(node: _Node, inputs: list[Tensor]) -> Tensor:
    images, weights, *bias = inputs
    left, right, top, bottom = around = _padding(node, images, weights.shape[2:])
    even = left == right and top == bottom
    padding = (top, left) if even else (0, 0)
    if not even:
        images = functional.pad(images, around)
    strides = node.attributes.get("strides", [1, 1])
    dilations = node.attributes.get("dilations", [1, 1])
    groups = node.attributes.get("group", 1)
    return functional.conv2d(images, weights, bias[0] if bias else None, strides, padding, dilations, groups)


def _pooled(node: _Node, inputs: list[Tensor], outside: float) -> Tensor:
    """The images that a pooling reads, with their padding."""
    dilated = any(step != 1 for step in node.attributes.get("dilations", []))
    if node.attributes.get("ceil_mode", 0) or dilated or len(inputs) != 1:
        raise _Unsupported("a pooling that is rounded up or dilated")
    around = _padding(node, inputs[0], node.attributes["kernel_shape"])
    return functional.pad(inputs[0], around, value=outside) if any(around) else inputs[0]


def _max_pool(node: _Node, inputs: list[Tensor]) -> Tensor:
    images = _pooled(node, inputs, -float("inf"))
    return functional.max_pool2d(images, node.attributes["kernel_shape"], node.attributes.get("strides", [1, 1]))


def _average_pool(node: _Node, inputs: list[Tensor]) -> Tensor:
    images = _pooled(node, inputs, 0.0)
    if any(node.padding) and not node.attributes.get("count_include_pad", 0):
        raise _Unsupported("an average that leaves its padding out")
    return functional.avg_pool2d(images, node.attributes["kernel_shape"], node.attributes.get("strides", [1, 1]))


def _clip(node: _Node, inputs: list[Tensor]) -> Tensor:
    low, high = node.list_of(1, "min"), node.list_of(2, "max")
    return inputs[0].clamp(None if low is None else low[0], None if high is None else high[0])


def _cast(node: _Node, inputs: list[Tensor]) -> Tensor:
    kind = np.dtype(helper.tensor_dtype_to_np_dtype(node.attributes["to"]))
    return inputs[0].to(torch.from_numpy(np.zeros(1, kind)).dtype)


def _reshape(node: _Node, inputs: list[Tensor]) -> Tensor:
    shape = node.list_of(1, "shape") or []
    # 0 keeps an axis as it is.
    return inputs[0].reshape([inputs[0].shape[axis] if size == 0 else size for axis, size in enumerate(shape)])


def _flatten(node: _Node, inputs: list[Tensor]) -> Tensor:
    if node.attributes.get("axis", 1) != 1:
        raise _Unsupported("a Flatten that starts at another axis than 1")
    return inputs[0].flatten(1)


def _reduce_mean(node: _Node, inputs: list[Tensor]) -> Tensor:
    axes = node.list_of(1, "axes")
    if axes is None:
        raise _Unsupported("a mean over all axes")
    return inputs[0].mean(axes, keepdim=bool(node.attributes.get("keepdims", 1)))


def _squeeze(node: _Node, inputs: list[Tensor]) -> Tensor:
    axes = node.list_of(1, "axes")
    if axes is None:
        raise _Unsupported("a Squeeze without axes")
    return inputs[0].squeeze(axes)


def _gather(node: _Node, inputs: list[Tensor]) -> Tensor:
    if inputs[1].ndim != 1:
        raise _Unsupported("a Gather of more than one axis")
    return inputs[0].index_select(node.attributes.get("axis", 0), inputs[1].long())


def _gemm(node: _Node, inputs: list[Tensor]) -> Tensor:
    left = inputs[0].T if node.attributes.get("transA", 0) else inputs[0]
    right = inputs[1].T if node.attributes.get("transB", 0) else inputs[1]
    product: Tensor = node.attributes.get("alpha", 1.0) * (left @ right)
    return product if len(inputs) < 3 else product + node.attributes.get("beta", 1.0) * inputs[2]


def _top(node: _Node, inputs: list[Tensor]) -> Tensor:
    (count,) = node.list_of(1, "k") or [1]
    largest = bool(node.attributes.get("largest", 1))
    return inputs[0].topk(count, node.attributes.get("axis", -1), largest, sorted=True).values


def _batch_norm(node: _Node, inputs: list[Tensor]) -> Tensor:
    images, weight, bias, mean, variance = inputs
    epsilon = node.attributes.get("epsilon", 1e-5)
    return functional.batch_norm(images, mean, variance, weight, bias, training=False, eps=epsilon)


def _arg_max(node: _Node, inputs: list[Tensor]) -> Tensor:
    return inputs[0].argmax(node.attributes.get("axis", 0), keepdim=bool(node.attributes.get("keepdims", 1)))


_OPERATORS: dict[str, _Operator] = {
    "Add": lambda node, inputs: inputs[0] + inputs[1],
    "ArgMax": _arg_max,
    "AveragePool": _average_pool,
    "BatchNormalization": _batch_norm,
    "Cast": _cast,
    "Clip": _clip,
    "Concat": lambda node, inputs: torch.cat(inputs, node.attributes["axis"]),
    "Conv": _conv,
    "Div": lambda node, inputs: inputs[0] / inputs[1],
    "Exp": lambda node, inputs: inputs[0].exp(),
    "Flatten": _flatten,
    "Gather": _gather,
    "Gemm": _gemm,
    "GlobalAveragePool": lambda node, inputs: inputs[0].mean((2, 3), keepdim=True),
    "HardSwish": lambda node, inputs: functional.hardswish(inputs[0]),
    "Identity": lambda node, inputs: inputs[0],
    "Log": lambda node, inputs: inputs[0].log(),
    "MatMul": lambda node, inputs: inputs[0] @ inputs[1],
    "Max": lambda node, inputs: torch.maximum(inputs[0], inputs[1]),
    "MaxPool": _max_pool,
    "Mul": lambda node, inputs: inputs[0] * inputs[1],
    "Neg": lambda node, inputs: -inputs[0],
    "ReduceMean": _reduce_mean,
    "Relu": lambda node, inputs: inputs[0].relu(),
    "Reshape": _reshape,
    "Sigmoid": lambda node, inputs: inputs[0].sigmoid(),
    "Softmax": lambda node, inputs: inputs[0].softmax(node.attributes.get("axis", -1)),
    "Sqrt": lambda node, inputs: inputs[0].sqrt(),
    "Squeeze": _squeeze,
    "Sub": lambda node, inputs: inputs[0] - inputs[1],
    "TopK": _top,
}
