"""Feature files and arrays: what is read, and every refusal with its sentence."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from evoprune.data import from_arrays, load_feature_file
from evoprune.errors import ConfigError, DataError

RNG = np.random.default_rng(0)
X8, X4 = RNG.normal(size=(8, 3)).astype(np.float32), RNG.normal(size=(4, 3)).astype(np.float32)
Y8, Y4 = np.arange(8) % 2, np.arange(4) % 2
GOOD = {"X_train": X8, "y_train": Y8, "X_test": X4, "y_test": Y4}


@pytest.fixture
def save(tmp_path):
    def write(**arrays):
        np.savez(tmp_path / "f.npz", **arrays)
        return tmp_path / "f.npz"

    return write


def test_train_and_test(save):
    features = load_feature_file(save(**GOOD))
    assert features.name == "f"
    assert features.X.dtype == np.float32
    assert features.y.dtype == np.int64
    assert features.class_names == ("0", "1")
    (division,) = features.divisions
    assert division.validation is None
    np.testing.assert_array_equal(features.X[division.train], X8)
    np.testing.assert_array_equal(features.X[division.test], X4)
    np.testing.assert_array_equal(features.y[division.test], Y4)


def test_validation_part_and_class_names(save):
    features = load_feature_file(save(**GOOD, X_val=X4 + 1, y_val=1 - Y4, class_names=np.array(["cat", "dog"])))
    (division,) = features.divisions
    assert features.class_names == ("cat", "dog")
    np.testing.assert_array_equal(features.X[division.validation], X4 + 1)
    np.testing.assert_array_equal(features.y[division.validation], 1 - Y4)
    np.testing.assert_array_equal(features.X[division.test], X4)


def test_one_matrix_is_split_by_seed(save):
    X = np.arange(100, dtype=np.float32)[:, None]
    path = save(X=X, y=np.arange(100) % 4)
    features = load_feature_file(path, seed=1)
    (division,) = features.divisions
    assert [len(division.train), len(division.validation), len(division.test)] == [60, 20, 20]
    assert np.bincount(features.y[division.test]).tolist() == [5, 5, 5, 5]
    np.testing.assert_array_equal(features.X, X)
    np.testing.assert_array_equal(load_feature_file(path, seed=1).divisions[0].test, division.test)
    assert not np.array_equal(load_feature_file(path, seed=2).divisions[0].test, division.test)
    assert load_feature_file(path, split=(0.8, 0, 0.2)).divisions[0].validation is None


@pytest.mark.parametrize("kind", [np.float16, np.float64, np.int32, np.uint8, ">f4"])
def test_numbers_become_float32(save, kind):
    X = np.arange(24).reshape(8, 3).astype(kind)
    features = load_feature_file(save(X_train=X, y_train=Y8, X_test=X[:4], y_test=Y4))
    assert features.X.dtype == np.float32
    assert features.X.dtype.isnative
    np.testing.assert_array_equal(features.X[:8], X.astype(float))


@pytest.mark.parametrize("kind", [np.int8, np.uint8, np.int32, np.uint64])
def test_any_integers_are_numbered_and_named_after_themselves(kind):
    y = np.array([7, 3, 100, 7, 3, 100], dtype=kind)
    features = from_arrays(X8[:6], y, X4[:3], np.array([3, 7, 100]))
    assert features.class_names == ("3", "7", "100")
    assert features.y.tolist() == [1, 0, 2, 1, 0, 2, 0, 1, 2]


def test_negative_labels_without_names_are_allowed():
    assert from_arrays(X8, np.where(Y8, 1, -1), X4, np.where(Y4, 1, -1)).class_names == ("-1", "1")


def test_other_arrays_in_the_file_are_ignored_even_unreadable_ones(save):
    assert load_feature_file(save(**GOOD, paths=np.array([{"a": 1}], dtype=object))).X.shape == (12, 3)


def test_lists_are_arrays_too():
    features = from_arrays(X8.tolist(), Y8.tolist(), X4.tolist(), Y4.tolist(), class_names=["a", "b"], name="mine")
    assert features.name == "mine"
    np.testing.assert_array_equal(features.X, np.concatenate([X8, X4]))


def test_arrays_without_a_test_part_are_split():
    features = from_arrays(np.repeat(X8, 3, axis=0), np.repeat(Y8, 3), seed=4)
    assert [len(p) for p in (features.divisions[0].train, features.divisions[0].test)] == [14, 4]


@given(
    hnp.arrays(np.float32, st.tuples(st.integers(4, 9), st.integers(1, 4)), elements=st.floats(-9, 9, width=32)),
    st.data(),
)
def test_no_row_is_lost_or_changed(X, data):
    y = np.arange(len(X)) % 2
    order = data.draw(st.permutations(range(len(X))))
    features = from_arrays(X[order], y[order], X, y)
    (division,) = features.divisions
    np.testing.assert_array_equal(features.X[division.train], X[order])
    np.testing.assert_array_equal(features.y[division.train], y[order])
    np.testing.assert_array_equal(features.X[division.test], X)


def changed(value, row=2, column=1, kind=np.float32):
    X = X8.astype(kind)
    X[row, column] = value
    return X


REFUSED = [
    (
        {"X_train": changed(np.nan)},
        r"X_train is nan at row 2, column 1 \(counted from 0\); features must be finite",
    ),
    ({"X_test": changed(-np.inf)[:4]}, r"X_test is -inf at row 2, column 1"),
    (
        {"X_train": changed(1e300, kind=float)},
        r"X_train is 1e\+300, too large for float32 at row 2, column 1",
    ),
    ({"X_test": X4[:, :2]}, r"X_train has 3 features a row, but X_test has 2; the widths must be equal"),
    (
        {"y_train": Y8[:5]},
        r"y_train has shape \[5\], but X_train has 8 rows; give one label per row, shape \[8\]",
    ),
    ({"y_train": Y8[:, None]}, r"y_train has shape \[8, 1\], but X_train has 8 rows"),
    (
        {"y_train": Y8.astype(float)},
        r"y_train holds float64 labels, but integers are needed; number the classes",
    ),
    ({"y_train": Y8.astype(bool)}, r"y_train holds bool labels, but integers"),
    (
        {"y_train": Y8.astype(str)},
        r"y_train holds <U\d+ labels, but integers .* give their names as class_names",
    ),
    ({"X_train": X8[:, 0]}, r"X_train has shape \[8\]; give a matrix \[rows, features\] that is not empty"),
    ({"X_train": X8[:0], "y_train": Y8[:0]}, r"X_train has shape \[0, 3\]; give a matrix"),
    ({"X_train": X8[:, :0]}, r"X_train has shape \[8, 0\]"),
    (
        {"X_train": X8.astype(complex)},
        r"X_train holds complex128 values, but features are real numbers",
    ),
    ({"X_train": X8.astype(str)}, r"X_train holds <U\d+ values"),
    ({"y_train": Y8 * 0, "y_test": Y4 * 0}, r"has only one class \('0'\); a classifier needs at least two"),
    ({"y_test": Y4 * 0}, r"class '1' is missing in the test part of .*; every part needs every class"),
    ({"y_test": Y4 + 1}, r"class '2' is missing in the training part"),
]


@pytest.mark.parametrize(("change", "sentence"), REFUSED)
def test_refused_in_a_file(save, change, sentence):
    path = save(**{**GOOD, **change})
    with pytest.raises(DataError, match=sentence) as caught:
        load_feature_file(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("change", "sentence"), REFUSED)
def test_refused_in_memory(change, sentence):
    with pytest.raises(DataError, match=sentence):
        from_arrays(**{**GOOD, **change}, name="mine")


@pytest.mark.parametrize(
    ("arrays", "sentence"),
    [
        (
            {"X_train": X8, "y_train": Y8},
            r"lacks X_test, y_test \(it has X_train, y_train\); give X_train, y_train",
        ),
        ({"x": X8, "label": Y8}, r"lacks X_train, y_train, X_test, y_test \(it has x, label\)"),
        ({}, r"lacks X_train, .* \(it has no arrays\)"),
        ({**GOOD, "X_val": X4}, r"lacks y_val"),
        (
            {**GOOD, "class_names": np.array([1, 2])},
            r"class_names is int64 of shape \[2\]; give a list of texts",
        ),
        ({**GOOD, "class_names": np.array(["a", "a"])}, r"class_names \['a', 'a'\] must be distinct names"),
        (
            {**GOOD, "class_names": np.array(["a"])},
            r"label 1 is outside 0\.\.0, the numbers of the 1 class_names",
        ),
        ({**GOOD, "class_names": np.array(["a", "b", "c"])}, r"class 'c' is missing in the training part"),
        ({**GOOD, "y_train": Y8 - 1, "class_names": np.array(["a", "b"])}, r"label -1 is outside 0\.\.1"),
        ({"X": X8[:4], "y": Y4}, r"class '0' of .*f\.npz has 2 image\(s\) or row\(s\), too few"),
        ({"X": X8, "y": Y8 * 0}, r"has only one class"),
        (
            {**GOOD, "X_train": np.array([[1, {}]], dtype=object)},
            r"'X_train' holds Python objects, which are never loaded",
        ),
        ({**GOOD, "class_names": np.array(["a", "b"], dtype=object)}, r"'class_names' holds Python objects"),
    ],
)
def test_refused_files(save, arrays, sentence):
    with pytest.raises(DataError, match=sentence) as caught:
        load_feature_file(save(**arrays))
    assert "f.npz" in str(caught.value)


def test_missing_file(tmp_path):
    with pytest.raises(DataError, match=r"none\.npz is not a file; give an \.npz file with X_train"):
        load_feature_file(tmp_path / "none.npz")


@pytest.mark.parametrize("contents", [b"", b"hello", b"\x93NUMPY\x01\x00"])
def test_not_an_npz_file(tmp_path, contents):
    (tmp_path / "a.npz").write_bytes(contents)
    with pytest.raises(DataError, match=r"a\.npz is damaged or not an \.npz file"):
        load_feature_file(tmp_path / "a.npz")


def test_truncated_file(save):
    path = save(**GOOD)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DataError, match="is damaged or not an .npz file"):  # noqa: RUF043
        load_feature_file(path)


def test_flipped_bytes(save):
    path = save(**GOOD)
    contents = bytearray(path.read_bytes())
    position = contents.index(X8.tobytes()) + 5
    contents[position] ^= 0xFF
    path.write_bytes(contents)
    with pytest.raises(DataError, match=r"'X_train' cannot be read, the file is damaged"):
        load_feature_file(path)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"X_test": X4}, r"mine: X_test and y_test go together, but only one of them is given"),
        ({"y_val": Y4}, r"mine: X_val and y_val go together"),
        ({"X_val": X4, "y_val": Y4}, r"mine: X_val is given but X_test is not"),
        (
            {"X_test": [[1.0, 2.0, 3.0], [1.0]], "y_test": Y4},
            r"mine: X_test is not a matrix .* unequal widths",
        ),
    ],
)
def test_refused_arguments(arguments, sentence):
    with pytest.raises(DataError, match=sentence):
        from_arrays(X8, Y8, **arguments, name="mine")


def test_unusable_split():
    with pytest.raises(ConfigError, match="split="):
        from_arrays(X8, Y8, split=(1, 1, 1))


def test_real_features(shared_data):
    features = load_feature_file(shared_data / "features" / "sign_digits.npz")
    assert features.X.shape == (2062, 1280)
    assert features.class_names == tuple(str(digit) for digit in range(10))
    assert len(features.divisions[0].test) == 411
