"""ONNX graphs changed within."""

from __future__ import annotations

import onnx
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from evoprune.model._facts import ExportFacts

from .mutations import NUMBERS


def graph_changes() -> SearchStrategy[list[tuple[int, int, int]]]:
    number = st.integers(0, 2**31)
    return st.lists(st.tuples(st.integers(0, 11), number, number), min_size=1, max_size=3)


_OPERATORS = (
    "Loop", "If", "Scan", "ConstantOfShape", "Expand", "Tile", "Reshape", "Gather", "Softmax", "NoSuchOperator",
    "Identity", "Transpose", "Resize", "RandomNormal", "QLinearConv", "StringNormalizer",
)  # fmt: skip


def regraphed(data: bytes, changes: list[tuple[int, int, int]], *, seal: bool) -> bytes:
    """An ONNX file with other fields, under the checksum that is right for them."""
    model = onnx.load_model_from_string(data)
    graph = model.graph
    for kind, a, b in changes:
        node = graph.node[a % len(graph.node)] if graph.node else None
        constant = graph.initializer[a % len(graph.initializer)] if graph.initializer else None
        ports = [*graph.input, *graph.output]
        if kind == 0 and node is not None:
            node.op_type = _OPERATORS[b % len(_OPERATORS)]
        elif kind == 1 and node is not None and node.input:
            node.input[b % len(node.input)] = ("nowhere", "", node.output[0], "image")[b % 4]
        elif kind == 2 and node is not None:
            node.attribute.add(name="axis", type=onnx.AttributeProto.INT, i=NUMBERS[b % 12])
        elif kind == 3 and constant is not None:
            constant.dims[:] = [NUMBERS[b % 13], 1 + b % 5]
        elif kind == 4 and constant is not None:
            constant.data_type = b % 30
        elif kind == 5 and constant is not None:
            constant.raw_data = constant.raw_data[: b % (1 + len(constant.raw_data))]
        elif kind == 6 and ports:
            ports[a % len(ports)].type.tensor_type.shape.dim.add().dim_value = NUMBERS[b % 13]
        elif kind == 7 and node is not None:
            del graph.node[a % len(graph.node)]
        elif kind == 8 and constant is not None:
            constant.data_location = onnx.TensorProto.EXTERNAL
            names = ("../../etc/passwd", "/etc/passwd", "", "w.bin", "a\x00b", "C:\\w", "link", "x" * 5000, ".")
            constant.external_data.add(key="location", value=names[b % len(names)])
            constant.external_data.add(key="length", value=("-1", "9" * 30, "x", "8")[b % 4])
        elif kind == 9 and node is not None:
            inner = node.attribute.add(name="body", type=onnx.AttributeProto.GRAPH).g
            inner.node.add(op_type="Identity", input=["image"], output=["y"])
        elif kind == 10:
            model.opset_import[0].version = NUMBERS[b % 12]
        else:
            model.ir_version = NUMBERS[b % 12]
    if seal:
        (entry,) = model.metadata_props
        contents = model.graph.SerializeToString(deterministic=True)
        entry.value = ExportFacts.model_validate_json(entry.value).sealed(contents).to_json()
    whole: bytes = model.SerializeToString()
    return whole
