"""Deletion and insertion of networks whose curves are known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from sklearn.metrics import auc

from evoprune.errors import ConfigError
from evoprune.explanation import STEPS, centred_blob, deletion_insertion, random_map

SIZE = 28


def relevant():
    """Pixels that the network sums; a quarter of all."""
    mask = np.zeros((SIZE, SIZE), dtype=bool)
    mask[:14, 14:] = True
    return mask


def network(images):
    return (images[:, 0] * relevant()).sum(axis=(1, 2))[:, None]


def image():
    """Bright where it matters, its mean colour zero."""
    picture = np.zeros((3, SIZE, SIZE), dtype=np.float32)
    picture[:, relevant()] = 3
    picture[:, ~relevant()] = -1
    return picture


def score(X):
    return X[:, 0] / (3.0 * relevant().sum())


def measured(heatmap, **options):
    return deletion_insertion(network, image(), heatmap.astype(np.float32), score, **options)


def test_a_perfect_map_deletes_everything_in_the_first_quarter():
    curves = measured(relevant())
    assert len(curves.share) == STEPS + 1 and curves.share[0] == 0 and curves.share[-1] == 1
    np.testing.assert_allclose(curves.deletion, np.maximum(1 - 4 * curves.share, 0), atol=1e-6)
    assert curves.deletion_area == pytest.approx(auc(curves.share, curves.deletion))
    assert curves.deletion_area == pytest.approx(1 / 8)


def test_the_opposite_map_is_the_worst_and_chance_lies_between():
    rng = np.random.default_rng(0)
    best, worst = measured(relevant()), measured(~relevant())
    chance = measured(rng.random((SIZE, SIZE)))
    assert worst.deletion_area == pytest.approx(7 / 8)
    assert best.deletion_area < chance.deletion_area < worst.deletion_area
    assert best.insertion_area > chance.insertion_area > worst.insertion_area
    assert chance.deletion_area == pytest.approx(1 / 2, abs=0.05)


def test_insertion_starts_from_a_blurred_image_and_ends_at_the_whole_one():
    curves = measured(relevant(), steps=4)
    blurred = np.stack([gaussian_filter(channel, SIZE / 20) for channel in image()])
    assert curves.insertion[0] == pytest.approx(score(network(blurred[None]))[0], rel=1e-5)
    assert curves.insertion[1:] == pytest.approx(np.ones(4), rel=1e-5)


def test_equally_hot_pixels_come_in_an_order_that_the_seed_decides():
    flat = np.zeros((SIZE, SIZE))
    one, same, other = (measured(flat, seed=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one.deletion, same.deletion)
    assert (one.deletion != other.deletion).any()
    # Not from top to bottom, where all relevant pixels lie in the upper half.
    assert one.deletion[STEPS // 2] == pytest.approx(0.5, abs=0.1)


def test_the_image_itself_is_left_alone():
    picture = image()
    deletion_insertion(network, picture, relevant().astype(np.float32), score)
    np.testing.assert_array_equal(picture, image())


def test_the_blob_is_hottest_in_the_middle_and_alike_on_all_sides():
    blob = centred_blob(9, 15)
    assert blob.shape == (9, 15) and blob[4, 7] == blob.max() == 1 and blob.min() == 0
    np.testing.assert_allclose(blob, blob[::-1, ::-1], atol=1e-6)
    assert (np.diff(blob[4, 7:]) < 0).all() and (np.diff(blob[4:, 7]) < 0).all()


def test_random_maps_are_coarse_and_decided_by_their_generator():
    one, same, other = (random_map(56, 70, np.random.default_rng(seed)) for seed in (0, 0, 1))
    assert one.shape == (56, 70) and (one.min(), one.max()) == (0, 1)
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()
    # Neighbours are alike, as in maps that were enlarged from 7 x 7.
    assert np.abs(np.diff(one, axis=0)).max() < 0.2


def test_maps_of_another_size_are_refused():
    with pytest.raises(ConfigError, match="does not fit"):
        measured(np.zeros((7, 7)))
    with pytest.raises(ConfigError, match="steps=0"):
        measured(relevant(), steps=0)
