"""Grad-CAM++ against the grad-cam library, and where it must be zero."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest
import torch
from torch import nn

from evoprune.backbones import load_backbone, torch_network
from evoprune.backbones._torchvision_import import import_optional
from evoprune.errors import ConfigError
from evoprune.explanation import Target, find_layer, grad_cam_plus_plus, last_convolution
from evoprune.heads import CompactHead

with_torchvision = pytest.mark.skipif(
    importlib.util.find_spec("torchvision") is None, reason="torchvision is an optional extra"
)


class WithHead(nn.Module):
    """A network and a compact head, as torch runs them; None of the project's own arithmetic."""

    def __init__(self, network: nn.Module, head: CompactHead) -> None:
        super().__init__()
        self.network = network
        self.inputs = torch.from_numpy(head.inputs)
        self.first = nn.Parameter(torch.from_numpy(head.matrices[0]))
        self.second = nn.Parameter(torch.from_numpy(head.matrices[1]))
        self.bias = nn.Parameter(torch.from_numpy(head.biases[1]))

    def forward(self, images):
        return torch.relu(self.network(images)[:, self.inputs] @ self.first) @ self.second + self.bias


def library(network, layer, images, numbers):
    """Heatmaps of the grad-cam library."""
    import_optional("torchvision", "grad-cam")
    from pytorch_grad_cam import GradCAMPlusPlus
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    with GradCAMPlusPlus(network, [find_layer(network, layer)]) as cam:
        return cam(torch.from_numpy(images).requires_grad_(), [ClassifierOutputTarget(number) for number in numbers])


@pytest.fixture
def network(request, tmp_path):
    """A network of torchvision's with random weights, as a backbone has it."""
    models = import_optional("torchvision", request.param).models
    with torch.random.fork_rng():
        torch.manual_seed(0)
        if request.param == "vgg19":
            # Its convolutions alone: the classifier's half a gigabyte takes long to draw.
            layers = models.vgg.make_layers(models.vgg.cfgs["E"])
            return nn.Sequential(layers, nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()
        torch.save(getattr(models, request.param)().state_dict(), tmp_path / "w.pth")
    return torch_network(load_backbone(request.param, weights=tmp_path / "w.pth"))


@with_torchvision
@pytest.mark.parametrize(
    ("network", "layer"),
    [("resnet50", "layer4"), ("densenet121", "features"), ("vgg19", "0.35")],
    indirect=["network"],
)
def test_features_and_classes_are_explained_as_by_the_grad_cam_library(network, layer):
    images = np.random.default_rng(0).normal(size=(2, 3, 96, 96)).astype(np.float32)
    found = last_convolution(network, images[0])
    assert found == layer
    values = network(torch.from_numpy(images)).detach().numpy()
    width = values.shape[1]
    rng = np.random.default_rng(1)
    inputs = np.flatnonzero(rng.random(width) < 0.3)
    matrices = tuple(rng.normal(size=s).astype(np.float32) / 9 for s in ((inputs.size, 8), (8, 5)))
    head = CompactHead(inputs, width, matrices, (None, np.zeros(5, dtype=np.float32)), (inputs.size * 8, 40))
    for feature in np.argsort(values.min(axis=0))[-2:]:
        ours = grad_cam_plus_plus(network, found, images, Target.output(feature))
        np.testing.assert_allclose(ours, library(network, found, images, [feature] * 2), atol=1e-4)
        assert ours.any()
    classes = np.array([4, 1])
    ours = grad_cam_plus_plus(network, found, images, Target.class_logit(head, classes))
    theirs = library(WithHead(network, head), f"network.{found}", images, classes)
    np.testing.assert_allclose(ours, theirs, atol=1e-4)
    assert ours.any() and ours.max() == 1 and ours.min() == 0


@with_torchvision
def test_the_bundled_network_is_explained_as_by_the_grad_cam_library():
    backbone = load_backbone("tiny")
    rng = np.random.default_rng(0)
    images = np.stack([backbone.prepare(rng.integers(0, 256, (40, 50, 3), dtype=np.uint8)) for _ in range(2)])
    network = torch_network(backbone)
    layer = last_convolution(network, images[0])
    assert layer == "expand"
    feature = int(backbone.extract(images).min(axis=0).argmax())
    ours = grad_cam_plus_plus(network, layer, images, Target.output(feature))
    assert ours.any()
    np.testing.assert_allclose(ours, library(network, layer, images, [feature] * 2), atol=1e-4)


def test_hidden_units_are_explained_through_the_head(small, images, head):
    layer = last_convolution(small, images[0])
    unit = grad_cam_plus_plus(small, layer, images, Target.unit(head, 1, 2))
    only = CompactHead(
        head.inputs,
        6,
        (head.matrices[0], np.eye(4, dtype=np.float32)[:, [2]]),
        (None, np.zeros(1, np.float32)),
        (12, 4),
    )
    np.testing.assert_allclose(
        unit, grad_cam_plus_plus(small, layer, images, Target.class_logit(only, np.array([0]))), atol=1e-6
    )
    features = small(torch.from_numpy(images)).detach().numpy()
    expected = np.maximum(features[:, head.inputs] @ head.matrices[0], 0)[:, 2]
    np.testing.assert_allclose(Target.unit(head, 1, 2).values(features), expected, rtol=1e-5)
    assert unit.any() == (expected > 0).any()


def test_the_last_block_ends_where_its_maps_do_and_attention_does_not_count(small, images):
    assert last_convolution(small, images[0]) == "block"


@with_torchvision
def test_an_activation_in_place_belongs_to_the_layer_and_the_network_stays_as_it_was(small, images):
    before = small(torch.from_numpy(images)).detach().numpy()
    target = Target.output(int(before.min(axis=0).argmax()))
    maps = grad_cam_plus_plus(small, "block.0", images, target)
    assert maps.any()
    np.testing.assert_allclose(maps, library(small, "block.0", images, target.columns.tolist() * 3), atol=1e-4)
    np.testing.assert_array_equal(small(torch.from_numpy(images)).detach().numpy(), before)
    assert not any(module._forward_hooks for module in small.modules())


def test_a_map_of_zeros_stays_zero(small, images, head):
    with torch.no_grad():
        small.block[0].weight.zero_()
        small.block[0].bias.fill_(-1.0)
    for target in (Target.output(0), Target.class_logit(head, np.array([1]))):
        maps = grad_cam_plus_plus(small, "block", images, target)
        assert maps.shape == (3, 16, 16)
        assert (maps == 0).all()


def test_a_map_that_is_the_same_everywhere_says_nothing(small, images):
    with torch.no_grad():
        small.block[0].weight.zero_()
        small.block[0].bias.fill_(0.7)
    assert (grad_cam_plus_plus(small, "block", images, Target.output(0)) == 0).all()


def test_a_head_that_reads_nothing_has_maps_of_zeros(small, images):
    matrices = (np.zeros((0, 4), np.float32), np.ones((4, 3), np.float32))
    empty = CompactHead(np.zeros(0, np.int64), 6, matrices, (None, np.ones(3, np.float32)), (0, 12))
    maps = grad_cam_plus_plus(small, "block", images, Target.class_logit(empty, np.array([1])))
    assert (maps == 0).all()


def test_batches_change_nothing(small, images, head):
    target = Target.class_logit(head, np.array([0, 2, 1]))
    whole = grad_cam_plus_plus(small, "block", images, target)
    np.testing.assert_allclose(grad_cam_plus_plus(small, "block", images, target, batch_size=2), whole, atol=1e-6)


def test_layers_that_do_not_exist_are_refused_with_the_nearest(small, images):
    with pytest.raises(ConfigError, match=r"no layer 'blok'; did you mean 'block'\?.*block.0, attention"):
        grad_cam_plus_plus(small, "blok", images, Target.output(0))
    with pytest.raises(ConfigError, match=r"several layers are called '0' \(stem.0, block.0\)"):
        find_layer(small, "0")
    assert find_layer(nn.Sequential(small), "block.0") is small.block[0]


def test_layers_and_networks_without_maps_are_refused(small, images):
    flat = nn.Sequential(nn.Flatten(), nn.Linear(768, 5))
    with pytest.raises(ConfigError, match="gives no maps"):
        grad_cam_plus_plus(flat, "1", images, Target.output(0))
    with pytest.raises(ConfigError, match="no convolution"):
        last_convolution(flat, images[0])
    with pytest.raises(ConfigError, match="there is no number 6"):
        grad_cam_plus_plus(small, "block", images, Target.output(6))
    small.spare = nn.Conv2d(3, 3, 1)
    with pytest.raises(ConfigError, match="takes no part"):
        grad_cam_plus_plus(small, "spare", images, Target.output(0))


def test_targets_that_do_not_fit_are_refused(small, images, head):
    with pytest.raises(ConfigError, match="2 targets do not fit 3"):
        grad_cam_plus_plus(small, "block", images, Target.class_logit(head, np.array([0, 1])))
    with pytest.raises(ConfigError, match="classes"):
        Target.class_logit(head, np.array([3]))
    with pytest.raises(ConfigError, match="no unit 4"):
        Target.unit(head, 1, 4)
    with pytest.raises(ConfigError, match="no unit 0 in a hidden layer 2"):
        Target.unit(head, 2, 0)
