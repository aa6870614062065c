"""Torch networks that lose features: what stays is what the whole network gave."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

from evoprune.backbones import ModuleBackbone, Preprocessing, cost, load_backbone, shrink, torch_network
from evoprune.backbones._torch_network import state_digest
from evoprune.backbones._torchvision_import import import_optional
from evoprune.errors import BackboneError
from tests.backbones.networks import alive


def installed(package):
    return pytest.mark.skipif(importlib.util.find_spec(package) is None, reason=f"{package} is an optional extra")


def some_of(width, share=0.15, seed=0):
    return np.sort(np.random.default_rng(seed).choice(width, max(1, int(share * width)), replace=False))


def assert_same_features(backbone, shrunk, rtol=1e-5):
    batch = np.random.default_rng(1).normal(size=(3, 3, *backbone.input_size)).astype(np.float32)
    expected = backbone.extract(batch)[:, shrunk.kept]
    given = shrunk.backbone.extract(batch)
    assert np.ptp(expected) > 0
    np.testing.assert_allclose(given, expected, rtol=0, atol=rtol * np.abs(expected).max())


def torchvision_backbone(name):
    models = import_optional("torchvision", name).models
    network = getattr(models, name)(weights=None)
    setattr(network, "fc" if hasattr(network, "fc") else "classifier", nn.Identity())
    if name.startswith("vgg"):
        network.avgpool = nn.AdaptiveAvgPool2d(1)
    return ModuleBackbone(alive(network), Preprocessing((64, 64)), name)


LAST_LAYERS = {
    "mobilenet_v2": ("features.18.0", "features.18.1"),
    "mobilenet_v3_small": ("features.12.0", "features.12.1"),
    "efficientnet_b0": ("features.8.0", "features.8.1"),
    "vgg11": ("features.18",),
    "vgg11_bn": ("features.25", "features.26"),
    "resnet18": ("layer4.1.conv2", "layer4.1.bn2"),
    "resnet50": ("layer4.2.conv3", "layer4.2.bn3"),
    "densenet121": ("features.norm5",),
    "shufflenet_v2_x0_5": ("conv5.0", "conv5.1"),
}


@installed("torchvision")
@pytest.mark.parametrize("name", LAST_LAYERS)
def test_the_last_layers_of_known_networks_have_as_many_channels_as_features_stay(name):
    backbone = torchvision_backbone(name)
    before = state_digest(backbone.module)
    keep = some_of(backbone.width)
    shrunk = shrink(backbone, keep)
    np.testing.assert_array_equal(shrunk.kept, keep)
    assert shrunk.backbone.width == keep.size
    assert_same_features(backbone, shrunk)
    network = torch_network(shrunk.backbone)
    for layer in LAST_LAYERS[name]:
        assert network.get_submodule(layer).weight.shape[0] == keep.size
        assert layer in shrunk.remark
    assert cost(shrunk.backbone).parameters < cost(backbone).parameters
    assert state_digest(backbone.module) == before


@installed("torchvision")
def test_the_residual_stream_of_resnet_stays_for_the_last_branch():
    backbone = torchvision_backbone("resnet18")
    shrunk = shrink(backbone, some_of(512))
    network = torch_network(shrunk.backbone)
    assert network.get_submodule("layer4.1.conv1").weight.shape == (512, 512, 3, 3)
    assert network.get_submodule("layer4.0.bn2").weight.shape == (512,)
    assert "what other layers read too stays" in shrunk.remark


@installed("torchvision")
def test_of_densenet_the_last_dense_layer_goes_too_and_the_others_stay():
    backbone = torchvision_backbone("densenet121")
    keep = np.array([5, 700, 992, 1001, 1023])  # the last layer makes features 992 to 1023
    shrunk = shrink(backbone, keep)
    network = torch_network(shrunk.backbone)
    assert network.get_submodule("features.denseblock4.denselayer16.conv2").weight.shape[0] == 3
    assert network.get_submodule("features.denseblock4.denselayer15.conv2").weight.shape[0] == 32
    assert_same_features(backbone, shrunk)


@installed("torchvision")
@pytest.mark.parametrize("keep", [[3], [991], [1023], [0, 1023], list(range(1023))])
def test_densenet_with_none_or_nearly_all_of_a_part_stays_exact(keep):
    backbone = torchvision_backbone("densenet121")
    shrunk = shrink(backbone, np.array(keep))
    assert shrunk.backbone.width == len(keep)
    assert_same_features(backbone, shrunk)


@installed("timm")
@pytest.mark.parametrize(
    ("name", "layer"),
    [
        ("resnet18", "layer4.1.bn2"),
        ("mobilenetv2_100", "conv_head"),
        ("efficientnet_b0", "conv_head"),
        ("densenet121", "features.norm5"),
    ],
)
def test_timms_networks_of_the_same_families_are_cut_too(name, layer):
    timm = import_optional("timm", name)
    network = alive(timm.create_model(name, pretrained=False, num_classes=0))
    backbone = ModuleBackbone(network, Preprocessing((64, 64)), name)
    shrunk = shrink(backbone, some_of(backbone.width))
    assert torch_network(shrunk.backbone).get_submodule(layer).weight.shape[0] == shrunk.kept.size
    assert_same_features(backbone, shrunk)


def test_the_bundled_network_is_cut(tiny_weights):
    backbone = load_backbone("tiny", weights=tiny_weights)
    keep = some_of(384)
    shrunk = shrink(backbone, keep)
    assert_same_features(backbone, shrunk)
    network = torch_network(shrunk.backbone)
    assert network.get_submodule("expand.0").weight.shape == (keep.size, 128, 1, 1)
    before, after = cost(backbone), cost(shrunk.backbone)
    removed = 384 - keep.size
    assert before.parameters - after.parameters == removed * (128 + 2)
    assert before.multiply_adds - after.multiply_adds == removed * 128 * 3 * 3
    assert shrunk.backbone.name == "tiny (cut to 57 of 384 features)"
    assert shrunk.remark.startswith("327 of 384 features were removed from expand.0 and expand.1: ")
    assert shrunk.backbone.fingerprint != backbone.fingerprint
    assert shrink(backbone, keep[1:]).backbone.fingerprint != shrunk.backbone.fingerprint
    np.testing.assert_array_equal(shrink(backbone, keep[::-1]).kept, keep)


def test_a_cut_network_can_be_cut_again(tiny_weights):
    backbone = load_backbone("tiny", weights=tiny_weights)
    first = shrink(backbone, np.arange(0, 384, 3))
    second = shrink(first.backbone, np.arange(0, 128, 2))
    batch = np.random.default_rng(1).normal(size=(2, 3, 32, 32)).astype(np.float32)
    expected = backbone.extract(batch)[:, ::6]
    np.testing.assert_allclose(second.backbone.extract(batch), expected, rtol=0, atol=1e-5 * np.abs(expected).max())


class Branches(nn.Module):
    """A gate, a residual, activations that read their own input, two branches one after the other."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.left = nn.Sequential(nn.Conv2d(8, 6, 1), nn.BatchNorm2d(6), nn.PReLU(6))
        self.right = nn.Conv2d(8, 10, 1)
        self.gate = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(16, 4, 1), nn.ReLU(), nn.Conv2d(4, 16, 1))
        self.depthwise = nn.Conv2d(16, 16, 3, padding=1, groups=16)
        self.norm = nn.BatchNorm2d(16)

    def forward(self, images):
        stem = self.stem(images)
        right = self.right(stem)
        both = torch.cat([self.left(stem), right * torch.sigmoid(right)], dim=1)
        gated = both * self.gate(both).sigmoid()
        maps = F.hardswish(self.norm(self.depthwise(gated)) + 0.5)
        return F.adaptive_avg_pool2d(maps, 1).view(maps.size(0), 16)


@pytest.mark.parametrize("seed", range(6))
def test_branches_gates_and_depthwise_convolutions_stay_exact(seed):
    backbone = ModuleBackbone(alive(Branches(), seed), Preprocessing((9, 11)))
    keep = some_of(16, share=0.1 + seed / 8, seed=seed)
    shrunk = shrink(backbone, keep)
    assert shrunk.backbone.width == keep.size
    assert torch_network(shrunk.backbone).depthwise.groups == keep.size
    assert_same_features(backbone, shrunk)


class Twice(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem, self.mix = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 1)

    def forward(self, images):
        return self.mix(self.mix(self.stem(images)))


class Deciding(nn.Module):
    def forward(self, images):
        return images.repeat(1, 2, 1, 1) if images.sum() > 0 else images.repeat(1, 2, 1, 1) + 1


class NeighboursInside(nn.BatchNorm2d):
    """Looks like a norm of single channels, and is none."""

    def forward(self, images):
        return super().forward(images) + images.flip(1)


class Insisting(nn.BatchNorm2d):
    def forward(self, images):
        if images.shape[1] != 8:
            raise ValueError("eight channels are needed")
        return super().forward(images)


class Cat(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)

    def forward(self, images):
        return torch.cat([images, self.conv(images)], 1)


@pytest.mark.parametrize(
    ("network", "why"),
    [
        (nn.Sequential(nn.Conv2d(3, 8, 3), nn.GroupNorm(2, 8)), "beyond '1' (GroupNorm)"),
        (nn.Sequential(nn.Conv2d(3, 8, 3), nn.AdaptiveAvgPool2d(2), nn.Flatten()), "beyond '2' (Flatten)"),
        (nn.Sequential(nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3, groups=2)), "beyond '1' (Conv2d)"),
        (nn.Sequential(nn.Conv2d(3, 12, 3), nn.PixelShuffle(2)), "beyond '1' (PixelShuffle)"),
        (Twice(), "beyond 'mix' (Conv2d), which is used more than once"),
        (Deciding(), "beyond a network whose steps depend on the images"),
        (Cat(), "beyond 'images', which other layers read too"),
        (nn.Sequential(nn.Conv2d(3, 8, 3), NeighboursInside(8)), "cut, it gives features that differ by"),
        (nn.Sequential(nn.Conv2d(3, 8, 3), Insisting(8)), "cannot be run (eight channels are needed)"),
    ],
    ids=["groupnorm", "positions", "groups", "shuffle", "twice", "deciding", "cat", "neighbours", "insisting"],
)
def test_where_features_cannot_be_told_apart_the_backbone_stays_and_the_remark_says_why(network, why):
    backbone = ModuleBackbone(alive(network), Preprocessing((8, 8)))
    shrunk = shrink(backbone, np.array([0, 1]))
    assert shrunk.backbone is backbone
    np.testing.assert_array_equal(shrunk.kept, np.arange(backbone.width))
    assert shrunk.remark.startswith("The backbone stays as it is: ") and why in shrunk.remark


class Window(nn.Module):
    def forward(self, images):
        return images[:, :, 1:] if images.shape[2] > 2 else images


def test_a_part_that_cannot_be_traced_is_left_whole_and_the_rest_is_cut():
    network = nn.Sequential(Window(), nn.Conv2d(3, 8, 3))
    backbone = ModuleBackbone(alive(network), Preprocessing((8, 8)))
    shrunk = shrink(backbone, np.array([2, 5]))
    assert shrunk.backbone.width == 2
    assert_same_features(backbone, shrunk)


def test_all_none_and_unknown_features(tiny_weights):
    backbone = load_backbone("tiny", weights=tiny_weights)
    for keep, why in ((np.arange(384), "every feature is read"), (np.arange(0), "no feature is read")):
        shrunk = shrink(backbone, keep)
        assert shrunk.backbone is backbone and why in shrunk.remark and shrunk.kept.size == 384
    with pytest.raises(BackboneError, match="has features 0 to 383, and cannot keep those from 3 to 384"):
        shrink(backbone, np.array([384, 3]))


def test_half_precision_modules_are_cut_and_stay_in_half_precision():
    network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU())
    backbone = ModuleBackbone(alive(network).to(torch.bfloat16), Preprocessing((8, 8)))
    shrunk = shrink(backbone, np.array([1, 6]))
    assert next(torch_network(shrunk.backbone).parameters()).dtype == torch.bfloat16
    assert_same_features(backbone, shrunk)
