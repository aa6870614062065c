"""Describing transforms that are only known as functions; torchvision's and timm's own are the oracle."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest
import torch
from torch import nn

from evoprune.backbones import ModuleBackbone, Preprocessing, load_backbone, preprocessing_of
from evoprune.backbones._torchvision_import import import_optional
from evoprune.errors import BackboneError

installed = pytest.mark.skipif(importlib.util.find_spec("torchvision") is None, reason="torchvision is an extra")


def backbone_with(transform):
    return ModuleBackbone(nn.Conv2d(3, 4, 3), transform, "net")


def assert_same_inputs(backbone):
    described = ModuleBackbone(backbone.module, preprocessing_of(backbone))
    for shape in ((300, 200), (90, 210), (64, 64), (33, 35)):
        pixels = np.random.default_rng(5).integers(0, 256, (*shape, 3), dtype=np.uint8)
        np.testing.assert_allclose(described.prepare(pixels), backbone.prepare(pixels), atol=1e-4)


@installed
@pytest.mark.parametrize("resize", [64, 73, 96])
@pytest.mark.parametrize("filtering", ["BILINEAR", "BICUBIC"])
def test_torchvisions_resize_and_crop_is_found(resize, filtering):
    import_optional("torchvision", "net")
    from torchvision import transforms as T  # noqa: N812

    mode = getattr(T.InterpolationMode, filtering)
    normalize = T.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    backbone = backbone_with(T.Compose([T.Resize(resize, mode), T.CenterCrop(64), T.ToTensor(), normalize]))
    found = preprocessing_of(backbone)
    assert found.size == (64, 64) and found.interpolation == filtering.lower() and found.color == "RGB"
    assert found.fit == "crop" and round(64 / found.crop_fraction) == resize
    np.testing.assert_allclose(found.mean, (123.675, 116.28, 103.53), atol=1e-3)
    np.testing.assert_allclose(found.std, (58.395, 57.12, 57.375), atol=1e-3)
    assert_same_inputs(backbone)


class Stretch:
    def __init__(self, size, flip=False, noise=False):
        self.size, self.flip, self.noise = size, flip, noise

    def __call__(self, image):
        values = np.array(image.resize(self.size[::-1]), dtype=np.float32)
        values = values[..., ::-1] if self.flip else values
        values = values**1.5 if self.noise else values / 127.5 - 1
        return torch.from_numpy(np.ascontiguousarray(values)).permute(2, 0, 1)


@pytest.mark.parametrize("flip", [False, True])
def test_stretching_and_the_order_of_colors_are_found(flip):
    backbone = backbone_with(Stretch((40, 52), flip))
    found = preprocessing_of(backbone)
    assert (found.size, found.fit, found.color) == ((40, 52), "stretch", "BGR" if flip else "RGB")
    assert_same_inputs(backbone)


def test_known_preprocessing_is_given_as_it_is(tiny_weights, make_onnx):
    known = Preprocessing((8, 8), fit="crop", crop_fraction=0.7, interpolation="lanczos")
    assert preprocessing_of(backbone_with(known)) == known
    for backbone in (load_backbone("tiny", weights=tiny_weights), load_backbone(f"onnx:{make_onnx()}")):
        assert preprocessing_of(backbone) is backbone.preprocessing


class Border:
    def __call__(self, image):
        values = np.zeros((3, 30, 30), dtype=np.float32)
        values[:, 5:25, 5:25] = np.array(image.resize((20, 20)), dtype=np.float32).transpose(2, 0, 1)
        return values


@pytest.mark.parametrize("transform", [Stretch((20, 20), noise=True), Border()], ids=["curve", "border"])
def test_a_transform_that_does_something_else_is_one_sentence_with_the_way_out(transform):
    with pytest.raises(BackboneError, match=r"make the backbone as ModuleBackbone\(module, Preprocessing"):
        preprocessing_of(backbone_with(transform))
