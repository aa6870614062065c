"""The torch network of an ONNX graph against onnxruntime; what it does not know is said."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from onnxruntime import InferenceSession

from evoprune.errors import BackboneError
from evoprune.model._onnx_network import OnnxNetwork

rng = np.random.default_rng(0)


def random(*shape: int) -> np.ndarray:
    return rng.normal(size=shape).astype(np.float32)


def model_of(nodes, constants, shape, opset=13):
    taken = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", *shape])
    given = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    initializers = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "test", [taken], [given], initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def same_as_onnxruntime(model, shape, atol=1e-5):
    X = random(3, *shape)
    (expected,) = InferenceSession(model.SerializeToString()).run(None, {"x": X})
    network = OnnxNetwork(model, shape).eval()
    (given,) = network(torch.from_numpy(X))
    assert given.shape == expected.shape
    assert np.allclose(given.numpy(), expected, atol=atol)
    # Traced with another number of images than it is run with.
    with torch.no_grad(), pytest.warns(DeprecationWarning):
        traced = torch.jit.trace(network, torch.zeros(2, *shape), check_trace=False)
    assert np.allclose(traced(torch.from_numpy(X))[0].numpy(), expected, atol=atol)


@pytest.mark.parametrize("size", [(9, 9), (8, 11)])
@pytest.mark.parametrize(
    "attributes",
    [
        {"auto_pad": "SAME_UPPER", "strides": [2, 2]},
        {"auto_pad": "SAME_LOWER", "strides": [2, 2]},
        {"auto_pad": "SAME_UPPER", "strides": [3, 1], "group": 2},
        {"auto_pad": "VALID"},
        {"pads": [1, 1, 1, 1]},
        {"pads": [0, 1, 2, 3], "strides": [2, 3]},
        {"pads": [2, 2, 2, 2], "dilations": [2, 2]},
        {},
    ],
    ids=str,
)
def test_convolutions_pad_as_onnxruntime_does(attributes, size):
    weights = random(6, 4 // attributes.get("group", 1), 3, 3)
    node = helper.make_node("Conv", ["x", "w", "b"], ["y"], **attributes)
    same_as_onnxruntime(model_of([node], {"w": weights, "b": random(6)}, (4, *size)), (4, *size))


def int64(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


@pytest.mark.parametrize(
    ("kind", "inputs", "attributes", "shape"),
    [
        ("Clip", {"low": np.float32(0), "high": np.float32(0.5)}, {}, (4, 5)),
        ("BatchNormalization", {"s": random(4), "b": random(4), "m": random(4), "v": random(4) ** 2}, {}, (4, 5, 6)),
        ("GlobalAveragePool", {}, {}, (4, 5, 6)),
        ("MaxPool", {}, {"kernel_shape": [2, 2], "strides": [2, 2]}, (4, 7, 6)),
        ("MaxPool", {}, {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 0, 1]}, (4, 7, 6)),
        ("MaxPool", {}, {"kernel_shape": [3, 3], "strides": [2, 2], "auto_pad": "SAME_UPPER"}, (4, 8, 8)),
        ("AveragePool", {}, {"kernel_shape": [2, 3], "strides": [2, 1]}, (4, 7, 6)),
        ("AveragePool", {}, {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "count_include_pad": 1}, (4, 7, 6)),
        ("Reshape", {"shape": int64(0, -1)}, {}, (4, 5, 6)),
        ("Reshape", {"shape": int64(-1, 20)}, {}, (4, 5)),
        ("Flatten", {}, {}, (4, 5, 6)),
        ("ReduceMean", {}, {"axes": [2, 3], "keepdims": 0}, (4, 5, 6)),
        ("Squeeze", {"axes": int64(2, 3)}, {}, (4, 1, 1)),
        ("Gather", {"places": int64(3, 0, 2)}, {"axis": 1}, (4,)),
        ("Gemm", {"w": random(6, 4), "b": random(6)}, {"transB": 1, "alpha": 0.5}, (4,)),
        ("Softmax", {}, {"axis": 1}, (4,)),
        ("Sigmoid", {}, {}, (4,)),
        ("Max", {"floor": random(1, 4)}, {}, (4,)),
    ],
    ids=str,
)
def test_operators_compute_as_in_onnxruntime(kind, inputs, attributes, shape):
    constants = {name: np.asarray(value) for name, value in inputs.items()}
    node = helper.make_node(kind, ["x", *constants], ["y"], **attributes)
    same_as_onnxruntime(model_of([node], constants, shape), shape)


def test_a_whole_network_computes_as_in_onnxruntime(shared_data):
    model = onnx.load(shared_data / "backbones" / "mobilenet_v1_imagenet.onnx")
    X = random(2, 3, 224, 224)
    (expected,) = InferenceSession(model.SerializeToString()).run(None, {"image": X})
    (given,) = OnnxNetwork(model, (3, 224, 224))(torch.from_numpy(X))
    assert np.allclose(given.numpy(), expected, atol=1e-4)


def test_what_is_not_known_is_said():
    with pytest.raises(BackboneError, match="operator 'Sin' cannot be turned into TorchScript here; export as onnx"):
        OnnxNetwork(model_of([helper.make_node("Sin", ["x"], ["y"])], {}, (4,)), (4,))
    computed = [helper.make_node("Relu", ["x"], ["r"]), helper.make_node("Clip", ["x", "r"], ["y"])]
    with pytest.raises(BackboneError, match="a computed min, which cannot be turned into TorchScript here"):
        OnnxNetwork(model_of(computed, {}, ()), ())
