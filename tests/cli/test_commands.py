"""`predict`, `features` and `cache`, and names of files and classes that are hostile to a terminal."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from evoprune.model import Model

from .conftest import SMALL, process, refused, save_image


def test_predict_names_class_and_probability(evoprune, pictures, pictures_run):
    images = [pictures / name / "3.png" for name in ("blue", "red")]
    table = evoprune("predict", pictures_run, *images)
    assert table.status == 0
    assert table.out.split()[:3] == ["image", "class", "probability"]
    assert max(map(len, table.out.splitlines())) <= 80
    said = json.loads(evoprune("predict", pictures_run, *images, "--json").out)
    expected = Model.load(pictures_run / "model").predict(images)
    assert [(s["image"], s["class"], s["probability"]) for s in said] == [
        (str(i), p.label, p.probability) for i, p in zip(images, expected, strict=True)
    ]
    for one in said:
        assert sum(one["probabilities"].values()) == pytest.approx(1)
        assert one["probabilities"][one["class"]] == one["probability"] == max(one["probabilities"].values())


def test_predict_refuses_what_it_cannot_do(evoprune, tmp_path, finished, pictures, pictures_run):
    (tmp_path / "text.png").write_text("no image")
    assert "text.png cannot be read as an image" in refused(evoprune("predict", pictures_run, "text.png"))
    assert "nowhere.png" in refused(evoprune("predict", pictures_run, "nowhere.png"))
    assert "has no backbone" in refused(evoprune("predict", finished, pictures / "red" / "3.png"))
    shutil.copytree(pictures_run, tmp_path / "begun")
    shutil.rmtree(tmp_path / "begun" / "model")
    assert "holds no model yet" in refused(evoprune("predict", "begun", pictures / "red" / "3.png"))


def test_features_are_cached_and_written(evoprune, tmp_path, monkeypatch, pictures):
    monkeypatch.setenv("EVOPRUNE_CACHE", str(tmp_path / "cache"))
    assert "0 files in" in evoprune("cache", "list").out
    first = evoprune("features", pictures, "-o", "pictures.npz")
    assert first.status == 0
    assert "pictures: 30 rows (18 train, 6 validation, 6 test), 3 classes, " in first.out
    assert "features: 30 of 30 images" in first.err
    assert evoprune("features", pictures).err == ""
    with np.load("pictures.npz", allow_pickle=False) as written:
        assert {part: len(written[f"X_{part}"]) for part in ("train", "val", "test")} == {
            "train": 18,
            "val": 6,
            "test": 6,
        }
    assert evoprune("run", "--features", "pictures.npz", *SMALL).status == 0

    listed = evoprune("cache", "list")
    assert "1 file in" in listed.out
    assert "tiny" in listed.out
    (entry,) = json.loads(evoprune("cache", "verify", "--json").out)
    assert (entry["images"], entry["backbone"], entry["state"]) == (30, "tiny", "ok")
    assert evoprune("cache", "clear").out.startswith("1 file removed, ")
    assert json.loads(evoprune("cache", "list", "--json").out) == []


def test_verify_finds_a_damaged_entry(evoprune, tmp_path, monkeypatch, pictures):
    monkeypatch.setenv("EVOPRUNE_CACHE", str(tmp_path / "cache"))
    evoprune("features", pictures)
    (entry,) = (tmp_path / "cache").rglob("*.safetensors")
    contents = bytearray(entry.read_bytes())
    contents[-100] ^= 1
    entry.write_bytes(contents)
    outcome = evoprune("cache", "verify")
    assert outcome.status == 2
    assert "damaged" in outcome.out
    assert str(entry) in outcome.err


def test_skipped_images_are_counted(evoprune, tmp_path, pictures):
    shutil.copytree(pictures, tmp_path / "own")
    (tmp_path / "own" / "red" / "9.png").write_text("no image")
    outcome = evoprune("run", "own", *SMALL, "--skip-broken")
    assert outcome.status == 0
    assert "warning: 1 unreadable image left out: " in outcome.err
    assert "1 unreadable image(s) left out" in (tmp_path / "runs" / "own" / "log.txt").read_text()


def test_duplicates_are_said(evoprune, tmp_path):
    for part in ("train", "test"):
        for number, name in enumerate("ab"):
            for i in range(4):
                save_image(tmp_path / "twice" / part / name / f"{i}.png", 10 * number + i, (0, 0, 0))
    outcome = evoprune("run", "twice", *SMALL)
    assert outcome.status == 0
    assert "warning: 8 test image(s) of twice also stand in the training part" in outcome.err


HOSTILE = ["[red]bold[", "esc\x1b[31mape", "line\nfeed", ":smile: 100%", "ä" * 50 + " long" * 10]


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """Images whose classes, files and folder have names that act on a terminal."""
    root = tmp_path_factory.mktemp("hostile") / "a [bold] set"
    for number, name in enumerate(HOSTILE):
        for i in range(5):
            save_image(root / name / f"[green]{i}.png", 10 * number + i, (30 * number, 0, 150 - 30 * number))
    return root


def test_hostile_names_are_shown_and_never_interpreted(evoprune, hostile):
    run = evoprune("run", hostile, *SMALL)
    assert run.status == 0
    assert run.out.startswith("runs/a [bold] set  (nested protocol)")
    images = [hostile / name / "[green]1.png" for name in HOSTILE]
    table = evoprune("predict", "runs/a [bold] set", *images)
    assert table.status == 0
    assert max(map(len, table.out.splitlines())) <= 80
    joined = "".join(line[:40].rstrip() for line in table.out.splitlines())
    assert "[green]1.png" in joined
    assert "\x1b" not in table.out
    said = json.loads(evoprune("predict", "runs/a [bold] set", *images, "--json").out)
    assert list(said[0]["probabilities"]) == sorted(HOSTILE)
    (hostile / HOSTILE[1] / "[blink]broken.png").write_text("")
    outcome = evoprune("run", hostile, "-o", "other")
    assert outcome.status == 2
    assert "esc\\x1b[31mape/[blink]broken.png: " in outcome.err
    assert "\x1b" not in outcome.err


def test_terminals_that_know_ascii_only(tmp_path, pictures, pictures_run):
    shutil.copy(pictures / "red" / "0.png", tmp_path / "ärger.png")
    outcome = process("predict", pictures_run, "ärger.png", cwd=tmp_path, PYTHONIOENCODING="ascii")
    assert outcome.status == 0
    assert "\\xe4rger.png" in outcome.out
