"""OOD material from folders, files and matrices: what is read, what a class is, and every refusal."""

from __future__ import annotations

import numpy as np
import pytest

from evoprune.data import load_ood_features, load_ood_images, ood_from_array
from evoprune.errors import DataError

X6 = np.arange(12, dtype=np.float32).reshape(6, 2)


@pytest.fixture
def save(tmp_path):
    def write(**arrays):
        np.savez(tmp_path / "o.npz", **arrays)
        return tmp_path / "o.npz"

    return write


def test_a_flat_folder_is_one_class(make_folder):
    images, groups = load_ood_images(make_folder({".": 4}))
    assert [image.path.name for image in images] == ["000.png", "001.png", "002.png", "003.png"]
    assert groups.tolist() == [0, 0, 0, 0] and groups.dtype == np.int64


def test_every_folder_that_holds_images_is_a_class(make_folder):
    root = make_folder({".": 1, "a": 2, "a/deep/er": 3, "b/only/below": 2, "b/empty": 0, ".hidden": 2})
    images, groups = load_ood_images(root)
    folders = [image.path.parent.relative_to(root).as_posix() for image in images]
    assert sorted(set(folders)) == [".", "a", "a/deep/er", "b/only/below"]
    assert len({(folder, group) for folder, group in zip(folders, groups, strict=True)}) == 4
    assert np.bincount(groups).tolist() == [1, 2, 3, 2]


def test_no_image_is_decoded(make_folder):
    root = make_folder({"a": 2})
    (root / "a" / "broken.jpg").write_text("not an image")
    assert len(load_ood_images(root)[0]) == 3


def test_a_folder_without_images_is_refused(make_folder):
    root = make_folder({"a": 0})
    (root / "a" / "1.heic").touch()
    with pytest.raises(DataError, match=r"data holds no images \(there are only 1 \.heic files\); JPEG"):
        load_ood_images(root)
    with pytest.raises(DataError, match="nowhere does not exist"):
        load_ood_images(root / "nowhere")


def test_one_matrix_with_labels(save):
    X, groups = load_ood_features(save(X=X6.astype(float), y=np.array([7, 3, 7, 7, 3, 100])))
    np.testing.assert_array_equal(X, X6)
    assert X.dtype == np.float32 and groups.tolist() == [1, 0, 1, 1, 0, 2] and groups.dtype == np.int64


def test_one_matrix_without_labels(save, tmp_path):
    np.save(tmp_path / "o.npy", X6)
    for path in (save(X=X6), tmp_path / "o.npy", str(tmp_path / "o.npy")):
        X, groups = load_ood_features(path)
        np.testing.assert_array_equal(X, X6)
        assert groups.tolist() == [0] * 6


def test_parts_of_a_feature_file_are_put_together(save):
    parts = {"X_train": X6[:3], "X_val": X6[3:4], "X_test": X6[4:]}
    labels = {"y_train": np.array([0, 1, 0]), "y_val": np.array([1]), "y_test": np.array([1, 0])}
    X, groups = load_ood_features(save(**parts, **labels, class_names=np.array(["a", "b"])))
    np.testing.assert_array_equal(X, X6)
    assert groups.tolist() == [0, 1, 0, 1, 1, 0]
    assert load_ood_features(save(**parts))[1].tolist() == [0] * 6


def test_a_single_class_and_a_single_part_are_fine(save):
    assert load_ood_features(save(X_test=X6, y_test=np.full(6, 3)))[1].tolist() == [0] * 6


@pytest.mark.parametrize(
    ("arrays", "sentence"),
    [
        ({"Z": X6}, r"o\.npz lacks X \(it has Z\); give X \(and y\), or X_train and X_test"),
        ({}, r"lacks X \(it has no arrays\)"),
        ({"X_train": X6, "y_train": np.arange(6), "X_test": X6}, r"o\.npz lacks y_test; give the labels of all"),
        ({"X_train": X6, "X_test": X6[:, :1]}, r"X_train has 2 features a row, but X_test has 1"),
        ({"X": X6, "y": np.arange(5)}, r"y has shape \[5\], but X has 6 rows"),
        ({"X": X6, "y": np.arange(6.0)}, r"y holds float64 labels, but integers are needed"),
        ({"X": np.where(X6 == 3, np.nan, X6)}, r"X is nan at row 1, column 1"),
        ({"X": X6[0]}, r"X has shape \[2\]; give a matrix"),
        ({"X": np.array([[{}]], dtype=object)}, r"'X' holds Python objects, which are never loaded"),
    ],
)
def test_refused_files(save, arrays, sentence):
    with pytest.raises(DataError, match=sentence) as caught:
        load_ood_features(save(**arrays))
    assert "o.npz" in str(caught.value) and "\n" not in str(caught.value)


def test_refused_matrix_files(tmp_path):
    path = tmp_path / "o.npy"
    with pytest.raises(DataError, match=r"o\.npy is not a file"):
        load_ood_features(path)
    for contents in (b"", b"hello", b"\x93NUMPY\x01\x00"):
        path.write_bytes(contents)
        with pytest.raises(DataError, match=r"o\.npy cannot be read, the file is damaged"):
            load_ood_features(path)
    np.save(path, X6)
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(DataError, match=r"o\.npy cannot be read, the file is damaged"):
        load_ood_features(path)
    np.save(path, np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match="holds Python objects, which are never loaded"):
        load_ood_features(path)


@pytest.mark.parametrize(
    ("array", "sentence"),
    [
        ([[1.0], [1.0, 2.0]], r"mine is not a matrix of numbers; its rows are of unequal widths"),
        ([1.0, 2.0], r"mine has shape \[2\]; give a matrix"),
        ([[1.0, np.inf]], r"mine is inf at row 0, column 1"),
        ([["a"]], r"mine holds <U1 values"),
    ],
)
def test_refused_matrices(array, sentence):
    with pytest.raises(DataError, match=sentence):
        ood_from_array(array, "mine")
