"""Corrupted images: as strong as published, the same every time, and named and counted as images of their own."""

from __future__ import annotations

import io
import re

import numpy as np
import PIL.Image
import pytest
from scipy.ndimage import gaussian_filter

from evoprune.data import CORRUPTIONS, ArrayImage, CorruptedImage, FileImage, load_digits_set
from evoprune.errors import ConfigError, DataError

GREY = np.full((224, 224, 3), 128, dtype=np.uint8)


def scene(side=224, seed=0):
    """Smooth shapes in colour with sharp edges, never near black or white."""
    rng = np.random.default_rng(seed)
    pixels = gaussian_filter(rng.normal(size=(side, side, 3)), (side / 20, side / 20, 0))
    return np.where(pixels > 0, 170, 70).astype(np.uint8)


def corrupted(pixels, kind):
    return CorruptedImage(ArrayImage("photo", pixels), kind).load()


@pytest.mark.parametrize("kind", CORRUPTIONS)
@pytest.mark.parametrize("shape", [(1, 1, 3), (8, 8, 3), (28, 35, 3), (224, 224, 3), (100, 300, 3)])
def test_pixels_stay_pixels_of_the_same_size(kind, shape):
    pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    result = corrupted(pixels, kind)
    assert result.dtype == np.uint8 and result.shape == shape


@pytest.mark.parametrize("kind", CORRUPTIONS)
def test_the_image_is_changed_and_still_itself(kind):
    pixels = scene()
    result = corrupted(pixels, kind)
    assert np.abs(result.astype(int) - pixels).mean() > 2
    assert np.corrcoef(result.ravel(), pixels.ravel())[0, 1] > 0.5


def test_the_original_is_left_alone():
    pixels = scene()
    before = pixels.copy()
    for kind in CORRUPTIONS:
        corrupted(pixels, kind)
    np.testing.assert_array_equal(pixels, before)


@pytest.mark.parametrize(("side", "published"), [(224, 0.18), (64, 0.12), (32, 0.08), (16, 0.08)])
def test_noise_has_the_published_spread_for_each_size(side, published):
    noise = corrupted(GREY[:side, :side], "noise").astype(float) - 128
    count = noise.size
    assert noise.std() / 255 == pytest.approx(published, rel=4 / np.sqrt(count) + 0.01)
    assert abs(noise.mean()) < 5 * 255 * published / np.sqrt(count)
    # Of its own in each channel and pixel.
    assert abs(np.corrcoef(noise[..., 0].ravel(), noise[..., 1].ravel())[0, 1]) < 5 / side
    assert abs(np.corrcoef(noise[:-1].ravel(), noise[1:].ravel())[0, 1]) < 5 / side


def test_noise_follows_the_contents_not_the_name():
    first, again = (CorruptedImage(ArrayImage(name, GREY), "noise") for name in ("a", "b"))
    np.testing.assert_array_equal(first.load(), again.load())
    other = GREY.copy()
    other[0, 0] = 0
    assert np.mean(first.load() != corrupted(other, "noise")) > 0.9


@pytest.mark.parametrize(("side", "published"), [(224, 3.0), (64, 1.0), (32, 0.7)])
def test_blur_is_a_gaussian_of_the_published_radius(side, published):
    pixels = scene(side)
    expected = gaussian_filter(pixels.astype(float), (published, published, 0), mode="nearest")
    inside = slice(8, -8)
    # Pillow makes it of three boxes; the difference to half and to double the radius is many times larger.
    error = np.abs(corrupted(pixels, "blur") - expected)[inside, inside].mean()
    for other in (published / 2, published * 2):
        wrong = gaussian_filter(pixels.astype(float), (other, other, 0), mode="nearest")
        assert error < np.abs(wrong - expected)[inside, inside].mean() / 3


@pytest.mark.parametrize(("side", "published"), [(224, 0.2), (64, 0.2), (32, 0.4)])
def test_contrast_keeps_the_mean_colour_and_the_published_share_of_the_spread(side, published):
    pixels = scene(side)
    result = corrupted(pixels, "contrast").astype(float)
    np.testing.assert_allclose(result.mean((0, 1)), pixels.mean((0, 1)), atol=0.5)
    np.testing.assert_allclose(result.std((0, 1)), published * pixels.std((0, 1)), atol=0.5)


@pytest.mark.parametrize(("side", "published"), [(224, 15), (64, 50), (32, 58)])
def test_jpeg_is_pillows_of_the_published_quality(side, published):
    buffer = io.BytesIO()
    pixels = scene(side)
    PIL.Image.fromarray(pixels).save(buffer, "JPEG", quality=published)
    np.testing.assert_array_equal(corrupted(pixels, "jpeg"), np.asarray(PIL.Image.open(buffer)))


def test_between_the_published_sizes_the_strength_lies_between():
    noise = corrupted(GREY[:120, :120], "noise").astype(float) - 128
    assert 0.13 < noise.std() / 255 < 0.17
    result = corrupted(scene(120), "jpeg")
    qualities = []
    for quality in range(101):
        buffer = io.BytesIO()
        PIL.Image.fromarray(scene(120)).save(buffer, "JPEG", quality=quality)
        if np.array_equal(result, np.asarray(PIL.Image.open(buffer))):
            qualities.append(quality)
    assert qualities and all(15 < quality < 50 for quality in qualities)


@pytest.mark.parametrize("kind", CORRUPTIONS)
def test_large_images_are_reduced_to_the_published_number_of_pixels(kind):
    result = corrupted(np.repeat(np.repeat(scene(), 4, axis=0), 2, axis=1), kind)
    assert result.shape[0] / result.shape[1] == pytest.approx(2, rel=0.01)
    assert result.shape[0] * result.shape[1] == pytest.approx(224 * 224, rel=0.01)


def test_a_strip_of_pixels_is_not_too_long_for_jpeg():
    result = corrupted(np.zeros((2, 70_000, 3), dtype=np.uint8), "jpeg")
    assert result.shape[0] >= 1 and result.shape[1] <= 65_500


def test_digests_tell_kinds_and_originals_apart():
    images = [ArrayImage("x", scene(seed=seed)) for seed in (0, 1)]
    digests = [image.digest() for image in images]
    digests += [CorruptedImage(image, kind).digest() for image in images for kind in CORRUPTIONS]
    assert len(set(digests)) == len(digests) == 10
    assert all(re.fullmatch("[0-9a-f]{64}", digest) for digest in digests)
    assert CorruptedImage(images[0], "blur").digest() == CorruptedImage(ArrayImage("y", scene()), "blur").digest()


def test_names_say_what_was_done(tmp_path):
    assert CorruptedImage(FileImage(tmp_path / "photo.jpg"), "noise").name == f"{tmp_path / 'photo.jpg'} (noise)"


def test_unknown_kinds_are_refused():
    with pytest.raises(ConfigError, match=r"corruption 'fog' is unknown; choose from noise, blur, contrast, jpeg"):
        CorruptedImage(ArrayImage("x", GREY), "fog")


def test_unreadable_originals_are_named(tmp_path):
    (tmp_path / "bad.png").write_text("not an image")
    with pytest.raises(DataError, match=r"bad\.png cannot be read as an image"):
        CorruptedImage(FileImage(tmp_path / "bad.png"), "blur").load()


def test_even_the_smallest_images_keep_what_they_show():
    images = load_digits_set().images[:200]
    for kind in CORRUPTIONS:
        kept = [np.corrcoef(image.load().ravel(), CorruptedImage(image, kind).load().ravel())[0, 1] for image in images]
        assert np.mean(kept) > 0.8, kind
