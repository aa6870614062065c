"""Features that do not fit into memory: the same results, and no step that holds all of them."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import evoprune as ep
from evoprune import _large
from evoprune.data import ArrayImage
from evoprune.features import extract, from_arrays, with_ood, without_classes, write_feature_file
from evoprune.search import SearchOptions
from evoprune.training import FAST

ROOT = Path(__file__).resolve().parents[2]


def mapped(array):
    while array is not None and not isinstance(array, np.memmap):
        array = array.base
    return array is not None


@pytest.fixture
def blobs():
    rng = np.random.default_rng(0)
    y = np.arange(600) % 4
    X = (rng.normal(size=(4, 16))[y] + rng.normal(size=(600, 16))).astype(np.float32)
    return X, y


def outcome(X, y, tmp_path, name):
    """All that a run says and keeps, times aside."""
    features = with_ood(from_arrays(X, y, name="blobs"), ["class:3"])
    settings = {
        "head": ep.Head(8),
        "objectives": ("calibrated_loss", "active", "ood"),
        "ood_score": "mahalanobis",
        "recipe": FAST.model_copy(update={"epochs": 2, "batch_size": 32}),
        "search": SearchOptions(population=6),
        "report_seeds": 1,
    }
    result = ep.Study(features, output=tmp_path / name, folds=2, **settings).run(12)
    said = result.summary()
    model = {path.name: path.read_bytes() for path in (tmp_path / name / "model").iterdir()}
    return {key: value for key, value in said.items() if key not in ("run", "seconds")}, model, mapped(features.X)


def test_a_run_gives_the_same_bits_on_a_machine_with_little_memory(blobs, tmp_path, monkeypatch):
    roomy = outcome(*blobs, tmp_path, "roomy")
    monkeypatch.setattr(_large, "machine_memory", lambda: 0)
    tight = outcome(*blobs, tmp_path, "tight")
    assert tight[:2] == roomy[:2]
    assert (roomy[2], tight[2]) == (False, True)


def test_what_is_taken_from_large_features_is_mapped(blobs, monkeypatch, tmp_path, images_of, counting):
    features = from_arrays(*blobs, name="blobs")
    expected = without_classes(features, ["1"])
    write_feature_file(tmp_path / "small.npz", features)
    monkeypatch.setattr(_large, "machine_memory", lambda: 0)
    found = without_classes(features, ["1"])
    assert mapped(found.X) and found.digest == expected.digest
    write_feature_file(tmp_path / "large.npz", features)
    assert (tmp_path / "large.npz").read_bytes() == (tmp_path / "small.npz").read_bytes()
    # The same images in another order, and a cache that cannot be written to.
    images = images_of(20)
    X = extract(images, counting()).X
    turned = extract(replace(images, images=images.images[::-1]), counting()).X
    assert mapped(turned) and turned.tobytes() == X[::-1].tobytes()


def test_without_a_cache_images_that_repeat_are_right_too(images_of, counting, tmp_path, monkeypatch):
    single = images_of(20)
    doubled = replace(single, images=(*single.images[:-1], ArrayImage("twin", single.images[0].pixels)))
    expected = extract(doubled, counting(), notify=[].append).X
    (tmp_path / "blocked").write_text("a file where the folder should be")
    monkeypatch.setenv("EVOPRUNE_CACHE", str(tmp_path / "blocked"))
    found = extract(doubled, counting(), notify=[].append).X
    assert found.tobytes() == expected.tobytes() and not found.flags.writeable


def test_an_extraction_never_holds_all_features(tmp_path):
    # 400 MB of features; a shard has 64.
    sizes = ("--rows", "50000", "--width", "2048", "--memory", "0.5", "--only", "extract")
    done = subprocess.run(
        [sys.executable, ROOT / "benchmarks" / "memory.py", *sizes, "--folder", tmp_path],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    most, imports = (float(words.split()[0]) for words in re.findall(r"[\d.]+ GiB", done.stdout))
    assert most - imports < 0.25
