"""Occlusion maps of networks whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from evoprune.errors import ConfigError
from evoprune.explanation import Target, occlusion, patch_size


def window(top, left, side, size=21):
    """A network of two features: how bright (first channel) one window is, and how dark."""

    def extract(images):
        assert images.dtype == np.float32 and images.shape[1:] == (3, size, size)
        bright = images[:, 0, top : top + side, left : left + side].mean(axis=(1, 2))
        return np.stack([bright, -bright], axis=1).astype(np.float32)

    return extract


def bright_spot(size=21):
    image = np.zeros((1, 3, size, size), dtype=np.float32)
    image[0, 0, 6:9, 12:15] = 1
    return image


def test_the_heat_lies_where_the_network_looks():
    maps = occlusion(window(6, 12, 3), bright_spot(), [Target.output(0), Target.output(1)])
    assert maps.shape == (2, 1, 21, 21) and maps.dtype == np.float32
    heat = maps[0, 0]
    assert heat.max() == 1 and heat.min() == 0
    assert np.unravel_index(heat.argmax(), heat.shape) == (7, 13)
    rows, columns = np.nonzero(heat)
    # A patch of 3 pixels that touches the window reaches at most 2 beyond it.
    assert rows.min() >= 4 and rows.max() <= 10 and columns.min() >= 10 and columns.max() <= 16
    # Covering the bright window raises the second feature, so nothing in the image speaks for it.
    assert (maps[1] == 0).all()


def test_a_single_patch_loses_exactly_what_it_covers():
    rng = np.random.default_rng(0)
    image = rng.random((1, 3, 8, 8)).astype(np.float32)
    weights = rng.random((3, 8, 8)).astype(np.float32)

    def extract(images):
        return (images * weights).sum(axis=(1, 2, 3))[:, None]

    (maps,) = occlusion(extract, image, [Target.output(0)], patch=4, stride=4)
    losses = np.zeros((2, 2))
    mean = image[0].mean(axis=(1, 2))[:, None, None]
    for i in range(2):
        for j in range(2):
            part = np.s_[:, 4 * i : 4 * i + 4, 4 * j : 4 * j + 4]
            losses[i, j] = ((image[0] - mean) * weights)[part].sum()
    losses = np.maximum(losses, 0)
    expected = (losses - losses.min()) / (losses.max() - losses.min())
    np.testing.assert_allclose(maps[0][::4, ::4], expected, atol=1e-4)
    np.testing.assert_array_equal(maps[0][:4, :4], np.full((4, 4), maps[0][0, 0]))


def test_classes_are_read_through_the_head_one_an_image(head):
    rng = np.random.default_rng(1)
    images = rng.random((2, 3, 6, 6)).astype(np.float32)

    def extract(batch):
        return batch.reshape(len(batch), -1)[:, :6]

    classes = np.array([2, 0])
    together = occlusion(extract, images, [Target.class_logit(head, classes)])
    for row, number in enumerate(classes):
        alone = occlusion(extract, images[[row]], [Target.class_logit(head, np.array([number]))])
        np.testing.assert_array_equal(together[0, row], alone[0, 0])


def test_what_no_patch_lowers_stays_zero():
    image = np.random.default_rng(0).random((1, 3, 21, 21)).astype(np.float32)
    maps = occlusion(lambda images: np.zeros((len(images), 2), np.float32), image, [Target.output(0), Target.output(1)])
    assert (maps == 0).all()

    def rounding(images):
        return (np.float32(3.0) + np.float32(1e-6) * images[:, 0, 0, :1]).astype(np.float32)

    assert (occlusion(rounding, image, [Target.output(0)]) == 0).all()


def test_every_pixel_is_covered_whatever_the_size():
    seen = np.zeros((23, 17), dtype=bool)
    image = np.random.default_rng(0).random((1, 3, 23, 17)).astype(np.float32)

    def extract(images):
        seen[(images != image).any(axis=(0, 1))] = True
        return np.ones((len(images), 1), np.float32)

    done = []
    occlusion(extract, image, [Target.output(0)], batch_size=5, progress=lambda *counts: done.append(counts))
    assert seen.all() and done == [(1, 1)]


def test_a_patch_is_a_seventh_of_the_shorter_side():
    assert (patch_size(224, 224), patch_size(32, 32), patch_size(224, 100), patch_size(1, 1)) == (32, 5, 15, 1)


@pytest.mark.parametrize(("patch", "stride"), [(22, 1), (0, 1), (4, 0), (4, 5)])
def test_patches_that_leave_gaps_or_do_not_fit_are_refused(patch, stride):
    with pytest.raises(ConfigError, match="does not cover"):
        occlusion(window(6, 12, 3), bright_spot(), [Target.output(0)], patch=patch, stride=stride)
