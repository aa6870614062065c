"""Every layout of an image folder, and every refusal with its sentence."""

from __future__ import annotations

import os

import numpy as np
import pytest
from PIL import Image

from evoprune.data import load_folder, load_images, load_train_test
from evoprune.errors import ConfigError, DataError

PARTS = {"train/a": 3, "train/b": 2, "test/a": 1, "test/b": 2}


def assert_sound(image_set):
    """Labels follow the class folders; parts are sorted and disjoint; classes are in every part."""
    for image, label in zip(image_set.images, image_set.labels, strict=True):
        assert image_set.class_names[label] in image.path.parts
    for division in image_set.divisions:
        parts = [division.train, division.test] + ([] if division.validation is None else [division.validation])
        together = np.concatenate(parts)
        assert len(np.unique(together)) == len(together)
        for part in parts:
            assert part.dtype == np.int64
            assert np.array_equal(part, np.sort(part))
            assert set(image_set.labels[part]) == set(range(len(image_set.class_names)))


def test_class_folders_are_split(make_folder):
    root = make_folder({"cat": 10, "dog": 20})
    image_set = load_folder(root)
    assert_sound(image_set)
    assert image_set.name == "data"
    assert image_set.class_names == ("cat", "dog")
    assert image_set.labels.dtype == np.int64
    (division,) = image_set.divisions
    assert [len(division.train), len(division.validation), len(division.test)] == [18, 6, 6]
    assert [str(image.path) for image in image_set.images] == sorted(str(path) for path in root.rglob("*.png"))


def test_split_depends_on_the_seed_alone(make_folder):
    root = make_folder({"cat": 20, "dog": 20})
    first, again, other = (load_folder(root, seed=seed).divisions[0].test for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_train_and_test(make_folder):
    image_set = load_folder(make_folder(PARTS))
    assert_sound(image_set)
    (division,) = image_set.divisions
    assert division.validation is None
    assert all("train" in image_set.images[row].path.parts for row in division.train)
    assert all("test" in image_set.images[row].path.parts for row in division.test)
    assert (len(division.train), len(division.test)) == (5, 3)


@pytest.mark.parametrize("name", ["val", "valid", "validation", "Val"])
def test_train_validation_and_test(make_folder, name):
    image_set = load_folder(make_folder({**PARTS, f"{name}/a": 1, f"{name}/b": 1}))
    assert_sound(image_set)
    division = image_set.divisions[0]
    assert division.validation is not None
    assert all(name in image_set.images[row].path.parts for row in division.validation)


@pytest.mark.parametrize(("prefix", "start"), [("fold", 0), ("", 0), ("part_", 1)])
def test_folds(make_folder, prefix, start):
    folds = [f"{prefix}{number}" for number in range(start, start + 11)]
    root = make_folder(
        {f"{part}/{fold}/{c}": n for fold in folds for part, n in (("train", 2), ("test", 1)) for c in "ab"}
    )
    image_set = load_folder(root)
    assert_sound(image_set)
    assert image_set.class_names == ("a", "b")
    assert len(image_set.divisions) == 11
    for fold, division in zip(folds, image_set.divisions, strict=True):
        assert {image_set.images[row].path.parts[-3] for row in (*division.train, *division.test)} == {fold}
        assert (len(division.train), len(division.test)) == (4, 2)


def test_numbered_classes_are_not_folds(make_folder):
    image_set = load_folder(make_folder({f"{part}/{digit}": 1 for part in ("train", "test") for digit in range(3)}))
    assert image_set.class_names == ("0", "1", "2")
    assert len(image_set.divisions) == 1


def test_a_class_may_be_called_train(make_folder):
    image_set = load_folder(make_folder({"bus": 3, "car": 3, "train": 3}))
    assert image_set.class_names == ("bus", "car", "train")


def test_class_folders_are_searched_below(make_folder):
    image_set = load_folder(make_folder({"a/x/y": 2, "a": 1, "b/z": 3}))
    assert np.bincount(image_set.labels).tolist() == [3, 3]


def test_hidden_and_other_files_are_ignored(make_folder):
    root = make_folder({"a": 3, "b": 3, "__MACOSX/a": 1, ".hidden/c": 1})
    for name in ("._000.png", ".DS_Store", "Thumbs.db", "README.md", "labels.csv"):
        (root / "a" / name).write_text("no image")
        (root / name).write_text("no image")
    image_set = load_folder(root)
    assert image_set.class_names == ("a", "b")
    assert len(image_set.images) == 6


def test_upper_case_suffixes_count(make_folder):
    root = make_folder({"a": 3, "b": 3})
    (root / "a" / "000.png").rename(root / "a" / "000.PNG")
    assert len(load_folder(root).images) == 6


def test_links_are_followed_and_loops_end(make_folder, tmp_path):
    root = make_folder({"a": 3, "b": 3})
    (tmp_path / "elsewhere").mkdir()
    Image.new("RGB", (3, 3), "red").save(tmp_path / "elsewhere" / "c.png")
    (root / "a" / "more").symlink_to(tmp_path / "elsewhere")
    (root / "a" / "loop").symlink_to(root / "a")
    (root / "c").symlink_to(root / "b")
    image_set = load_folder(root)
    assert np.bincount(image_set.labels).tolist() == [4, 3, 3]


def test_images_are_not_decoded(make_folder):
    root = make_folder({"a": 3, "b": 3})
    (root / "a" / "broken.jpg").write_text("not an image")
    assert len(load_folder(root).images) == 7


def test_skip_broken_decodes_and_leaves_out(make_folder):
    root = make_folder({"a": 9, "b": 9})
    (root / "a" / "broken.jpg").write_text("not an image")
    image_set = load_folder(root, skip_broken=True)
    assert_sound(image_set)
    assert len(image_set.images) == 18
    assert [item.path.name for item in image_set.broken] == ["broken.jpg"]


def test_name_of_the_working_directory(make_folder, monkeypatch):
    monkeypatch.chdir(make_folder({"a": 3, "b": 3}))
    assert load_folder(".").name == "data"


@pytest.mark.parametrize(
    ("counts", "sentence"),
    [
        ({}, r"data holds no images; JPEG, PNG"),
        ({"a": 0, "b": 0}, r"data holds no images"),
        ({"a": 3}, r"data has only one class \('a'\); a classifier needs at least two$"),
        (
            {"inner/a": 3, "inner/b": 3},
            r"only one class \('inner'\).*; if the classes are the folders in .*inner, give that",
        ),
        ({"a": 3, "b": 3, "c": 0}, r"the class folder .*c holds no image; add images or remove the folder"),
        ({"a": 3, "b": 2}, r"class 'b' of .*data has 2 .* too few .*at least 3 are needed"),
        ({".": 4}, r"data holds 4 image\(s\) directly \(such as 000\.png\).*as in .*data/CLASS/000\.png"),
        ({"train": 4, "test": 2}, r"train holds 4 image\(s\) directly .* as in .*train/CLASS/000\.png"),
        ({**PARTS, "test/b": 0}, r"the class folder .*test/b holds no image"),
        (
            {"train/a": 1, "train/b": 1, "test/a": 1},
            r"class 'b' is missing in .*test; every part needs every class \(a, b\)",
        ),
        ({"train/a": 1, "test/a": 1, "test/b": 1}, r"class 'b' is missing in .*train"),
        ({**PARTS, "val/a": 1}, r"class 'b' is missing in .*val"),
        ({"train/a": 2, "test/a": 2}, r"data has only one class \('a'\)"),
        ({"train/a": 1, "train/b": 1}, r"has a folder train but no folder test; .*, for example .*train"),
        ({"test/a": 1, "val/b": 1}, r"has a folder test but no folder train"),
        ({"train/a": 1, "val/a": 1, "more": 1}, r"has a folder train but no folder test"),
        ({**PARTS, "val/a": 1, "valid/a": 1}, r"has two folders for one part, val and valid; keep one"),
        (
            {**PARTS, "unlabelled": 2},
            r"has the parts train and test, and also a folder unlabelled with images",
        ),
        ({**PARTS, "test/a": 0, "test/b": 0}, r"test holds no images"),
        (
            {f"{part}/fold{n}/{c}": 1 for part in ("train", "test") for n in (0, 1) for c in ("ab", "ac")[n]},
            r"the folds of .* have different classes: 'b' is in fold 0 but not in fold 1",
        ),
        (
            {f"{part}/fold{n}/{c}": 1 for part in ("train", "test") for n in (0, 2) for c in "ab"},
            r"the folds in .*train are numbered \[0, 2\], which leaves gaps",
        ),
        (
            {f"{p}/f{n}/{c}": 1 for p, k in (("train", 3), ("test", 2)) for n in range(k) for c in "ab"},
            r"train has the folds \[0, 1, 2\], but .*test has \[0, 1\]; they must agree",
        ),
        (
            {f"fold{n}/{part}/{c}": 1 for n in range(2) for part in ("train", "test") for c in "ab"},
            r"fold0 holds the parts train and test where .*, or put the parts outermost, .*train/fold0",
        ),
    ],
)
def test_refusals(make_folder, counts, sentence):
    root = make_folder(counts)
    with pytest.raises(DataError, match=sentence) as caught:
        load_folder(root)
    assert "\n" not in str(caught.value)


def test_folder_that_does_not_exist(tmp_path):
    with pytest.raises(DataError, match=r"none does not exist; give a folder of images, one sub-folder per class"):
        load_folder(tmp_path / "none")


@pytest.mark.parametrize(
    ("name", "way_out"),
    [
        ("a.npz", "with --features"),
        ("a.zip", "unpack it and give the folder"),
        ("a.jpg", "give the folder that holds"),
    ],
)
def test_file_instead_of_folder(tmp_path, name, way_out):
    (tmp_path / name).touch()
    for load in (load_folder, load_images):
        with pytest.raises(DataError, match=rf"{name} is a file, not a folder; .*{way_out}"):
            load(tmp_path / name)


def test_other_files_are_named_where_there_are_no_images(make_folder):
    root = make_folder({"a": 0, "b": 0})
    for name in ("1.heic", "2.heic", "notes.txt"):
        (root / "a" / name).touch()
    with pytest.raises(DataError, match=r"holds no images \(there are only 2 \.heic, 1 \.txt files\); JPEG"):
        load_folder(root)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read every folder")
def test_folder_without_permission(make_folder):
    root = make_folder({"a": 3, "b": 3})
    (root / "a").chmod(0)
    try:
        with pytest.raises(DataError, match=r"the folder .*a cannot be read: permission denied"):
            load_folder(root)
    finally:
        (root / "a").chmod(0o700)


def test_unusable_split(make_folder):
    with pytest.raises(ConfigError, match="split="):
        load_folder(make_folder({"a": 3, "b": 3}), split=(0.5, 0.1, 0.1))


def test_two_folders(make_folder):
    root = make_folder(PARTS)
    image_set = load_train_test(f"{root}/train/", f"{root}/test/", name="MINE")
    assert_sound(image_set)
    assert image_set.name == "MINE"
    assert load_train_test(root / "train", root / "test").name == "data"


@pytest.mark.parametrize("text", ["{root}/{part}/", "{root}/{part}/fold", "path"])
def test_two_folders_with_folds(make_folder, text):
    name = "fold" if text.endswith("fold") else ""
    root = make_folder({f"{part}/{name}{n}/{c}": 2 for part in ("train", "test") for n in range(3) for c in "ab"})
    train, test = (root / part if text == "path" else text.format(root=root, part=part) for part in ("train", "test"))
    image_set = load_train_test(train, test, folds=3)
    assert_sound(image_set)
    assert len(image_set.divisions) == 3
    assert [len(d.train) for d in image_set.divisions] == [4, 4, 4]


def test_two_folders_with_a_missing_fold(make_folder):
    root = make_folder({f"{part}/{n}/{c}": 1 for part in ("train", "test") for n in range(2) for c in "ab"})
    with pytest.raises(DataError, match=r"train/2 does not exist"):
        load_train_test(f"{root}/train/", f"{root}/test/", folds=3)


def test_no_folds(make_folder):
    root = make_folder(PARTS)
    with pytest.raises(ConfigError, match="folds=0 is out of range"):
        load_train_test(root / "train", root / "test", folds=0)


def test_real_images(shared_data):
    image_set = load_folder(shared_data / "images" / "sign_digits")
    assert_sound(image_set)
    (division,) = image_set.divisions
    assert (len(division.train), len(division.test)) == (1651, 411)
    assert image_set.class_names == tuple(str(digit) for digit in range(10))


def test_real_photographs_without_classes(shared_data):
    with pytest.raises(DataError, match=r"holds 600 image\(s\) directly"):
        load_folder(shared_data / "images" / "imagenet_sample")
