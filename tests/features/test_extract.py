"""Extraction: each distinct image once, in order, and only what is not known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

import evoprune.features
from evoprune.data import ArrayImage
from evoprune.errors import BackboneError, ConfigError, DataError
from evoprune.features import extract, list_entries


def expected_rows(image_set, backbone):
    return np.concatenate([backbone.extract(backbone.prepare(image.load())[None]) for image in image_set.images])


@pytest.mark.parametrize("batch_size", [1, 3, 20, 64])
@pytest.mark.parametrize("threads", [1, 5, None])
def test_rows_follow_the_images(image_set, counting, batch_size, threads):
    calls = []
    features = extract(
        image_set,
        counting(),
        batch_size=batch_size,
        threads=threads,
        progress=lambda done, total: calls.append((done, total)),
    )
    np.testing.assert_allclose(features.X, expected_rows(image_set, counting()), rtol=1e-6)
    assert features.X.dtype == np.float32 and not features.X.flags.writeable
    assert features.row_names == tuple(image.name for image in image_set.images)
    np.testing.assert_array_equal(features.y, image_set.labels)
    assert calls[-1] == (20, 20) and [done for done, _ in calls] == sorted({done for done, _ in calls})


def test_the_second_time_the_backbone_is_not_touched(image_set, counting, untouchable):
    first = extract(image_set, counting())
    second = extract(image_set, untouchable())
    np.testing.assert_array_equal(first.X, second.X)
    assert first.digest == second.digest


def test_known_images_of_other_sets_are_not_computed_again(images_of, counting, untouchable):
    large, small = images_of(20), images_of(10)
    extract(small, counting())
    extract(large, backbone := counting())
    assert backbone.extracted == 10
    subset = extract(images_of(15), untouchable())
    np.testing.assert_allclose(subset.X, expected_rows(images_of(15), counting()), rtol=1e-6)


def test_another_backbone_has_its_own_features(image_set, counting):
    extract(image_set, counting())
    extract(image_set, backbone := counting("another"))
    assert backbone.extracted == 20


def test_duplicates_are_computed_once_counted_and_said(image_set, counting):
    twin = ArrayImage("twin", image_set.images[0].pixels)
    doubled = replace(image_set, images=(*image_set.images[:-1], twin))
    said = []
    features = extract(doubled, backbone := counting(), notify=said.append)
    assert backbone.extracted == 19 and features.duplicates == 1
    np.testing.assert_array_equal(features.X[0], features.X[-1])
    assert said == ["1 test image(s) of made also stand in the training part"]
    assert extract(doubled, counting(), notify=said.append).digest == features.digest


def test_infinite_features_name_the_image(image_set, counting):
    class Overflowing(type(counting())):
        def extract(self, batch):
            features = super().extract(batch)
            features[-1, 2] = np.inf
            return features

    with pytest.raises(BackboneError, match=r"NaN or infinite features for 0/6;"):
        extract(image_set, Overflowing(), batch_size=7)
    assert not list_entries()


def test_broken_images_are_all_listed_before_anything_is_computed(folder, counting):
    (folder / "train" / "cats" / "1.png").write_bytes(b"not an image")
    whole = (folder / "test" / "dogs" / "0.png").read_bytes()
    (folder / "test" / "dogs" / "0.png").write_bytes(whole[: len(whole) // 2])
    for _ in range(2):
        with pytest.raises(DataError) as caught:
            extract(folder, backbone := counting())
        assert "2 images cannot be read" in str(caught.value)
        assert "1.png" in str(caught.value) and "0.png" in str(caught.value)
        assert backbone.extracted == 0


def test_broken_images_can_be_left_out(folder, counting, untouchable):
    (folder / "train" / "cats" / "1.png").write_bytes(b"not an image")
    features = extract(folder, backbone := counting(), skip_broken=True)
    assert backbone.extracted == 11 and features.X.shape == (11, 6)
    assert [item.path.name for item in features.broken] == ["1.png"]
    assert len(features.divisions[0].train) == 7 and len(features.divisions[0].test) == 4
    # The second time the broken file is checked again, and nothing else is done.
    again = extract(folder, second := counting(), skip_broken=True)
    assert second.extracted == 0 and again.digest == features.digest and again.broken == features.broken


def test_a_mended_image_is_all_that_is_computed(folder, counting):
    path = folder / "train" / "cats" / "1.png"
    path.write_bytes(b"not an image")
    extract(folder, counting(), skip_broken=True)
    Image.fromarray(np.full((5, 5, 3), 9, dtype=np.uint8)).save(path)
    features = extract(folder, backbone := counting())
    assert backbone.extracted == 1 and features.X.shape == (12, 6) and not features.broken


def test_an_image_that_cannot_be_opened_is_listed_too(folder, counting):
    (folder / "train" / "cats" / "gone.png").symlink_to(folder / "nowhere.png")
    with pytest.raises(DataError, match=r"gone\.png: the file does not exist"):
        extract(folder, counting())


@pytest.mark.parametrize("options", [{"batch_size": 0}, {"threads": 0}])
def test_settings_out_of_range(image_set, counting, options):
    with pytest.raises(ConfigError, match=rf"{next(iter(options))}=0 is out of range"):
        extract(image_set, counting(), **options)


def test_names_are_loaded(image_set):
    with pytest.raises(BackboneError, match="'xyzzy' is unknown"):
        extract(image_set, "xyzzy")
    assert evoprune.features.extract is extract


def test_warnings_are_logged_where_nobody_listens(image_set, counting, caplog):
    twin = ArrayImage("twin", image_set.images[0].pixels)
    extract(replace(image_set, images=(*image_set.images[:-1], twin)), counting())
    assert "also stand in the training part" in caplog.text


@pytest.mark.slow
def test_real_images_give_the_features_computed_elsewhere(shared_data, tmp_path):
    source = shared_data / "images" / "sign_digits"
    published = np.load(shared_data / "features" / "sign_digits.npz", allow_pickle=False)
    chosen = {"train": [], "test": []}
    for part, rows in chosen.items():
        row = 0
        for name in sorted((source / part).iterdir()):
            files = sorted(name.iterdir())
            target = tmp_path / "few" / part / name.name
            target.mkdir(parents=True)
            for number, file in enumerate(files[:3]):
                (target / file.name).write_bytes(file.read_bytes())
                rows.append(row + number)
            row += len(files)
    backbone = f"onnx:{shared_data / 'backbones' / 'mobilenet_v2_imagenet.onnx'}"
    features = extract(tmp_path / "few", backbone)
    (division,) = features.divisions
    for part, rows in (("train", division.train), ("test", division.test)):
        np.testing.assert_allclose(features.X[rows], published[f"X_{part}"][chosen[part]], atol=1e-4)
        np.testing.assert_array_equal(features.y[rows], published[f"y_{part}"][chosen[part]])
    assert extract(tmp_path / "few", backbone).digest == features.digest
