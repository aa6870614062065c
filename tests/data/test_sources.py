"""What a word or a path stands for, and the bundled digits."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from sklearn.datasets import load_digits

from evoprune.data import load_digits_set, load_images
from evoprune.errors import ConfigError, DataError


def test_digits_are_those_of_scikit_learn():
    image_set = load_digits_set()
    bundled = load_digits()
    assert image_set.name == "digits"
    assert image_set.class_names == tuple("0123456789")
    np.testing.assert_array_equal(image_set.labels, bundled.target)
    assert image_set.images[7].name == "digits/0007"
    pixels = np.stack([image.load() for image in image_set.images])
    assert pixels.shape == (1797, 8, 8, 3)
    assert pixels.dtype == np.uint8
    assert (pixels.min(), pixels.max()) == (0, 255)
    np.testing.assert_array_equal(np.rint(pixels[..., 2] / 255 * 16), bundled.images)
    np.testing.assert_array_equal(pixels[..., 0], pixels[..., 2])


def test_digits_are_split_like_folders():
    (division,) = load_digits_set(seed=5).divisions
    assert len(division.train) + len(division.validation) + len(division.test) == 1797
    assert len(division.test) / 1797 == pytest.approx(0.2, abs=0.005)
    np.testing.assert_array_equal(load_digits_set(seed=5).divisions[0].test, division.test)
    assert not np.array_equal(load_digits_set(seed=6).divisions[0].test, division.test)


def test_the_word_digits(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    image_set = load_images("digits", split=(0.5, 0.0, 0.5), seed=2)
    assert len(image_set.images) == 1797
    assert image_set.divisions[0].validation is None


def test_a_folder_called_digits_goes_first(make_folder, monkeypatch):
    root = make_folder({"a": 3, "b": 3})
    root.rename(root.parent / "digits")
    monkeypatch.chdir(root.parent)
    assert load_images("digits").class_names == ("a", "b")


def test_a_folder(make_folder):
    root = make_folder({"a": 10, "b": 10})
    for source in (root, str(root)):
        image_set = load_images(source, split=(0.8, 0.1, 0.1), seed=1)
        assert [len(image_set.divisions[0].train), len(image_set.divisions[0].test)] == [16, 2]


def test_skip_broken(make_folder):
    root = make_folder({"a": 9, "b": 9})
    (root / "a" / "broken.jpg").write_text("not an image")
    assert len(load_images(root).images) == 19
    assert len(load_images(root, skip_broken=True).broken) == 1


def test_nothing_of_that_name(tmp_path):
    with pytest.raises(
        DataError, match=r"digit does not exist; give a folder of images, .* or 'digits' for the bundled"
    ):
        load_images(str(tmp_path / "digit"))


def test_bad_seed():
    with pytest.raises(ConfigError, match="seed=-3 is negative"):
        load_digits_set(seed=-3)


def test_start_up_imports_nothing_heavy():
    heavy = "{'sklearn', 'scipy', 'torch', 'pymoo', 'onnxruntime'}"
    code = f"import sys, evoprune.data; print(sorted({heavy} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
