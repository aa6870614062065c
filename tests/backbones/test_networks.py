"""The torch network inside a backbone."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from evoprune.backbones import ModuleBackbone, Preprocessing, load_backbone, torch_network


def agrees(backbone):
    batch = np.random.default_rng(0).normal(size=(3, 3, *backbone.input_size)).astype(np.float32)
    network = torch_network(backbone)
    assert not network.training
    with torch.no_grad():
        features = network(torch.from_numpy(batch))
    assert features.dtype == torch.float32
    np.testing.assert_allclose(features.numpy(), backbone.extract(batch), rtol=1e-4, atol=1e-5)


def test_a_network_that_gives_features_is_given_as_it_is(tiny_weights):
    backbone = load_backbone("tiny", weights=tiny_weights)
    agrees(backbone)
    assert torch_network(backbone) is backbone.network
    module = nn.Sequential(nn.Conv2d(3, 5, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    assert torch_network(ModuleBackbone(module, Preprocessing((8, 8)))) is module


def test_maps_are_pooled_and_other_precisions_made_float32():
    module = nn.Sequential(nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5))
    for network in (module, nn.Sequential(nn.Conv2d(3, 5, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()).double()):
        backbone = ModuleBackbone(network, Preprocessing((8, 8)))
        agrees(backbone)
        assert torch_network(backbone).network is network


def test_gradients_flow_back_to_a_named_layer(tiny_weights):
    network = torch_network(load_backbone("tiny", weights=tiny_weights))
    seen = []
    handle = network.expand.register_forward_hook(lambda _module, _inputs, output: seen.append(output))
    features = network(torch.randn(1, 3, 32, 32).requires_grad_())
    handle.remove()
    (gradient,) = torch.autograd.grad(features[0, 7], seen[0])
    assert gradient.abs().sum((0, 2, 3)).nonzero().tolist() == [[7]]


def test_an_onnx_graph_has_none(make_onnx):
    assert torch_network(load_backbone(f"onnx:{make_onnx()}")) is None
