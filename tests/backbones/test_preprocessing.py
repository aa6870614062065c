"""Preprocessing against arithmetic written out, and against torchvision's where it is installed."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import pytest
from PIL import Image

from evoprune.backbones import Preprocessing
from evoprune.backbones._preprocessing import preprocess
from evoprune.backbones._torchvision_import import import_optional


def picture(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_size_kept_is_plain_arithmetic():
    pixels = picture(6, 4)
    how = Preprocessing((6, 4), mean=(1.0, 2.0, 3.0), std=(2.0, 4.0, 8.0))
    expected = ((pixels.astype(np.float64) - [1, 2, 3]) / [2, 4, 8]).transpose(2, 0, 1)
    prepared = preprocess(pixels, how)
    assert prepared.dtype == np.float32 and prepared.flags.c_contiguous and prepared.shape == (3, 6, 4)
    np.testing.assert_allclose(prepared, expected, rtol=1e-6)


def test_mean_and_std_follow_the_order_of_the_channels():
    pixels = picture(2, 2)
    prepared = preprocess(pixels, Preprocessing((2, 2), mean=(1.0, 2.0, 3.0), std=(1.0, 1.0, 1.0), color="BGR"))
    np.testing.assert_array_equal(prepared[0], pixels[..., 2].astype(np.float32) - 1)
    np.testing.assert_array_equal(prepared[2], pixels[..., 0].astype(np.float32) - 3)


@pytest.mark.parametrize("name", ["nearest", "bilinear", "bicubic", "lanczos"])
def test_stretch_is_pillows_resize(name):
    pixels = picture(30, 50)
    how = Preprocessing((12, 20), interpolation=name, std=(1.0, 1.0, 1.0))
    expected = Image.fromarray(pixels).resize((20, 12), Image.Resampling[name.upper()])
    np.testing.assert_array_equal(preprocess(pixels, how), np.asarray(expected).transpose(2, 0, 1))


def test_crop_takes_the_middle():
    pixels = np.zeros((10, 30, 3), dtype=np.uint8)
    pixels[:, 10:20] = 200
    prepared = preprocess(pixels, Preprocessing((10, 10), fit="crop", std=(1.0, 1.0, 1.0)))
    assert (prepared == 200).all()


@pytest.mark.parametrize("shape", [(1, 1), (1, 500), (500, 1), (8, 8), (37, 61), (61, 37)])
@pytest.mark.parametrize("fit", ["stretch", "crop"])
@pytest.mark.parametrize("size", [(32, 32), (16, 24)])
def test_any_shape_comes_out_in_the_size_asked_for(shape, fit, size):
    prepared = preprocess(picture(*shape), Preprocessing(size, fit=fit, crop_fraction=0.875))
    assert prepared.shape == (3, *size)


@pytest.mark.skipif(find_spec("torchvision") is None, reason="torchvision is an optional extra")
@pytest.mark.parametrize("shape", [(100, 100), (97, 161), (161, 97), (300, 301), (40, 500)])
@pytest.mark.parametrize(("resize", "crop"), [(232, 224), (256, 224), (40, 32)])
def test_crop_is_torchvisions_to_the_pixel(shape, resize, crop):
    import_optional("torchvision", "resnet50")
    from torchvision.transforms._presets import ImageClassification

    pixels = picture(*shape)
    preset = ImageClassification(crop_size=crop, resize_size=resize)
    how = Preprocessing(
        (crop, crop),
        fit="crop",
        crop_fraction=crop / resize,
        mean=tuple(255 * v for v in preset.mean),
        std=tuple(255 * v for v in preset.std),
    )
    np.testing.assert_allclose(preprocess(pixels, how), preset(Image.fromarray(pixels)).numpy(), atol=2e-6)
