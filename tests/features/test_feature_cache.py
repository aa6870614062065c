"""The cache: what is written is read again, and what is damaged is seen."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file

from evoprune.errors import StorageError
from evoprune.features import cache_folder, clear, extract, list_entries, verify
from evoprune.features._cache import FeatureCache

FINGERPRINT = "f" * 64


def digests_of(count, start=0):
    return [f"{row:064x}" for row in range(start, start + count)]


def features_of(count, width=3, seed=0):
    return np.random.default_rng(seed).normal(size=(count, width)).astype(np.float32)


def keep(store, digests, features, backbone="net", fingerprint=FINGERPRINT):
    return store.store(backbone, fingerprint, digests, dict(zip(digests, features, strict=True)))


@pytest.fixture
def said():
    return []


@pytest.fixture
def store(said):
    return FeatureCache(said.append)


@pytest.fixture
def entry(store):
    keep(store, digests_of(5), features_of(5))
    (path,) = [item.path for item in list_entries()]
    return path


def test_what_is_stored_is_loaded_bit_for_bit(store, entry, said):
    loaded = store.load(FINGERPRINT, digests_of(5))
    np.testing.assert_array_equal(loaded, features_of(5))
    assert loaded.dtype == np.float32 and not loaded.flags.writeable and not said


def test_the_features_are_mapped_not_read(store, entry):
    base = store.load(FINGERPRINT, digests_of(5))
    while not isinstance(base, np.memmap) and base is not None:
        base = base.base
    assert isinstance(base, np.memmap)


def test_any_order_is_the_same_entry(store, entry):
    order = [3, 0, 4, 1, 2]
    loaded = store.load(FINGERPRINT, [digests_of(5)[row] for row in order])
    np.testing.assert_array_equal(loaded, features_of(5)[order])


def test_other_images_and_other_backbones_are_not_found(store, entry, said):
    assert store.load(FINGERPRINT, digests_of(4)) is None
    assert store.load(FINGERPRINT, digests_of(6)) is None
    assert store.load("e" * 64, digests_of(5)) is None
    assert store.collect("e" * 64, digests_of(5)).rows == {}
    assert not said


def test_rows_of_other_entries_are_found(store, entry):
    keep(store, digests_of(5, start=4), features_of(5, seed=1))
    found = store.collect(FINGERPRINT, digests_of(12)).rows
    assert sorted(found) == digests_of(9)
    np.testing.assert_array_equal(found[digests_of(12)[1]], features_of(5)[1])
    np.testing.assert_array_equal(found[digests_of(12)[8]], features_of(5, seed=1)[4])


def test_an_entry_is_a_safetensors_file(entry):
    tensors = load_file(entry)
    np.testing.assert_array_equal(tensors["features"], features_of(5))
    assert [row.tobytes().hex() for row in tensors["digests"]] == digests_of(5)


def _unusable(path, store, said):
    """Whether the cache finds nothing, and says so exactly once for this file."""
    nothing = store.load(FINGERPRINT, digests_of(5)) is None
    nothing &= store.collect(FINGERPRINT, digests_of(5)).rows == {}
    return nothing and len(said) == 1 and str(path) in said[0] and "computed again" in said[0]


@pytest.mark.parametrize("kept", [0, 1, 7, 8, 9, "half", "all but one", "one more"])
def test_a_file_cut_short_is_damaged(store, entry, said, kept):
    whole = entry.read_bytes()
    cut = {"half": whole[: len(whole) // 2], "all but one": whole[:-1], "one more": whole + b"\0"}
    entry.write_bytes(cut[kept] if isinstance(kept, str) else whole[:kept])
    assert _unusable(entry, store, said)
    assert [item.state for item in list_entries()] == ["damaged"]
    assert [item.state for item in verify()] == ["damaged"]


def test_every_flipped_bit_is_seen(store, entry):
    whole = entry.read_bytes()
    for position in range(len(whole)):
        flipped = bytearray(whole)
        flipped[position] ^= 1 << (position % 8)
        entry.write_bytes(flipped)
        said: list[str] = []
        assert _unusable(entry, FeatureCache(said.append), said), position
    entry.write_bytes(whole)
    assert [item.state for item in verify()] == ["ok"]


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(contents=st.binary(max_size=300))
def test_any_other_contents_are_damage_not_an_error(store, entry, contents):
    entry.write_bytes(contents)
    said: list[str] = []
    assert _unusable(entry, FeatureCache(said.append), said)


def test_an_entry_under_another_name_is_not_believed(store, entry, said):
    keep(store, digests_of(5, start=5), features_of(5, seed=1))
    (other,) = [item.path for item in list_entries() if item.path != entry]
    entry.write_bytes(other.read_bytes())
    assert store.load(FINGERPRINT, digests_of(5)) is None
    assert "damaged" in said[0]


def test_extraction_mends_a_damaged_entry_and_says_so(image_set, counting):
    first = extract(image_set, counting())
    (path,) = [item.path for item in list_entries()]
    damaged = bytearray(path.read_bytes())
    damaged[-40] ^= 16
    path.write_bytes(damaged)
    said = []
    backbone = counting()
    again = extract(image_set, backbone, notify=said.append)
    assert backbone.extracted == 20 and len(said) == 1 and str(path) in said[0]
    assert again.digest == first.digest
    assert [item.state for item in verify()] == ["ok"]


def test_the_environment_moves_the_cache(monkeypatch, tmp_path, image_set, counting):
    extract(image_set, counting())
    monkeypatch.setenv("EVOPRUNE_CACHE", str(tmp_path / "moved"))
    assert cache_folder() == tmp_path / "moved" / "features" and not list_entries()
    extract(image_set, backbone := counting())
    assert backbone.extracted == 20
    (item,) = list_entries()
    assert item.path.is_relative_to(tmp_path / "moved")


def test_without_the_environment_it_is_the_users_cache(monkeypatch):
    monkeypatch.delenv("EVOPRUNE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere/cache")
    assert "evoprune" in cache_folder().parts


def _blocked_by_a_file(tmp_path):
    (tmp_path / "blocked").write_text("a file where the folder should be")
    return tmp_path / "blocked"


def test_a_cache_that_cannot_be_written_is_one_warning(monkeypatch, tmp_path, image_set, counting):
    monkeypatch.setenv("EVOPRUNE_CACHE", str(_blocked_by_a_file(tmp_path)))
    said = []
    features = extract(image_set, counting(), notify=said.append)
    assert features.X.shape == (20, 6)
    assert len(said) == 1 and "EVOPRUNE_CACHE" in said[0] and "\n" not in said[0]


def test_a_read_only_disk_is_one_warning(monkeypatch, image_set, counting):
    def refuse(self, *_args, **_options):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(self))

    monkeypatch.setattr(Path, "mkdir", refuse)
    said = []
    assert extract(image_set, counting(), notify=said.append).X.shape == (20, 6)
    assert len(said) == 1 and "Read-only file system" in said[0]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_one_warning(monkeypatch, tmp_path, image_set, counting):
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    monkeypatch.setenv("EVOPRUNE_CACHE", str(locked))
    said = []
    assert extract(image_set, counting(), notify=said.append).X.shape == (20, 6)
    assert len(said) == 1 and "Permission denied" in said[0]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_full_disk_is_one_warning_and_leaves_nothing(monkeypatch, store, said, cache):
    real = Path.open

    def full(self, mode="r", *args, **options):
        if mode == "xb":
            real(self, mode).close()
            return real(Path("/dev/full"), "wb")
        return real(self, mode, *args, **options)

    monkeypatch.setattr(Path, "open", full)
    keep(store, digests_of(5), features_of(5))
    assert len(said) == 1 and "No space left on device" in said[0]
    assert not [path for path in cache.rglob("*") if path.is_file()]


_PROGRAM = """
import sys
import numpy as np
from evoprune.features._cache import FeatureCache
features = np.random.default_rng(0).normal(size=(200, 64)).astype(np.float32)
digests = [f"{row:064x}" for row in range(200)]
for _ in range(30):
    store = FeatureCache(sys.exit)
    stored = store.store("net", "f" * 64, digests, dict(zip(digests, features)))
    assert np.array_equal(stored, features)
    loaded = store.load("f" * 64, digests)
    assert loaded is not None and np.array_equal(loaded, features)
"""


def test_two_processes_at_once():
    processes = [subprocess.Popen([sys.executable, "-c", _PROGRAM]) for _ in range(2)]
    assert [process.wait() for process in processes] == [0, 0]
    (item,) = verify()
    assert item.state == "ok" and item.images == 200


def test_entries_are_described(store, entry):
    (listed,), (verified,) = list_entries(), verify()
    assert (listed.state, verified.state) == ("unchecked", "ok")
    assert (listed.path, listed.backbone, listed.fingerprint) == (entry, "net", FINGERPRINT)
    assert (listed.images, listed.width, listed.bytes) == (5, 3, entry.stat().st_size)
    assert listed.date.tzinfo is not None


def test_clear_removes_one_backbones_entries_or_all_and_nothing_else(store, entry, cache):
    keep(store, digests_of(2), features_of(2), "other", "e" * 64)
    leftover = entry.parent / ".evoprune-0123.tmp"
    leftover.touch()
    foreign = [cache / "mine" / f"{'a' * 64}.safetensors", entry.parent / "notes.txt", cache / "notes.txt"]
    for path in foreign:
        path.parent.mkdir(exist_ok=True)
        path.touch()
    assert [item.path for item in clear(FINGERPRINT)] == [entry]
    assert not leftover.exists() and [item.backbone for item in list_entries()] == ["other"]
    assert len(clear()) == 1 and not list_entries() and clear() == []
    assert all(path.exists() for path in foreign)


def test_clear_says_what_cannot_be_removed(entry, monkeypatch):
    def refuse(self, missing_ok=False):
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(StorageError, match="cannot be removed: Permission denied"):
        clear()
