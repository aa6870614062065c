"""ONNX graphs that lose features; onnxruntime on the whole graph is the oracle."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from evoprune.backbones import Preprocessing, cost, load_backbone, onnx_backbone, shrink

SIZE = (8, 8)


class Builder:
    """Writes a small graph node by node."""

    def __init__(self, seed=0):
        self.rng = np.random.default_rng(seed)
        self.nodes, self.constants = [], []

    def weights(self, *shape, dtype=np.float32):
        values = self.rng.normal(size=shape) * (np.prod(shape[1:]) or 1) ** -0.5
        return self.constant(np.abs(values) + 0.5 if len(shape) == 1 else values, dtype)

    def constant(self, values, dtype=np.float32):
        name = f"w{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(values, dtype=dtype), name))
        return name

    def add(self, kind, *inputs, **attributes):
        self.nodes.append(helper.make_node(kind, list(inputs), [f"{kind}_{len(self.nodes)}".lower()], **attributes))
        return self.nodes[-1].output[0]

    def conv(self, source, inputs, outputs, kernel=1, group=1):
        kernel = self.weights(outputs, inputs // group, kernel, kernel)
        return self.add("Conv", source, kernel, self.weights(outputs), group=group, auto_pad="SAME_UPPER")

    def backbone(self, output, batch="N", opset=17):
        graph = helper.make_graph(
            self.nodes,
            "built",
            [helper.make_tensor_value_info("image", TensorProto.FLOAT, [batch, 3, *SIZE])],
            [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)],
            self.constants,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
        # The checker wants the shapes of outputs to be written down.
        model.graph.output[0].CopyFrom(onnx.shape_inference.infer_shapes(model).graph.output[0])
        return onnx_backbone("built", model.SerializeToString(), Preprocessing(SIZE))


def run(model, batch):
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (output,) = session.run(None, {model.graph.input[0].name: batch})
    return output.mean(axis=(2, 3)) if output.ndim == 4 else output


def check(backbone, keep):
    """Shrink, and compare by onnxruntime called directly."""
    shrunk = shrink(backbone, np.array(keep))
    np.testing.assert_array_equal(shrunk.kept, keep)
    batch = np.random.default_rng(2).normal(size=(backbone.graph.batch or 3, 3, *backbone.input_size))
    expected = run(backbone.model(), batch.astype(np.float32))[:, keep]
    small = shrunk.backbone.model()
    onnx.checker.check_model(small, full_check=True)
    given = run(small, batch.astype(np.float32))
    assert given.shape == expected.shape and np.ptp(expected) > 0
    np.testing.assert_allclose(given, expected, rtol=0, atol=1e-5 * np.abs(expected).max())
    return small, shrunk


def constant_shapes(model):
    return {constant.name: tuple(constant.dims) for constant in model.graph.initializer}


def last(model, kind):
    node = [node for node in model.graph.node if node.op_type == kind][-1]
    return node, constant_shapes(model).get((*node.input, "")[1])


ACTIVATIONS = {
    "Relu": {},
    "Sigmoid": {},
    "HardSwish": {},
    "HardSigmoid": {"alpha": 0.3},
    "LeakyRelu": {"alpha": 0.1},
    "Elu": {},
    "Softplus": {},
    "Tanh": {},
    "Identity": {},
}


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("pooling", ["maps", "GlobalAveragePool", "GlobalMaxPool", "ReduceMean"])
def test_convolution_norm_activation_pooling(activation, pooling):
    build = Builder()
    maps = build.conv(build.conv("image", 3, 6, kernel=3), 6, 10)
    norm = build.add("BatchNormalization", maps, *(build.weights(10) for _ in range(4)))
    output = build.add(activation, norm, **ACTIVATIONS[activation])
    if pooling == "ReduceMean":
        output = build.add("ReduceMean", output, axes=[-2, -1], keepdims=0)
    elif pooling != "maps":
        output = build.add("Flatten", build.add(pooling, output))
    small, shrunk = check(build.backbone(output), [1, 4, 7])
    assert last(small, "Conv")[1] == (3, 6, 1, 1)
    assert constant_shapes(small)[last(small, "BatchNormalization")[0].input[4]] == (3,)
    assert shrunk.backbone.name == "built (cut to 3 of 10 features)"


def test_the_filters_of_the_real_mobilenet_are_as_many_as_features_stay(shared_data):
    backbone = load_backbone(f"onnx:{shared_data}/backbones/mobilenet_v2_imagenet.onnx")
    keep = np.sort(np.random.default_rng(0).choice(1280, 192, replace=False))
    small, shrunk = check(backbone, keep)
    whole = backbone.model()
    cast, _ = last(small, "Cast")
    node, _ = last(small, "Conv")
    filters = next(c for c in small.graph.initializer if c.name == cast.input[0])
    assert node.input[1] == cast.output[0] and tuple(filters.dims) == (192, 320, 1, 1)
    assert filters.data_type == TensorProto.FLOAT16
    assert [n.op_type for n in small.graph.node] == [n.op_type for n in whole.graph.node]
    others = {c.name: c.SerializeToString() for c in whole.graph.initializer}
    changed = [c.name for c in small.graph.initializer if c.SerializeToString() != others[c.name]]
    assert changed == [cast.input[0], node.input[2]]
    assert len(shrunk.backbone.content()) < 0.85 * len(backbone.content())
    assert shrunk.remark.startswith("1088 of 1280 features were removed from ")
    before, after = cost(backbone), cost(shrunk.backbone)
    assert before.parameters - after.parameters == 1088 * 321
    assert before.multiply_adds - after.multiply_adds == 1088 * 320 * 49
    assert str(shared_data) not in shrunk.backbone.name


def test_the_real_mobilenet_v1_is_cut(shared_data):
    backbone = load_backbone(f"onnx:{shared_data}/backbones/mobilenet_v1_imagenet.onnx")
    small, _ = check(backbone, np.arange(0, 1024, 7))
    filters = {name: shape for name, shape in constant_shapes(small).items() if len(shape) == 4}
    assert list(filters.values())[-1] == (147, 1024, 1, 1)


def pooled(build, maps):
    return build.add("GlobalAveragePool", maps)


@pytest.mark.parametrize("target", [[0, -1], [-1, 10], [0, 10]])
def test_a_reshaping_that_names_the_number_of_features_names_the_new_one(target):
    build = Builder()
    shape = build.constant(target, np.int64)
    output = build.add("Reshape", pooled(build, build.conv("image", 3, 10)), shape)
    check(build.backbone(output), [0, 9])


def test_squeezing_and_older_opsets():
    build = Builder()
    squeezed = build.add("Squeeze", pooled(build, build.add("Clip", build.conv("image", 3, 10))), axes=[2, 3])
    check(build.backbone(squeezed, opset=11), [2, 3])


def test_weights_that_are_constant_nodes():
    build = Builder()
    kernel = numpy_helper.from_array(build.rng.normal(size=(10, 3, 1, 1)).astype(np.float32))
    maps = build.add("Conv", "image", build.add("Constant", value=kernel))
    small, _ = check(build.backbone(maps), [2, 3])
    assert last(small, "Conv")[1] == (2, 3, 1, 1)


@pytest.mark.parametrize("transposed", [0, 1])
def test_a_matrix_product_at_the_end(transposed):
    build = Builder()
    flat = build.add("Flatten", pooled(build, build.conv("image", 3, 6)))
    matrix = build.weights(*((10, 6) if transposed else (6, 10)))
    small, _ = check(build.backbone(build.add("Gemm", flat, matrix, build.weights(10), transB=transposed)), [2, 3])
    assert last(small, "Gemm")[1] == ((2, 6) if transposed else (6, 2))


def test_a_product_and_a_sum():
    build = Builder()
    flat = build.add("Flatten", pooled(build, build.conv("image", 3, 6)))
    product = build.add("MatMul", flat, build.weights(6, 10))
    scaled = build.add("Mul", build.constant(2.0), build.add("Add", build.weights(10), product))
    small, _ = check(build.backbone(scaled), [2, 3])
    assert last(small, "MatMul")[1] == (6, 2)


def test_depthwise_convolutions_lose_groups():
    build = Builder()
    maps = build.conv(build.conv("image", 3, 10), 10, 10, kernel=3, group=10)
    maps = build.add("PRelu", maps, build.weights(10, 1, 1))
    small, _ = check(build.backbone(pooled(build, maps)), [2, 3, 8])
    node, shape = last(small, "Conv")
    assert shape == (3, 1, 3, 3) and node.attribute[1].i == 3 and node.attribute[1].name == "group"
    assert (3, 3, 1, 1) in constant_shapes(small).values()


def test_of_a_residual_block_only_the_branch_is_cut():
    build = Builder()
    stream = build.add("Relu", build.conv("image", 3, 10))
    branch = build.conv(build.add("Relu", build.conv(stream, 10, 4)), 4, 10)
    output = pooled(build, build.add("Relu", build.add("Add", branch, stream)))
    small, shrunk = check(build.backbone(output), [2, 3, 8])
    assert last(small, "Conv")[1] == (3, 4, 1, 1)
    assert constant_shapes(small)["w0"] == (10, 3, 1, 1)
    assert [node.op_type for node in small.graph.node].count("Gather") == 1
    assert "what other layers read too stays" in shrunk.remark


def test_activations_and_gates_that_read_their_own_input():
    build = Builder()
    maps = build.conv("image", 3, 10)
    swish = build.add("Mul", maps, build.add("Sigmoid", maps))
    gate = build.add("Sigmoid", build.conv(pooled(build, swish), 10, 10))
    output = build.add("Mul", gate, build.conv(swish, 10, 10))
    small, _ = check(build.backbone(output), [2, 3, 8])
    shapes = [shape for shape in constant_shapes(small).values() if len(shape) == 4]
    assert shapes == [(10, 3, 1, 1), (3, 10, 1, 1), (3, 10, 1, 1)]
    alone = Builder()
    maps = alone.conv("image", 3, 10)
    small, _ = check(alone.backbone(alone.add("Mul", maps, alone.add("Sigmoid", maps))), [2, 3, 8])
    assert last(small, "Conv")[1] == (3, 3, 1, 1)


@pytest.mark.parametrize("keep", [[0], [4], [9, 11], [1, 5, 6, 10]])
def test_parts_one_after_the_other(keep):
    build = Builder()
    shared = build.conv("image", 3, 4)
    both = build.add("Concat", build.conv(shared, 4, 3), shared, build.conv("image", 3, 5), axis=-3)
    norm = build.add("BatchNormalization", both, *(build.weights(12) for _ in range(4)))
    small, _ = check(build.backbone(norm), keep)
    assert constant_shapes(small)[last(small, "BatchNormalization")[0].input[1]] == (len(keep),)
    assert constant_shapes(small)["w0"] == (4, 3, 1, 1)


@pytest.mark.parametrize("half", [False, True])
def test_constants_that_other_layers_read_too_are_copied_first(half):
    build = Builder()
    bias = build.weights(6, dtype=np.float16 if half else np.float32)
    if half:
        bias = build.add("Cast", bias, to=TensorProto.FLOAT)
    bias = build.add("Identity", bias)
    first = build.add("Conv", "image", build.weights(6, 3, 1, 1), bias)
    second = build.add("Conv", first, build.weights(6, 6, 1, 1), bias)
    small, _ = check(build.backbone(pooled(build, second)), [0, 5])
    assert constant_shapes(small)["w0"] == (6,)


def test_a_graph_that_is_fixed_to_a_number_of_images_stays_so():
    build = Builder()
    backbone = build.backbone(pooled(build, build.conv("image", 3, 6)), batch=2)
    _, shrunk = check(backbone, [0, 5])
    assert shrunk.backbone.graph.batch == 2
    batch = np.random.default_rng(3).normal(size=(5, 3, *SIZE)).astype(np.float32)
    np.testing.assert_allclose(shrunk.backbone.extract(batch), backbone.extract(batch)[:, [0, 5]], atol=1e-6)


def test_other_outputs_are_left_out():
    build = Builder()
    maps = build.conv("image", 3, 6)
    features = build.add("Flatten", pooled(build, maps))
    classes = build.add("Gemm", features, build.weights(6, 4))
    model = build.backbone(features).model()
    model.graph.output.append(helper.make_tensor_value_info(classes, TensorProto.FLOAT, None))
    whole = onnx_backbone("two", model.SerializeToString(), Preprocessing(SIZE), given=features)
    shrunk = shrink(whole, np.array([0, 5]))
    assert shrunk.backbone.width == 2
    assert [output.name for output in shrunk.backbone.model().graph.output] == [features]


def left(output, build, **options):
    shrunk = shrink(backbone := build.backbone(output, **options), np.array([0, 1]))
    assert shrunk.backbone is backbone and shrunk.kept.size == backbone.width
    return shrunk.remark


def test_what_mixes_channels_is_left_and_named():
    build = Builder()
    mixed = build.add("LRN", build.conv("image", 3, 6), size=3)
    assert "beyond 'lrn_1' (LRN)" in left(pooled(build, mixed), build)
    build = Builder()
    assert "beyond 'conv_0' (Conv)" in left(build.conv("image", 3, 6, group=3), build)
    build = Builder()
    assert "(Flatten)" in left(build.add("Flatten", build.conv("image", 3, 6)), build)
    build = Builder()
    swapped = build.add("Transpose", build.conv("image", 3, 6), perm=[0, 2, 3, 1])
    assert "(Transpose)" in left(build.add("Relu", swapped), build)
    build = Builder()
    halves = build.add("ReduceMean", build.conv("image", 3, 6), axes=[1, 2], keepdims=0)
    assert "(ReduceMean)" in left(halves, build)


def test_a_scale_and_a_shift_alone_are_no_reason():
    build = Builder()
    mixed = build.add("LRN", build.conv("image", 3, 6), size=3)
    shifted = build.add("Add", build.add("Mul", mixed, build.weights(6, 1, 1)), build.weights(1, 6, 1, 1))
    assert "(LRN)" in left(shifted, build)
