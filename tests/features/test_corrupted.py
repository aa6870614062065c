"""Corrupted images beside features: which rows, in which order, once, and only of images."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from evoprune.data import CORRUPTIONS, CorruptedImage, Division
from evoprune.errors import ConfigError, DataError
from evoprune.features import extract, from_arrays, with_corruptions, with_ood


def expected(image_set, rows, backbone):
    return np.array(
        [
            [
                backbone.extract(backbone.prepare(CorruptedImage(image_set.images[row], kind).load())[None])[0]
                for row in rows
            ]
            for kind in CORRUPTIONS
        ]
    )


def with_validation(image_set):
    rows = np.arange(20)
    return replace(image_set, divisions=(Division(rows[:10], rows[14:], rows[10:14]),))


def test_corrupted_rows_are_those_of_the_corrupted_images(image_set, counting):
    image_set = with_validation(image_set)
    features = extract(image_set, backbone := counting(), corruptions=True, batch_size=7)
    corrupted = features.corrupted
    assert corrupted.kinds == CORRUPTIONS == ("noise", "blur", "contrast", "jpeg")
    assert corrupted.rows.tolist() == list(range(10, 20)) and backbone.extracted == 20 + 4 * 10
    assert corrupted.X.shape == (4, 10, 6) and corrupted.X.dtype == np.float32
    np.testing.assert_allclose(corrupted.X, expected(image_set, range(10, 20), counting()), rtol=1e-6)
    assert not np.isclose(corrupted.X, features.X[10:]).all(axis=2).any()
    assert features.digest == extract(image_set, counting()).digest


def test_without_a_validation_part_all_rows_may_be_evaluated(image_set, counting):
    assert extract(image_set, counting(), corruptions=True).corrupted.rows.tolist() == list(range(20))


def test_a_row_evaluated_in_any_division_counts(images_of, counting):
    rows = np.arange(24)
    divisions = (Division(rows[:4], rows[4:6], rows[6:8]), Division(rows[8:16], rows[16:20]))
    features = extract(replace(images_of(24), divisions=divisions), counting(), corruptions=True)
    assert features.corrupted.rows.tolist() == [*range(4, 8), *range(8, 20)]


def test_none_are_made_unless_asked_for(image_set, counting):
    features = extract(image_set, backbone := counting())
    assert features.corrupted is None and backbone.extracted == 20


def test_corrupted_images_are_extracted_once(image_set, counting, untouchable):
    first = extract(image_set, counting(), corruptions=True)
    again = extract(image_set, untouchable(), corruptions=True)
    assert again.corrupted.digest == first.corrupted.digest
    # Without the first four images, all others are known.
    fewer = with_corruptions(extract(image_set, counting()), image_set, np.arange(4, 20), untouchable())
    np.testing.assert_array_equal(fewer.corrupted.X, first.corrupted.X[:, 4:])


def test_the_digest_sees_rows_values_and_kinds(image_set, counting):
    features = extract(image_set, counting())
    sets = [with_corruptions(features, image_set, np.array(rows), counting()).corrupted for rows in ([1, 2], [1, 3])]
    changed = [replace(sets[0], X=sets[0].X + 1), replace(sets[0], kinds=("a", *CORRUPTIONS[1:]))]
    digests = [s.digest for s in sets] + [type(c).of(c.kinds, c.rows, c.X).digest for c in changed]
    assert len(set(digests)) == 4
    assert sets[0].digest == with_corruptions(features, image_set, np.array([2, 1, 2]), counting()).corrupted.digest


def test_rows_are_looked_up_in_any_order(image_set, counting):
    corrupted = extract(with_validation(image_set), counting(), corruptions=True).corrupted
    np.testing.assert_array_equal(corrupted.at(np.array([19, 10, 12])), corrupted.X[:, [9, 0, 2]])
    for row in (3, 20):
        with pytest.raises(ConfigError, match=rf"row {row} has no corrupted images \(10 rows have\)"):
            corrupted.at(np.array([12, row]))


def test_progress_is_told_of_each_extraction_in_turn(image_set, counting):
    calls = []
    extract(
        with_validation(image_set),
        counting(),
        corruptions=True,
        batch_size=16,
        progress=lambda done, total: calls.append((done, total)),
    )
    assert calls == [(0, 20), (16, 20), (20, 20), (0, 40), (16, 40), (32, 40), (40, 40)]


@pytest.mark.parametrize("later", [False, True])
def test_rows_follow_when_a_class_leaves(images_of, counting, later):
    image_set = with_validation(replace(images_of(20), labels=np.arange(20) % 3, class_names=("a", "b", "c")))
    if later:
        features = with_ood(extract(image_set, counting(), corruptions=True), ["class:a"])
    else:
        features = extract(image_set, counting(), corruptions=True, ood=["class:a"])
    left = [row for row in range(10, 20) if row % 3 != 0]
    names = [features.row_names[row] for row in features.corrupted.rows]
    assert names == [image_set.images[row].name for row in left]
    np.testing.assert_allclose(features.corrupted.X, expected(image_set, left, counting()), rtol=1e-6)
    everything = extract(image_set, counting(), corruptions=True)
    assert features.corrupted.digest != everything.corrupted.digest


def test_the_order_of_leaving_and_corrupting_does_not_matter(images_of, counting):
    image_set = with_validation(replace(images_of(20), labels=np.arange(20) % 3, class_names=("a", "b", "c")))
    later = with_ood(extract(image_set, counting(), corruptions=True), ["class:b"])
    at_once = extract(image_set, counting(), corruptions=True, ood=["class:b"])
    assert later.corrupted.digest == at_once.corrupted.digest


def test_images_left_out_as_broken_have_no_corruptions(folder, counting):
    (folder / "test" / "cats" / "0.png").write_text("not an image")
    features = extract(folder, counting(), corruptions=True, skip_broken=True)
    assert features.corrupted.rows.tolist() == list(range(11))


def test_other_images_and_rows_are_refused(image_set, images_of, counting):
    features = extract(image_set, counting())
    with pytest.raises(ConfigError, match=r"made has 10 images, but made has 20 rows; give the images that the"):
        with_corruptions(features, images_of(10), np.arange(4), counting())
    for rows in ([-1], [20], []):
        with pytest.raises(ConfigError, match=r"rows=\[.*\] are not rows of made; give some of 0\.\.19"):
            with_corruptions(features, image_set, np.array(rows, dtype=np.int64), counting())


def test_an_image_that_has_gone_bad_is_named(folder, counting):
    from evoprune.data import load_folder

    features, images = extract(folder, counting()), load_folder(folder)
    (folder / "train" / "cats" / "1.png").write_text("not an image")
    with pytest.raises(DataError, match=r"1\.png cannot be read as an image"):
        with_corruptions(features, images, np.arange(12), counting())


def test_feature_files_have_none():
    X = np.random.default_rng(0).normal(size=(8, 3))
    assert from_arrays(X, np.arange(8) % 2, X, np.arange(8) % 2).corrupted is None
