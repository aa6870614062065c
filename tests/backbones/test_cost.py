"""Parameters and multiply-adds; torchvision's published figures are the oracle."""

from __future__ import annotations

import importlib.util

import numpy as np
import onnx
import pytest
from torch import nn

from evoprune.backbones import ModuleBackbone, Preprocessing, cost, load_backbone, onnx_backbone, onnx_model
from evoprune.backbones._torchvision_import import import_optional
from evoprune.errors import BackboneError
from tests.backbones.networks import alive

installed = pytest.mark.skipif(importlib.util.find_spec("torchvision") is None, reason="torchvision is an extra")


@installed
@pytest.mark.parametrize(
    ("name", "weights"),
    [
        ("mobilenet_v2", "MobileNet_V2_Weights"),
        ("resnet50", "ResNet50_Weights"),
        ("densenet121", "DenseNet121_Weights"),
        ("efficientnet_b0", "EfficientNet_B0_Weights"),
    ],
)
def test_figures_are_those_that_torchvision_publishes(name, weights):
    models = import_optional("torchvision", name).models
    published = getattr(models, weights).DEFAULT.meta
    backbone = ModuleBackbone(getattr(models, name)(weights=None), Preprocessing((224, 224)), name)
    counted = cost(backbone)
    assert counted.parameters == published["num_params"]
    assert counted.multiply_adds / 1e9 == pytest.approx(published["_ops"], abs=1e-3)


@installed
def test_an_exported_graph_costs_the_same():
    models = import_optional("torchvision", "resnet18").models
    network = alive(models.resnet18(weights=None))
    backbone = ModuleBackbone(network, Preprocessing((64, 64)))
    graph = onnx_backbone("graph", onnx_model(backbone).SerializeToString(), Preprocessing((64, 64)))
    assert cost(graph).multiply_adds == cost(backbone).multiply_adds
    # The exporter puts norms into the convolutions: a scale and a shift become one bias.
    norms = sum(m.num_features for m in network.modules() if isinstance(m, nn.BatchNorm2d))
    assert cost(backbone).parameters - cost(graph).parameters == norms


def test_a_real_graph_costs_what_the_architecture_is_published_with(shared_data):
    counted = cost(load_backbone(f"onnx:{shared_data}/backbones/mobilenet_v2_imagenet.onnx"))
    classifier = 1280 * 1000 + 1000
    assert (counted.parameters + classifier) / 1e6 == pytest.approx(3.5, abs=0.05)
    assert (counted.multiply_adds + 1280 * 1000) / 1e9 == pytest.approx(0.30, abs=0.005)


def test_a_graph_that_is_fixed_to_several_images_costs_no_more_an_image(make_onnx):
    free = cost(load_backbone(f"onnx:{make_onnx('flat')}"))
    assert free.parameters == 5 * 3 * 3 * 3 and free.multiply_adds == 5 * 27 * 64
    assert cost(load_backbone(f"onnx:{make_onnx('flat', batch=3)}")) == free


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.project = nn.Linear(3, 4)

    def forward(self, images):
        tokens = self.project(images.flatten(2).transpose(1, 2))
        return (tokens @ tokens.transpose(1, 2) @ tokens).mean(1)


def test_products_without_weights_count():
    backbone = ModuleBackbone(Attention(), Preprocessing((5, 4)))
    expected = 20 * 3 * 4 + 2 * 20 * 20 * 4
    assert cost(backbone).multiply_adds == expected
    graph = onnx_backbone("graph", onnx_model(backbone).SerializeToString(), Preprocessing((5, 4)))
    assert cost(graph).multiply_adds == expected


def with_unknown_operator(path):
    model = onnx.load(path)
    model.graph.node.insert(0, onnx.helper.make_node("Guess", ["image"], ["guess"], domain="nobody.knows"))
    model.opset_import.append(onnx.helper.make_opsetid("nobody.knows", 1))
    return model


def test_what_the_features_do_not_need_is_not_counted(make_onnx):
    path = make_onnx("flat")
    onnx.save(with_unknown_operator(path), path)
    assert cost(load_backbone(f"onnx:{path}")).multiply_adds == 5 * 27 * 64


def test_an_operator_that_nobody_can_run_is_one_sentence(make_onnx):
    path = make_onnx("flat")
    model = with_unknown_operator(path)
    model.graph.node[1].input[0] = "guess"
    onnx.save(model, path)
    with pytest.raises(BackboneError, match=r"multiply-adds of backbone .* cannot be counted"):
        cost(load_backbone(f"onnx:{path}"))


def test_sizes_that_only_running_tells_are_found(make_onnx):
    path = make_onnx("flat")
    model = onnx.load(path)
    nodes = [
        onnx.helper.make_node("Shape", ["image"], ["shape"]),
        onnx.helper.make_node("Cast", ["shape"], ["float_shape"], to=onnx.TensorProto.FLOAT),
        onnx.helper.make_node("Sqrt", ["float_shape"], ["root"]),
        onnx.helper.make_node("Mul", ["root", "root"], ["squared"]),
        onnx.helper.make_node("Round", ["squared"], ["rounded"]),
        onnx.helper.make_node("Cast", ["rounded"], ["target"], to=onnx.TensorProto.INT64),
        onnx.helper.make_node("Reshape", ["image", "target"], ["same"]),
    ]
    for node in reversed(nodes):
        model.graph.node.insert(0, node)
    model.graph.node[len(nodes)].input[0] = "same"
    onnx.save(model, path)
    assert cost(load_backbone(f"onnx:{path}")).multiply_adds == 5 * 27 * 64


class Foreign:
    name, width, input_size, fingerprint = "foreign", 3, (8, 8), "0"

    def prepare(self, pixels):
        return np.zeros((3, 8, 8), dtype=np.float32)

    def extract(self, batch):
        return batch.mean(axis=(2, 3))


def test_a_backbone_of_another_kind_is_one_sentence():
    with pytest.raises(BackboneError, match="is a Foreign, whose cost cannot be told"):
        cost(Foreign())


def test_parameters_are_counted_without_running_statistics():
    network = nn.Sequential(nn.Conv2d(3, 5, 3, bias=False), nn.BatchNorm2d(5))
    assert cost(ModuleBackbone(network, Preprocessing((8, 8)))).parameters == 5 * 27 + 10
