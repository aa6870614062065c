"""Files too large for memory: read in parts, they give the same as any other, and refuse the same damage."""

from __future__ import annotations

import numpy as np
import psutil
import pytest

from evoprune import _large
from evoprune.data import load_feature_file, load_ood_features
from evoprune.errors import DataError

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(9000, 5)).astype(np.float32), np.arange(9000) % 3
PARTS = {"X_train": X[:5000], "y_train": Y[:5000], "X_test": X[5000:], "y_test": Y[5000:]}


@pytest.fixture
def small_memory(monkeypatch):
    """A machine on which all of these are large."""
    monkeypatch.setattr(_large, "machine_memory", lambda: 16 * 10_000)


def mapped(array):
    while array is not None and not isinstance(array, np.memmap):
        array = array.base
    return array is not None


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize(
    "arrays",
    [{"X": X, "y": Y}, PARTS, {"X": np.asfortranarray(X), "y": Y}, {"X": X.astype(np.float64), "y": Y}],
    ids=["one matrix", "parts", "by columns", "float64"],
)
def test_an_archive_gives_the_same_whether_it_is_large_or_not(tmp_path, monkeypatch, save, arrays):
    save(tmp_path / "f.npz", **arrays)
    small = load_feature_file(tmp_path / "f.npz")
    monkeypatch.setattr(_large, "machine_memory", lambda: 16 * 10_000)
    large = load_feature_file(tmp_path / "f.npz")
    assert mapped(large.X) and not mapped(small.X)
    assert large.X.tobytes() == small.X.tobytes() == X.tobytes()
    np.testing.assert_array_equal(large.y, small.y)
    np.testing.assert_array_equal(large.divisions[0].test, small.divisions[0].test)


def test_a_matrix_stands_beside_its_labels_and_stays_in_its_file(tmp_path, small_memory):
    np.save(tmp_path / "f.npy", X)
    np.save(tmp_path / "f.labels.npy", Y)
    np.save(tmp_path / "f.classes.npy", np.array(["a", "b", "c"]))
    features = load_feature_file(tmp_path / "f.npy")
    assert (features.name, features.class_names) == ("f", ("a", "b", "c"))
    assert features.X.tobytes() == X.tobytes() and not features.X.flags.writeable
    base = features.X
    while not isinstance(base, np.memmap):
        base = base.base
    assert base.filename == tmp_path / "f.npy"
    assert mapped(load_ood_features(tmp_path / "f.npy")[0])


def test_a_small_matrix_is_read(tmp_path):
    np.save(tmp_path / "f.npy", X)
    np.save(tmp_path / "f.labels.npy", Y)
    features = load_feature_file(tmp_path / "f.npy")
    assert not mapped(features.X) and features.class_names == ("0", "1", "2")


def test_a_matrix_without_labels_says_where_they_belong(tmp_path):
    np.save(tmp_path / "f.npy", X)
    with pytest.raises(DataError, match=r"f\.npy has no labels; give them as .*f\.labels\.npy"):
        load_feature_file(tmp_path / "f.npy")
    with pytest.raises(DataError, match=r"gone\.npy is not a file; give an \.npy file"):
        load_feature_file(tmp_path / "gone.npy")


def test_a_value_that_is_not_finite_is_found_in_any_part(tmp_path, small_memory):
    bad = X.copy()
    bad[8500, 3] = np.inf
    np.save(tmp_path / "f.npy", bad)
    np.save(tmp_path / "f.labels.npy", Y)
    with pytest.raises(DataError, match="X is inf at row 8500, column 3"):
        load_feature_file(tmp_path / "f.npy")
    wide = X.astype(np.float64)
    wide[7000, 1] = 1e300
    np.savez(tmp_path / "g.npz", X=wide, y=Y)
    with pytest.raises(DataError, match=r"X is 1e\+300, too large for float32 at row 7000, column 1"):
        load_feature_file(tmp_path / "g.npz")


@pytest.mark.parametrize("kept", [0, 1, 0.5, -1])
@pytest.mark.parametrize("name", ["f.npy", "f.npz"])
def test_a_large_file_cut_short_is_refused(tmp_path, small_memory, name, kept):
    np.save(tmp_path / "f.labels.npy", Y)
    path = tmp_path / name
    np.savez(path, X=X, y=Y) if name == "f.npz" else np.save(path, X)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(kept * len(whole)) if isinstance(kept, float) else kept])
    with pytest.raises(DataError, match=r"f\.np[yz]"):
        load_feature_file(path)


def test_a_flipped_bit_of_a_large_archive_is_refused(tmp_path, small_memory):
    for save in (np.savez, np.savez_compressed):
        save(tmp_path / "f.npz", X=X, y=Y)
        whole = bytearray((tmp_path / "f.npz").read_bytes())
        for position in RNG.integers(60, 100_000, 10):
            flipped = whole.copy()
            flipped[position] ^= 16
            (tmp_path / "f.npz").write_bytes(flipped)
            with pytest.raises(DataError, match="damaged"):
                load_feature_file(tmp_path / "f.npz")


def test_objects_in_a_large_archive_are_not_unpickled(tmp_path, monkeypatch):
    np.savez(tmp_path / "f.npz", X=np.array([{}] * 50, dtype=object), y=Y[:50])
    monkeypatch.setattr(_large, "machine_memory", lambda: 0)
    with pytest.raises(DataError, match="holds Python objects, which are never loaded"):
        load_feature_file(tmp_path / "f.npz")


def test_where_there_is_no_room_for_a_file_memory_serves(tmp_path, monkeypatch, caplog, small_memory):
    (tmp_path / "blocked").write_text("a file where the folder should be")
    monkeypatch.setenv("EVOPRUNE_CACHE", str(tmp_path / "blocked"))
    rows = np.arange(8999, -1, -1)
    taken = _large.take(X, rows)
    assert not mapped(taken) and taken.tobytes() == X[rows].tobytes()
    assert "are held in memory, because" in caplog.text


@pytest.mark.parametrize(
    ("says", "expected"), [("1000000\n", 1_000_000), ("max\n", None), (None, None), (f"{1 << 62}", None)]
)
def test_a_container_has_the_memory_that_it_may_use(tmp_path, monkeypatch, says, expected):
    if says is not None:
        (tmp_path / "memory.max").write_text(says)
    monkeypatch.setattr(_large, "_LIMITS", (tmp_path / "memory.max",))
    assert _large.machine_memory() == (expected or psutil.virtual_memory().total)


def test_nothing_is_left_in_the_folder(tmp_path, monkeypatch, small_memory):
    monkeypatch.setenv("EVOPRUNE_CACHE", str(tmp_path / "cache"))
    taken = _large.take(X, np.arange(9000))
    assert mapped(taken) and taken.tobytes() == X.tobytes()
    joined = _large.join([X, X[:10]])
    assert mapped(joined) and joined.tobytes() == np.concatenate([X, X[:10]]).tobytes()
    assert list((tmp_path / "cache").iterdir()) == []
