"""OOD sets beside features: from folders, files, arrays and classes; halves; nothing stands twice."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from evoprune.backbones import ModuleBackbone
from evoprune.data import ArrayImage, Division
from evoprune.errors import ConfigError, DataError
from evoprune.features import extract, features_digest, from_arrays, from_feature_file, with_ood


def write_images(folder: Path, count: int, seed: int) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    for number in range(count):
        Image.fromarray(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)).save(folder / f"{number:02d}.png")
    return folder


@pytest.fixture
def others(tmp_path):
    """Eleven images in two classes, one of them inside the other."""
    write_images(tmp_path / "others" / "birds", 5, 1)
    write_images(tmp_path / "others" / "birds" / "blue", 6, 2)
    return tmp_path / "others"


@pytest.fixture
def matrices():
    """Three classes: rows 0..11 for training, 12..17 for the test; the number in a row tells which it is."""
    X = np.arange(18, dtype=np.float32)[:, None] * np.ones(4, dtype=np.float32)
    return X[:12], np.arange(12) % 3, X[12:], np.arange(6) % 3


def outside(count, start=100, width=4):
    return np.arange(start, start + count, dtype=np.float32)[:, None] * np.ones(width, dtype=np.float32)


def numbers(ood, rows=slice(None)):
    return ood.X[rows, 0].astype(int).tolist()


def test_a_folder_becomes_a_set_with_two_halves(folder, others, counting):
    features = extract(folder, counting(), ood=[others])
    (ood,) = features.ood
    assert ood.name == "others" and ood.X.shape == (11, 6) and ood.X.dtype == np.float32
    assert ood.groups.tolist() == [0] * 5 + [1] * 6
    np.testing.assert_array_equal(np.sort(np.concatenate([ood.search, ood.report])), np.arange(11))
    for group, size in ((0, 5), (1, 6)):
        assert np.count_nonzero(ood.groups[ood.search] == group) in (size // 2, size - size // 2)
    backbone = counting()
    paths = [*sorted((others / "birds").glob("*.png")), *sorted((others / "birds" / "blue").glob("*.png"))]
    expected = [backbone.extract(backbone.prepare(np.asarray(Image.open(path)))[None])[0] for path in paths]
    np.testing.assert_allclose(ood.X, expected, rtol=1e-6)


def test_features_themselves_stay_what_they_are(folder, others, counting):
    plain, with_others = extract(folder, counting()), extract(folder, counting(), ood=[others])
    assert with_others.digest == plain.digest
    assert with_ood(plain, []) is plain
    assert repr(plain) == "Features('pets': 12 rows, 6 features, 2 classes)"
    assert repr(with_others) == "Features('pets': 12 rows, 6 features, 2 classes, 1 OOD set)"


def test_ood_images_are_extracted_once(folder, others, counting, untouchable):
    extract(folder, counting())
    first = extract(folder, backbone := counting(), ood=[others])
    assert backbone.extracted == 11
    second = extract(folder, untouchable(), ood=[others])
    assert second.ood[0].digest == first.ood[0].digest
    np.testing.assert_array_equal(second.ood[0].X, first.ood[0].X)


def test_the_seed_moves_the_halves_and_with_them_the_digest(folder, others, counting):
    sets = [extract(folder, counting(), ood=[others], seed=seed).ood[0] for seed in (0, 0, 1)]
    assert sets[0].digest == sets[1].digest != sets[2].digest
    np.testing.assert_array_equal(sets[0].search, sets[1].search)
    assert not np.array_equal(sets[0].search, sets[2].search)
    np.testing.assert_array_equal(sets[0].X, sets[2].X)


def test_one_set_does_not_move_the_halves_of_another(matrices):
    alone = from_arrays(*matrices, ood=[outside(9)]).ood[0]
    beside = from_arrays(*matrices, ood=[outside(9), outside(7, 200)]).ood[0]
    assert alone.digest == beside.digest


def test_progress_is_told_of_each_extraction_in_turn(folder, others, counting):
    calls = []
    extract(folder, counting(), ood=[others], batch_size=4, progress=lambda done, total: calls.append((done, total)))
    assert calls == [(0, 12), (4, 12), (8, 12), (12, 12), (0, 11), (4, 11), (8, 11), (11, 11)]


def test_the_same_sets_come_from_arrays_and_files(matrices, tmp_path):
    X, y, X_test, y_test = matrices
    np.savez(tmp_path / "f.npz", X_train=X, y_train=y, X_test=X_test, y_test=y_test)
    np.save(tmp_path / "o.npy", outside(9))
    np.savez(tmp_path / "p.npz", X=outside(8, 200), y=np.arange(8) % 2)
    from_file = from_feature_file(tmp_path / "f.npz", ood=[tmp_path / "o.npy", str(tmp_path / "p.npz"), "class:2"])
    direct = from_arrays(*matrices, ood=[outside(9), tmp_path / "p.npz", "class:2"])
    assert [ood.name for ood in from_file.ood] == ["o", "p", "class:2"]
    assert [ood.name for ood in direct.ood] == ["OOD array 1", "p", "class:2"]
    assert [ood.digest for ood in from_file.ood] == [ood.digest for ood in direct.ood]
    assert from_file.digest == direct.digest
    assert from_file.ood[1].groups.tolist() == [0, 1] * 4


def test_a_class_leaves_rows_divisions_and_names(matrices):
    features = from_arrays(*matrices, class_names=["cat", "dog", "owl"], ood=["class:dog"])
    assert features.class_names == ("cat", "owl")
    kept = [row for row in range(18) if row % 3 != 1]
    assert features.X[:, 0].astype(int).tolist() == kept
    assert features.y.tolist() == [row % 3 // 2 for row in kept]
    (division,) = features.divisions
    assert features.X[division.train, 0].max() == 11 and features.X[division.test, 0].min() == 12
    assert len(division.train) == 8 and len(division.test) == 4
    assert features.digest == features_digest(features.X, features.y, features.divisions)
    # The same as if the class had never been there.
    never = from_arrays(features.X[:8], features.y[:8], features.X[8:], features.y[8:])
    assert features.digest == never.digest

    (ood,) = features.ood
    assert ood.name == "class:dog" and ood.groups.tolist() == [0] * 6
    assert numbers(ood, ood.search) == [1, 4, 7, 10] and numbers(ood, ood.report) == [13, 16]


def test_the_search_may_see_a_class_in_training_and_validation_part(matrices):
    X, y, X_test, y_test = matrices
    features = from_arrays(X, y, X_test, y_test, X_val=outside(3, 50), y_val=np.arange(3), ood=["class:0"])
    assert numbers(features.ood[0], features.ood[0].search) == [0, 3, 6, 9, 50]
    assert numbers(features.ood[0], features.ood[0].report) == [12, 15]
    assert features.X[features.divisions[0].validation, 0].tolist() == [51, 52]


def test_a_class_of_published_folds_comes_from_the_first(matrices, images_of, counting):
    image_set = images_of(24)
    labels = np.arange(24) % 3
    rows = np.arange(24)
    divisions = (Division(rows[:8], rows[8:12]), Division(rows[12:20], rows[20:]))
    folds = replace(image_set, labels=labels, class_names=("a", "b", "c"), divisions=divisions)
    features = extract(folds, counting(), ood=["class:b"])
    names = [image.name for image, label in zip(image_set.images, labels, strict=True) if label != 1]
    assert features.row_names == tuple(names) and len(features.X) == 16
    assert [[len(d.train), len(d.test)] for d in features.divisions] == [[5, 3], [5, 3]]
    everything = extract(folds, counting())
    (ood,) = features.ood
    np.testing.assert_array_equal(ood.X[ood.search], everything.X[[1, 4, 7]])
    np.testing.assert_array_equal(ood.X[ood.report], everything.X[[10]])


def test_several_classes_and_folders_keep_their_order(folder, others, images_of, counting):
    image_set = replace(images_of(24), labels=np.arange(24) % 4, class_names=("a", "b", "c", "d"))
    features = extract(image_set, counting(), ood=["class:d", others, "class:b"])
    assert [ood.name for ood in features.ood] == ["class:d", "others", "class:b"]
    assert features.class_names == ("a", "c") and features.y.tolist() == [0, 1] * 6


@pytest.mark.parametrize(
    ("ood", "sentence"),
    [
        (["class:dgo"], r"class 'dgo' is unknown in features; did you mean 'dog'\? its classes are cat, dog, owl"),
        (["class:xyzzy"], r"class 'xyzzy' is unknown in features; its classes are cat, dog, owl"),
        (["class:dog", "class:cat"], r"without 'dog', 'cat', features has 1 class\(es\) left; .*leave out fewer"),
        (["class:dog", "class:dog"], r"class:dog is given twice as OOD source; give it once"),
        ("class:dog", r"ood is a single source .*; write ood=\['class:dog'\]"),
        (Path("folder"), r"write ood=\['folder'\]"),
        (outside(5), r"write ood=\[X\]"),
    ],
)
def test_settings_that_are_refused(matrices, ood, sentence):
    with pytest.raises(ConfigError, match=sentence):
        from_arrays(*matrices, class_names=["cat", "dog", "owl"], ood=ood)


@pytest.mark.parametrize(
    ("ood", "sentence"),
    [
        (["nowhere"], r"nowhere does not exist; give out-of-distribution images as a folder, a feature file"),
        ([outside(5, width=3)], r"OOD array 1 has 3 features a row, but features has 4; .* same backbone"),
        ([outside(5), outside(5)], r"OOD array 2 leaves 0 OOD row\(s\) for the search and 0 for the report"),
        ([outside(1)], r"OOD array 1 leaves [01] OOD row\(s\) for the search and [01] for the report; .*add others"),
        ([np.full((3, 4), np.nan)], r"OOD array 1 is nan at row 0, column 0"),
        ([[1.0, 2.0]], r"OOD array 1 has shape \[2\]; give a matrix"),
    ],
)
def test_material_that_is_refused(matrices, ood, sentence, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=sentence):
        from_arrays(*matrices, ood=ood)


def test_other_files_are_refused(matrices, tmp_path):
    (tmp_path / "a.zip").touch()
    with pytest.raises(DataError, match=r"a\.zip is neither a folder of images nor a feature file; .*\.npz or \.npy"):
        from_arrays(*matrices, ood=[tmp_path / "a.zip"])


def test_images_need_a_backbone(matrices, others):
    with pytest.raises(ConfigError, match=r"others is a folder of images, but features consists of features without"):
        from_arrays(*matrices, ood=[others])


def test_one_folder_under_two_names_is_given_twice(folder, others, counting):
    (others.parent / "link").symlink_to(others)
    with pytest.raises(ConfigError, match="link is given twice"):
        extract(folder, counting(), ood=[others, others.parent / "link"])


@pytest.mark.parametrize("ood", [["class:mouse"], ["nowhere"], ["class:cats"]])
def test_what_cannot_be_used_is_refused_before_anything_is_extracted(folder, counting, ood):
    with pytest.raises((ConfigError, DataError)):
        extract(folder, backbone := counting(), ood=ood)
    assert backbone.extracted == 0


def test_images_of_the_data_set_are_left_out_and_said(folder, others, counting):
    for number in range(3):
        shutil.copy(folder / "train" / "cats" / f"{number}.png", others / "birds" / f"cat{number}.png")
    shutil.copy(others / "birds" / "00.png", others / "birds" / "blue" / "again.png")
    said = []
    features = extract(folder, backbone := counting(), ood=[others], notify=said.append)
    assert features.ood[0].X.shape == (11, 6) and backbone.extracted == 23
    assert said == [
        f"3 image(s) of {others} also stand in pets and are left out as OOD images",
        f"1 image(s) of {others} repeat others there and are left out",
    ]
    inside = {row.tobytes() for row in features.X}
    assert not inside & {row.tobytes() for row in features.ood[0].X}


def test_images_of_an_earlier_set_are_left_out(folder, others, counting):
    # Otherwise the search could see in one set what is kept for the report in the other.
    said = []
    blue = others / "birds" / "blue"
    features = extract(folder, counting(), ood=[blue, others], notify=said.append)
    assert [len(ood.X) for ood in features.ood] == [6, 5]
    assert said == [f"6 image(s) of {others} also stand in blue and are left out as OOD images"]
    assert features.ood[1].groups.tolist() == [0] * 5


def test_a_class_keeps_its_rows_before_other_sets_do(matrices):
    # Which half they belong to is settled for a class, and would be drawn anew for the array.
    X = np.concatenate([matrices[0][matrices[1] == 1], outside(4)])
    features = from_arrays(*matrices, ood=[X, "class:1"])
    assert sorted(numbers(features.ood[0])) == [100, 101, 102, 103]
    assert numbers(features.ood[1], features.ood[1].search) == [1, 4, 7, 10]


def test_rows_that_are_left_out_may_take_a_class_with_them(matrices):
    X = np.concatenate([matrices[0][:2], outside(4)])
    said = []
    features = from_arrays(*matrices, ood=[X], notify=said.append)
    assert numbers(features.ood[0]) == [100, 101, 102, 103]
    assert said == ["2 row(s) of OOD array 1 also stand in features and are left out as OOD rows"]


def test_a_class_whose_images_all_have_other_labels_too_is_refused(matrices):
    X, y, X_test, y_test = (array.copy() for array in matrices)
    X_test[y_test == 1] = X[y == 0][:2]
    with pytest.raises(DataError, match=r"class:1 leaves 4 OOD row\(s\) for the search and 0 for the report"):
        from_arrays(X, y, X_test, y_test, ood=["class:1"])


def test_duplicates_are_counted_anew_without_the_class(images_of, counting):
    images = list(images_of(24).images)
    # Row 21 is of class a, rows 19 and 22 of class b; all stand in the test part.
    images[21], images[22] = ArrayImage("x", images[0].pixels), ArrayImage("y", images[1].pixels)
    image_set = replace(
        images_of(24),
        images=tuple(images),
        labels=np.arange(24) % 3,
        class_names=("a", "b", "c"),
        divisions=(Division(np.arange(18), np.arange(18, 24)),),
    )
    said = []
    assert extract(image_set, counting(), notify=said.append).duplicates == 2
    features = extract(image_set, counting(), ood=["class:b"], notify=said.append)
    assert features.duplicates == 1
    assert said[-1] == "1 image(s) of class:b repeat others there and are left out"
    assert (len(features.ood[0].search), len(features.ood[0].report)) == (6, 1)


def test_equal_names_get_their_parent_folders(folder, counting, tmp_path):
    paths = [tmp_path / "a" / "x" / "images", tmp_path / "b" / "x" / "images", tmp_path / "c" / "images"]
    for seed, path in enumerate([*paths, tmp_path / "other"]):
        write_images(path, 4, seed + 10)
    np.save(tmp_path / "other.npy", outside(4, width=6))
    features = extract(folder, counting(), ood=[*paths, tmp_path / "other", tmp_path / "other.npy"])
    parent = tmp_path.name
    assert [ood.name for ood in features.ood] == [
        "a/x/images", "b/x/images", "c/images", f"{parent}/other", f"{parent}/other.npy"
    ]  # fmt: skip


def test_the_working_directory_has_a_name(folder, others, counting, monkeypatch):
    monkeypatch.chdir(others)
    assert extract(folder, counting(), ood=["."]).ood[0].name == "others"
    assert extract(folder, counting(), ood=["birds/"]).ood[0].name == "birds"


def test_sets_can_be_added_later(matrices):
    features = with_ood(from_arrays(*matrices, ood=[outside(5)]), [outside(5, 103), "class:1"])
    assert [ood.name for ood in features.ood] == ["OOD array 1", "OOD array 1", "class:1"]
    assert numbers(features.ood[1]) == [105, 106, 107] and features.classes == 2


def test_broken_ood_images_are_all_listed(folder, others, counting):
    (others / "birds" / "01.png").write_text("not an image")
    (others / "birds" / "blue" / "02.png").write_bytes(b"")
    for ood in ([others], [others / "birds" / "blue", others]):
        with pytest.raises(DataError, match="2 images cannot be read") as caught:
            extract(folder, counting(), ood=ood)
        assert "01.png" in str(caught.value) and "02.png" in str(caught.value)
    said = []
    features = extract(folder, counting(), ood=[others], skip_broken=True, notify=said.append)
    assert features.ood[0].groups.tolist() == [0] * 4 + [1] * 5
    assert said == [f"2 image(s) of {others} cannot be read and are left out"]
    assert not features.broken


def test_a_folder_of_broken_images_is_refused(folder, counting, tmp_path):
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "a.png").write_text("not an image")
    with pytest.raises(DataError, match=r"no image of .*bad can be read"):
        extract(folder, counting(), ood=[tmp_path / "bad"], skip_broken=True)


def test_a_cache_that_cannot_be_written_is_said_once(folder, others, counting, tmp_path, monkeypatch):
    (tmp_path / "blocked").write_text("a file where the folder should be")
    monkeypatch.setenv("EVOPRUNE_CACHE", str(tmp_path / "blocked"))
    said = []
    extract(folder, counting(), ood=[others], notify=said.append)
    assert len(said) == 1 and "EVOPRUNE_CACHE" in said[0]


def test_warnings_are_logged_where_nobody_listens(matrices, caplog):
    from_arrays(*matrices, ood=[np.concatenate([outside(4), outside(1)])])
    assert "1 row(s) of OOD array 1 repeat others there" in caplog.text


def test_real_photographs_beside_real_hands(shared_data, tmp_path):
    torch = pytest.importorskip("torch")
    for part in ("train", "test"):
        for name in "012":
            source = shared_data / "images" / "sign_digits" / part / name
            (tmp_path / "hands" / part / name).mkdir(parents=True)
            for path in sorted(source.iterdir())[:6]:
                (tmp_path / "hands" / part / name / path.name).symlink_to(path)
    (tmp_path / "photos").mkdir()
    photos = [p for p in sorted((shared_data / "images" / "imagenet_sample").iterdir()) if p.suffix == ".jpg"][:15]
    for path in photos:
        (tmp_path / "photos" / path.name).symlink_to(path)

    def small(image):
        return np.asarray(image.resize((16, 16)), dtype=np.float32).transpose(2, 0, 1) / 255

    backbone = ModuleBackbone(torch.nn.AvgPool2d(4), small, name="mean")
    pooled = ModuleBackbone(
        torch.nn.Sequential(torch.nn.AvgPool2d(4), torch.nn.Flatten()), small, name="mean of 16 fields"
    )
    for network in (backbone, pooled):
        features = extract(tmp_path / "hands", network, ood=[tmp_path / "photos", "class:2"], corruptions=True)
        photographs, two = features.ood
        assert (photographs.name, len(photographs.X), set(photographs.groups)) == ("photos", 15, {0})
        assert {len(photographs.search), len(photographs.report)} == {7, 8}
        assert (len(two.search), len(two.report)) == (6, 6)
        assert features.class_names == ("0", "1") and len(features.y) == 24
        assert features.corrupted.X.shape == (4, 24, network.width)
        again = extract(tmp_path / "hands", network, ood=[tmp_path / "photos", "class:2"], corruptions=True)
        assert [ood.digest for ood in again.ood] == [ood.digest for ood in features.ood]
        assert (again.corrupted.digest, again.digest) == (features.corrupted.digest, features.digest)
