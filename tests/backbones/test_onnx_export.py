"""Backbones as ONNX graphs; onnxruntime called directly is the oracle."""

from __future__ import annotations

import importlib.util
import warnings

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

from evoprune.backbones import ModuleBackbone, Preprocessing, load_backbone, onnx_backbone, onnx_model, shrink
from evoprune.backbones._torchvision_import import import_optional
from evoprune.errors import BackboneError
from tests.backbones.networks import alive


def assert_agrees(model, backbone, atol=1e-4):
    onnx.checker.check_model(model, full_check=True)
    (taken,), (given,) = model.graph.input, model.graph.output
    assert (taken.name, given.name) == ("image", "features")
    dims = [[dim.dim_value or dim.dim_param for dim in v.type.tensor_type.shape.dim] for v in (taken, given)]
    assert dims == [["N", 3, *backbone.input_size], ["N", backbone.width]]
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    for images in (1, 4):
        batch = np.random.default_rng(images).normal(size=(images, 3, *backbone.input_size)).astype(np.float32)
        (features,) = session.run(["features"], {"image": batch})
        expected = backbone.extract(batch)
        assert features.dtype == np.float32
        np.testing.assert_allclose(features, expected, rtol=0, atol=atol * max(1, np.abs(expected).max()))


def test_the_bundled_network_and_its_cut_form(tiny_weights):
    backbone = load_backbone("tiny", weights=tiny_weights)
    assert_agrees(onnx_model(backbone), backbone)
    small = shrink(backbone, np.arange(0, 384, 5)).backbone
    model = onnx_model(small)
    assert_agrees(model, small)
    assert {op.domain: op.version for op in model.opset_import} == {"": 17}
    assert model.ByteSize() < onnx_model(backbone).ByteSize()


@pytest.mark.skipif(importlib.util.find_spec("torchvision") is None, reason="torchvision is an optional extra")
@pytest.mark.parametrize("name", ["mobilenet_v2", "resnet18", "densenet121"])
def test_cut_networks_of_torchvision(name):
    network = alive(getattr(import_optional("torchvision", name).models, name)(weights=None))
    setattr(network, "fc" if hasattr(network, "fc") else "classifier", nn.Identity())
    small = shrink(ModuleBackbone(network, Preprocessing((64, 64)), name), np.arange(3, 400, 9)).backbone
    assert small.width == 45
    assert_agrees(onnx_model(small), small)


def test_maps_and_other_precisions_of_a_module():
    for network in (nn.Sequential(nn.Conv2d(3, 5, 3), nn.ReLU()), nn.Sequential(nn.Conv2d(3, 5, 3)).double()):
        backbone = ModuleBackbone(alive(network), Preprocessing((8, 9)))
        assert_agrees(onnx_model(backbone), backbone)


@pytest.mark.parametrize("pooling", ["none", "maps", "flat"])
def test_graphs_get_our_names_and_a_vector_of_features(make_onnx, pooling):
    backbone = load_backbone(f"onnx:{make_onnx(pooling)}")
    assert_agrees(onnx_model(backbone), backbone, atol=1e-6)


def test_the_real_network_is_kept_as_it_is(shared_data):
    backbone = load_backbone(f"onnx:{shared_data}/backbones/mobilenet_v2_imagenet.onnx")
    model = onnx_model(backbone)
    assert_agrees(model, backbone)
    assert list(model.graph.node) == list(backbone.model().graph.node)
    assert model.ByteSize() <= len(backbone.content()) + 200


def test_names_of_values_inside_a_graph_do_not_clash_with_ours(make_onnx):
    model = onnx.load(make_onnx("flat"))
    first, *_, last = model.graph.node
    last.output[0] = model.graph.output[0].name = "result"
    first.output[0] = model.graph.node[1].input[0] = "features"
    backbone = onnx_backbone("named", model.SerializeToString(), Preprocessing((8, 8)))
    assert_agrees(onnx_model(backbone), backbone, atol=1e-6)


def test_a_graph_for_one_image_that_names_the_number_is_refused(make_onnx):
    model = onnx.load(make_onnx("maps", batch=1))
    shape = onnx.numpy_helper.from_array(np.array([1, 5]), "shape")
    model.graph.initializer.append(shape)
    model.graph.node.append(onnx.helper.make_node("Reshape", [model.graph.output[0].name, "shape"], ["row"]))
    model.graph.output[0].name = "row"
    backbone = onnx_backbone("one", model.SerializeToString(), Preprocessing((8, 8)))
    assert backbone.extract(np.zeros((3, 3, 8, 8), dtype=np.float32)).shape == (3, 5)
    with pytest.raises(BackboneError, match=r"'one' as a graph for any number of images"):
        onnx_model(backbone)


class Uneven(nn.Module):
    def forward(self, images):
        return F.adaptive_avg_pool2d(images, (3, 3)).mean((2, 3))


class Remembering(nn.Module):
    """Gives something else when it is traced."""

    def forward(self, images):
        return images.mean((2, 3)) + float(torch.jit.is_tracing())


def test_a_network_that_cannot_be_exported_is_one_sentence(capfd):
    backbone = ModuleBackbone(Uneven(), Preprocessing((8, 8)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(BackboneError, match=r"torch cannot export backbone 'Uneven' to ONNX \(.*\); take another"):
            onnx_model(backbone)
    assert capfd.readouterr() == ("", "")


def test_other_features_than_the_backbones_own_are_noticed():
    with pytest.raises(BackboneError, match="gives other features than backbone 'Remembering' itself"):
        onnx_model(ModuleBackbone(Remembering(), Preprocessing((8, 8))))
