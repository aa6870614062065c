"""Any torch module as a backbone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from evoprune.backbones import ModuleBackbone
from evoprune.errors import BackboneError


class Scale:
    """A transform without a printed form of its own, like most people's."""

    def __init__(self, divisor=255.0, size=(6, 7)):
        self.divisor = divisor
        self.size = size

    def __call__(self, image):
        resized = np.array(image.resize(self.size[::-1]), dtype=np.float32)
        return torch.from_numpy(resized).permute(2, 0, 1) / self.divisor


def network(seed=0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5), nn.Dropout(0.5))


def test_features_are_the_modules_pooled_in_evaluation_mode():
    module = network().train()
    backbone = ModuleBackbone(module, Scale())
    assert (backbone.name, backbone.width, backbone.input_size) == ("Sequential", 5, (6, 7))
    batch = np.random.default_rng(0).normal(size=(4, 3, 6, 7)).astype(np.float32)
    with torch.no_grad():
        expected = module.eval()(torch.from_numpy(batch)).mean((2, 3)).numpy()
    module.train()
    np.testing.assert_allclose(backbone.extract(batch), expected, atol=1e-5)


def test_images_go_through_the_transform():
    pixels = np.full((9, 9, 3), 51, dtype=np.uint8)
    np.testing.assert_allclose(ModuleBackbone(network(), Scale()).prepare(pixels), 0.2, atol=1e-6)


def test_fingerprint_sees_weights_layers_transform_and_name():
    def fingerprint(module=None, transform=None, name="net"):
        return ModuleBackbone(module or network(), transform or Scale(), name=name).fingerprint

    first = fingerprint()
    assert fingerprint() == first
    changed = network()
    with torch.no_grad():
        changed[1].running_mean[2] += 1e-3
    others = [
        fingerprint(changed),
        fingerprint(nn.Sequential(*network(), nn.ReLU())),
        fingerprint(transform=Scale(divisor=127.5)),
        fingerprint(transform=Scale(size=(7, 6))),
        fingerprint(name="other"),
    ]
    assert len({first, *others}) == 6


def test_double_and_half_precision_modules_are_extracted_as_float32():
    backbone = ModuleBackbone(network().double(), Scale())
    assert backbone.extract(np.zeros((2, 3, 6, 7), dtype=np.float32)).dtype == np.float32


def test_wrong_modules_and_transforms_are_one_sentence():
    generator = np.random.default_rng(0)

    def random_transform(image):
        return Scale()(image) + float(generator.random())

    with pytest.raises(BackboneError, match="two results for one image"):
        ModuleBackbone(network(), random_transform)
    with pytest.raises(BackboneError, match=r"needed are floating point numbers \[3, h, w\]"):
        ModuleBackbone(network(), np.asarray)
    with pytest.raises(BackboneError, match=r"gives images of \[6, 7\], not input_size=\[8, 8\]"):
        ModuleBackbone(network(), Scale(), input_size=(8, 8))
    with pytest.raises(BackboneError, match="gives 5 features, not width=6"):
        ModuleBackbone(network(), Scale(), width=6)
    with pytest.raises(BackboneError, match="gives a tuple instead of a tensor"):
        ModuleBackbone(Pair(), Scale())
    with pytest.raises(BackboneError, match=r"gives an output of shape \[1, 3, 6\]"):
        ModuleBackbone(Rows(), Scale())


def test_a_transform_must_keep_to_one_size():
    def keep_size(image):
        return torch.from_numpy(np.array(image, dtype=np.float32)).permute(2, 0, 1)

    backbone = ModuleBackbone(network(), keep_size)
    with pytest.raises(BackboneError, match="let it resize or crop to one size"):
        backbone.prepare(np.zeros((5, 5, 3), dtype=np.uint8))


class Pair(nn.Module):
    def forward(self, images):
        return images, images


class Rows(nn.Module):
    def forward(self, images):
        return images.mean(3)
