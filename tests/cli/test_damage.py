"""Files that are no longer what was written: one sentence, never a traceback, and a way back."""

from __future__ import annotations

import json
import shutil
import sqlite3

import numpy as np
import pytest

from ..sealed import reseal
from .conftest import SMALL, refused, save_image


@pytest.fixture
def run(finished, tmp_path):
    """A copy of a finished run, to be damaged."""
    shutil.copytree(finished, tmp_path / "run")
    return tmp_path / "run"


def again(blobs):
    return ("run", "--features", blobs, *SMALL, "-o", "run")


@pytest.mark.parametrize("share", [0.02, 0.3, 0.5, 0.7, 0.99])
def test_a_store_that_was_cut_short(evoprune, run, blobs, share):
    whole = (run / "study.sqlite").read_bytes()
    (run / "study.sqlite").write_bytes(whole[: int(share * len(whole))])
    for arguments in (again(blobs), ("show", "run"), ("resume", "run")):
        said = refused(evoprune(*arguments), status=3)
        assert "run/study.sqlite" in said
        assert "damaged" in said
    (run / "study.sqlite").unlink()
    assert evoprune(*again(blobs)).status == 0


@pytest.mark.parametrize("seed", range(12))
def test_a_store_that_was_written_over(evoprune, run, blobs, seed):
    """Whatever the damage hits, the answer is a result or one sentence."""
    rng = np.random.default_rng(seed)
    contents = bytearray((run / "study.sqlite").read_bytes())
    length = int(rng.integers(1, 3000))
    start = int(rng.integers(0, len(contents) - length))
    contents[start : start + length] = rng.bytes(length)
    (run / "study.sqlite").write_bytes(contents)
    for arguments in (("show", "run"), again(blobs)):
        outcome = evoprune(*arguments)
        assert "Traceback" not in outcome.err
        if outcome.status:
            # Damage to what the search does not read is found after it.
            said = outcome.lines[-1]
            assert "run/study.sqlite" in said or "no result yet" in said
            assert outcome.status == (3 if "run/study.sqlite is damaged" in said else 2)


@pytest.mark.parametrize(
    ("statement", "sentence", "status"),
    [
        ("UPDATE results SET value = '{'", "its result", 3),
        ("UPDATE results SET value = 'null' WHERE name = 'summary'", "no result yet", 2),
        ("""UPDATE results SET value = '{"evaluations": 12}' WHERE name = 'summary'""", "no result yet", 2),
        ("UPDATE meta SET value = 'x' WHERE key = 'length'", "its table `meta` cannot be read", 3),
        ("UPDATE meta SET value = '3' WHERE key = 'schema_version'", "schema version 3, this program reads 2", 2),
        ("UPDATE evaluations SET genome = x'01' WHERE id = 1", "an evaluation cannot be read", 3),
        ("UPDATE evaluations SET finished = 'yesterday'", "the time of an evaluation cannot be read", 3),
        ("DROP TABLE evaluations", "no such table", 3),
    ],
)
def test_a_store_that_holds_nonsense(evoprune, run, statement, sentence, status):
    connection = sqlite3.connect(run / "study.sqlite")
    with connection:
        connection.execute(statement)
        if not statement.startswith("DROP"):
            reseal(connection)
    connection.close()
    assert sentence in refused(evoprune("show", "run"), status)


def test_a_result_that_cannot_be_shown_is_made_again(evoprune, run):
    before = json.loads(evoprune("show", "run", "--json").out)
    connection = sqlite3.connect(run / "study.sqlite")
    with connection:
        connection.execute("""UPDATE results SET value = '{"best": 1}'""")
        reseal(connection)
    connection.close()
    assert "continue with: evoprune resume run" in refused(evoprune("show", "run"))
    assert json.loads(evoprune("resume", "run", "--json").out) == before


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "setting 'data' is missing"),
        ("protocol = ", "is not valid TOML"),
        ('data = "x"\nprotocol = "peper"', "protocol = 'peper' is not possible"),
        ('data = "x"\ncolour = "red"', "setting 'colour' is unknown"),
        ('data = "x"\nevaluations = "many"', "evaluations = 'many' is not possible"),
        ('data = "x"\n[recipe]\noptimizer = "adam"', "setting 'recipe.learning_rate' is missing"),
        (b"\xff\xfe\x00", "is not valid TOML"),
    ],
)
def test_a_configuration_that_was_edited_badly(evoprune, run, blobs, text, sentence):
    (run / "config.toml").write_bytes(text if isinstance(text, bytes) else text.encode())
    for arguments in (again(blobs), ("resume", "run")):
        said = refused(evoprune(*arguments))
        assert "run/config.toml" in said
        assert sentence in said
    assert "Traceback" not in evoprune("show", "run").err


def test_a_study_without_its_configuration_is_not_taken_over(evoprune, run, blobs):
    (run / "config.toml").unlink()
    assert "holds a study but no config.toml" in refused(evoprune(*again(blobs)))


@pytest.mark.parametrize("name", ["head.safetensors", "model.json"])
@pytest.mark.parametrize("damage", ["missing", "empty", "cut", "flipped", "text"])
def test_a_damaged_model_is_refused_and_made_again(evoprune, tmp_path, pictures, pictures_run, name, damage):
    shutil.copytree(pictures_run, tmp_path / "run")
    path = tmp_path / "run" / "model" / name
    whole = path.read_bytes()
    contents = {
        "empty": b"",
        "cut": whole[: len(whole) // 2],
        "flipped": whole[:-20] + bytes([whole[-20] ^ 1]) + whole[-19:],
        "text": b"not a model",
        "missing": None,
    }[damage]
    if contents is None:
        path.unlink()
    else:
        path.write_bytes(contents)
    image = pictures / "red" / "0.png"
    outcome = evoprune("predict", "run", image)
    assert f"run/model/{name}" in refused(outcome)
    assert evoprune("resume", "run").status == 0
    assert path.read_bytes() == whole
    assert evoprune("predict", "run", image).status == 0


def test_a_run_whose_images_have_changed_is_not_mixed_up(evoprune, tmp_path, pictures):
    shutil.copytree(pictures, tmp_path / "own")
    assert evoprune("run", "own", *SMALL).status == 0
    save_image(tmp_path / "own" / "red" / "new.png", 77, (150, 0, 0))
    outcome = evoprune("run", "own", *SMALL)
    assert outcome.status == 2
    assert "made from other features or settings" in outcome.lines[-1]


def test_a_damaged_cache_is_made_again_and_said(evoprune, tmp_path, monkeypatch, pictures):
    monkeypatch.setenv("EVOPRUNE_CACHE", str(tmp_path / "cache"))
    assert evoprune("features", pictures).status == 0
    (entry,) = (tmp_path / "cache").rglob("*.safetensors")
    whole = entry.read_bytes()
    entry.write_bytes(whole[:-3])
    outcome = evoprune("features", pictures)
    assert outcome.status == 0
    assert "warning: the cached features" in outcome.err
    assert "are damaged" in outcome.err
    assert entry.read_bytes() == whole
