"""Every file of a run cut short or with one bit flipped: the same result, or a refusal that names the file."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from ..cli.conftest import COLORS, here, refused, save_image
from .conftest import ALL, many, rare
from .state import FRONT, left_behind, page_data_of

READERS = ("show", "front", "list", "predict", "report")
"""Commands that change nothing and are given every damage; those that compute are given some."""


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished run with an explanation and an ensemble; not to be changed."""
    root = tmp_path_factory.mktemp("damage")
    for number, (name, color) in enumerate(COLORS.items()):
        for i in range(12):
            save_image(root / "pictures" / name / f"{i}.png", 100 * number + i, color)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EVOPRUNE_CACHE", str(root / "cache"))
        patch.chdir(root)
        assert here("run", "pictures", *FRONT, "-o", "run").status == 0
        if ALL:
            assert here("ensemble", "run").status == 0
            assert here("explain", "run", "--neurons", "top2").status == 0
        Path("run").rename("whole")
    return root


@pytest.fixture
def place(finished, monkeypatch):
    """The working directory of commands, with a copy of the run to be damaged."""
    monkeypatch.setenv("EVOPRUNE_CACHE", str(finished / "cache"))
    monkeypatch.chdir(finished)
    shutil.copytree("whole", "run")
    yield finished
    shutil.rmtree("run")


def asked(name):
    """What a command says of the run: exit status, result, and what it told beside it."""
    if name == "report":
        done = here("report", "run", "-o", "page.html")
        return done, page_data_of(Path("page.html")) if done.status == 0 else None
    arguments = {
        "show": ("show", "run", "--json"),
        "front": ("front", "run", "--json"),
        "list": ("list", ".", "--json"),
        "predict": ("predict", "run", "pictures/red/1.png", "--json"),
        "export": ("export", "run", "-o", "out.safetensors", "--head-only", "--json"),
        "ensemble": ("ensemble", "run", "--json", "-o", "again"),
        "explain": ("explain", "run", "--neurons", "top2", "-o", "told"),
    }[name]
    done = here(*arguments)
    return done, done.out if name not in ("export", "explain") else None


def damages(contents, flips, rng):
    """Damaged contents by what was done to them."""
    for name, size in (("0 bytes", 0), ("1 byte", 1), ("half", len(contents) // 2), ("last byte", len(contents) - 1)):
        if size < len(contents):
            yield name, contents[:size]
    for bit in rng.choice(8 * len(contents), size=min(flips, 8 * len(contents)), replace=False).tolist():
        flipped = bytearray(contents)
        flipped[bit // 8] ^= 1 << bit % 8
        yield f"bit {bit}", bytes(flipped)


def of_the_run(folder):
    """What a run has left behind, without what other commands wrote beside it."""
    left = left_behind(folder)
    return left.contents, {name: text for name, text in left.files.items() if not name.startswith(("ens", "expl"))}


def is_refused(done, name, file, damage):
    """Whether a command refused; then in one sentence, with a status that says so."""
    assert "Traceback" not in done.err, (file, damage, name, done.err)
    assert done.status in (0, 2, 3), (file, damage, name, done)
    if done.status:
        said = done.err.strip().splitlines()
        assert done.out == "", (file, damage, name, done)
        assert said[-1].startswith("evoprune: "), (file, damage, name, done)
        assert "run" in said[-1], (file, damage, name, done)
    return done.status != 0


STORE, OTHER = many(6, 200), many(2, 16)
"""Flips of the store, and of each other file."""

READ = ("study.sqlite", "config.toml", "model/head.safetensors", "model/model.json")

FILES = (
    *READ,
    *("ensemble/ensemble.json", "ensemble/model/model.json", "explain/explanation.json", "history.csv", "front.csv"),
    *("hypervolume.csv", "log.txt", "report.html", "run.lock", "convergence.png", "figures/front.png"),
)


@rare
def test_the_files_of_a_run_are_those_that_are_damaged(place):
    there = {path.relative_to(place / "run").as_posix() for path in (place / "run").rglob("*") if path.is_file()}
    assert set(FILES) <= there
    # The others are tables and pictures like these, which nothing reads but people.
    assert all(name.endswith((".png", ".csv", ".md", ".safetensors")) for name in there - set(FILES))


@pytest.mark.parametrize("file", FILES if ALL else READ)
def test_a_damaged_file_never_gives_another_result(place, record, file):
    rng = np.random.default_rng(FILES.index(file))
    path, whole = place / "run" / file, (place / "whole" / file).read_bytes()
    clean = {name: asked(name)[1] for name in READERS}
    shown, ends = of_the_run(place / "run"), Counter()
    for number, (damage, contents) in enumerate(damages(whole, STORE if file == "study.sqlite" else OTHER, rng)):
        path.write_bytes(contents)
        for name in READERS:
            done, result = asked(name)
            if is_refused(done, name, file, damage):
                ends["refused"] += 1
            elif name == "list" and result != clean[name]:
                assert f"warning: run/{file}" in done.err, (damage, done)
                ends["refused"] += 1
            elif name == "report" and result != clean[name]:
                # A part that somebody else wrote beside the run is left out, never shown otherwise.
                (wanted,), (found,) = clean[name]["runs"], result["runs"]
                part = {"ensemble": "ensemble", "explain": "explained"}[file.partition("/")[0]]
                assert {**wanted, part: None, "neurons": 0} == {**found, part: None, "neurons": 0}, damage
                assert part not in found or found[part] == wanted[part]
                ends["left out"] += 1
            else:
                assert result == clean[name], (damage, name)
                ends["same result"] += 1
        if number % 8 == 0 or damage == "0 bytes":
            done = here("resume", "run")
            if is_refused(done, "resume", file, damage):
                ends["resume refused"] += 1
            else:
                assert of_the_run(place / "run") == shown, damage
                assert asked("predict")[1] == clean["predict"]
                ends["resume mended"] += 1
        shutil.rmtree(place / "run")
        shutil.copytree(place / "whole", place / "run")
    record("damage", what=file, ends=dict(ends), flips=STORE if file == "study.sqlite" else OTHER)


@rare
@pytest.mark.parametrize("name", ["export", "ensemble", "explain"])
@pytest.mark.parametrize("file", ["study.sqlite", "model/head.safetensors"])
def test_commands_that_compute_compute_the_same_or_refuse(place, record, name, file):
    rng = np.random.default_rng(7)
    wanted, ends = produced(name), Counter()
    for damage, contents in damages((place / "whole" / file).read_bytes(), 12, rng):
        (place / "run" / file).write_bytes(contents)
        done, _ = asked(name)
        if is_refused(done, name, file, damage):
            ends["refused"] += 1
        else:
            assert made(name) == wanted, damage
            ends["same result"] += 1
        (place / "run" / file).write_bytes((place / "whole" / file).read_bytes())
    record("damage", what=f"{file}, {name}", ends=dict(ends), flips=12)


def produced(name):
    """What a command makes of the whole run."""
    assert asked(name)[0].status == 0
    return made(name)


def made(name):
    """What a command has made, times aside."""
    if name == "export":
        return Path("out.safetensors").read_bytes()
    if name == "ensemble":
        return json.loads(Path("again/ensemble.json").read_text())["contenders"]
    return Path("told/neurons.csv").read_bytes()


@rare
def test_a_choice_that_was_damaged_is_not_taken_for_none(place):
    """Evaluations can be had again, a choice cannot: the run says so instead of choosing for itself."""
    members = json.loads(here("front", "run", "--json").out)["members"]
    assert here("select", "run", "--id", members[-1]["id"]).status == 0
    for statement in (
        "UPDATE results SET value = replace(value, 'by', 'bx') WHERE name = 'selected'",
        "UPDATE results SET name = 'selecte`' WHERE name = 'selected'",
    ):
        kept = (place / "run" / "study.sqlite").read_bytes()
        connection = sqlite3.connect(place / "run" / "study.sqlite")
        with connection:
            connection.execute(statement)
        connection.close()
        assert "is not what was written" in refused(here("-q", "resume", "run"), 3)
        (place / "run" / "study.sqlite").write_bytes(kept)


def test_a_result_that_was_damaged_is_worked_out_again(place):
    before = of_the_run(place / "run")
    connection = sqlite3.connect(place / "run" / "study.sqlite")
    names = [name for (name,) in connection.execute("SELECT name FROM results")]
    assert {"summary", "scores", "predictions", "data"} <= set(names)
    with connection:
        connection.execute("UPDATE results SET value = value || ' '")
    connection.close()
    assert "which `evoprune resume` may mend" in refused(here("show", "run"), 3)
    assert here("resume", "run").status == 0
    assert of_the_run(place / "run") == before
    log = (place / "run" / "log.txt").read_text()
    assert all(f"the stored result {name!r} is not what was written" in log for name in names)
