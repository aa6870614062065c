"""`run`, `resume`, `show` and `list`: what a run leaves behind and says."""

from __future__ import annotations

import csv
import json
import re
import shutil
import sqlite3
from datetime import datetime, timedelta, timezone

import pytest
from PIL import Image

from evoprune.errors import BackboneError
from evoprune.workflow import read_config

from .conftest import SMALL, command, environment, process

SCORES = {"validation_accuracy", "test_accuracy", "test_accuracy_std", "active_neurons", "active_share", "parameters"}


def without_times(summary):
    return {k: v for k, v in summary.items() if k != "seconds"}


def fits(text, columns=80):
    return max(map(len, text.splitlines())) <= columns


def test_json_is_one_object_and_show_gives_it_again(tmp_path, blobs):
    run = process("run", "--features", blobs, *SMALL, "-o", "run", "--json", cwd=tmp_path)
    assert run.status == 0
    summary = json.loads(run.out)
    assert {"run", "protocol", "evaluations", "seconds", "dense", "best"} <= summary.keys()
    assert summary["dense"].keys() >= SCORES <= summary["best"].keys()
    assert (summary["run"], summary["protocol"], summary["evaluations"]) == ("run", "nested", 12)
    assert summary["dense"]["active_share"] == 1
    assert summary["best"]["active_share"] == summary["best"]["active_neurons"] / 16
    show = process("show", "run", "--json", cwd=tmp_path)
    assert (show.status, json.loads(show.out)) == (0, summary)


def test_the_result_table_fits_80_columns_wherever_the_run_lies(evoprune, tmp_path, finished):
    deep = tmp_path / ("a rather long folder name " * 5) / "run"
    shutil.copytree(finished, deep)
    for folder in (finished, deep):
        table = evoprune("show", folder)
        assert table.status == 0
        assert fits(table.out)
        for row in ("validation accuracy, %", "test accuracy, %", "active neurons", "parameters", "multiply-adds"):
            assert row in table.out
        assert "nested protocol" in table.out.replace("\n", " ")
        assert "12 evaluations in" in table.out
        assert "over 2 seeds" in table.out
    listed = evoprune("list", deep.parent)
    assert fits(listed.out)
    assert "12/12" in listed.out


def test_a_table_for_terminals_that_know_ascii_only(finished):
    table = process("show", finished, PYTHONIOENCODING="ascii")
    assert table.status == 0
    assert " +- " in table.out
    assert table.out.isascii()


def test_the_paper_protocol_is_named_wherever_its_figures_are(evoprune, blobs):
    run = evoprune("run", "--features", blobs, *SMALL, "--protocol", "paper")
    assert run.status == 0
    assert "fitness on the test part, as published" in run.err
    assert "(paper protocol)" in run.out
    assert "accuracy on the test part, % (paper)" in run.out
    assert "figures are optimistic" in run.out
    assert "validation" not in run.out
    assert "paper" in evoprune("list").out


def test_of_several_objectives_the_caption_says_which_member_is_shown(evoprune, blobs):
    run = evoprune("-q", "run", "--features", blobs, *SMALL, "--objectives", "loss,active")
    assert (run.status, run.err) == (0, "")
    assert "test cross entropy" in run.out
    assert re.search(r"The front has \d+ members?; chosen: lowest cross entropy in the search\.", run.out)
    summary = json.loads(evoprune("show", "runs/blobs", "--json").out)
    assert summary["best"]["values"]["loss"] == min(member["values"]["loss"] for member in summary["front"])


def test_the_folder_of_a_run(pictures, pictures_run):
    names = {path.name for path in pictures_run.iterdir()}
    assert {"config.toml", "study.sqlite", "model", "history.csv", "convergence.png", "log.txt"} <= names
    assert {path.name for path in (pictures_run / "model").iterdir()} == {"head.safetensors", "model.json"}
    config = read_config(pictures_run / "config.toml")
    assert (config.data, config.backbone, config.head, config.recipe.epochs) == (str(pictures), "tiny", (8,), 3)
    with sqlite3.connect(pictures_run / "study.sqlite") as store:
        stored = store.execute("SELECT id, active FROM evaluations ORDER BY id").fetchall()
    store.close()
    rows = list(csv.DictReader((pictures_run / "history.csv").read_text().splitlines()))
    assert [(int(row["id"]), int(row["active_neurons"])) for row in rows] == stored
    with Image.open(pictures_run / "convergence.png") as figure:
        figure.verify()


def test_the_log_says_what_happened(pictures_run, finished):
    log = (pictures_run / "log.txt").read_text()
    for line in (
        "features: 30 image(s) went through backbone tiny",
        "features: pictures, 30 rows, ",
        "search: 0 of 12 evaluations are stored; fitness on the validation part",
        "search: 12 evaluations, 0 of them failed",
        "report: 2 head(s) are retrained with",
        "result: test accuracy",
    ):
        assert line in log
    assert all(re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ INFO ", line) for line in log.splitlines())


def test_a_second_run_on_the_same_images_never_builds_the_network(
    evoprune, monkeypatch, tmp_path, pictures, pictures_run
):
    def refuse(*arguments):
        raise BackboneError("the network was built")

    monkeypatch.setattr("evoprune.backbones._tiny._build", refuse)
    assert pictures_run.is_dir()
    assert evoprune("run", pictures, *SMALL, "--seed", "7", "-o", "again").status == 0
    assert "features: 0 image(s) went through backbone tiny" in (tmp_path / "again" / "log.txt").read_text()


def test_the_same_command_on_a_finished_run_only_shows_it(evoprune, tmp_path, finished, blobs):
    shutil.copytree(finished, tmp_path / "run")
    again = evoprune("run", "--features", blobs, *SMALL, "-o", "run", "--json")
    assert "12 of 12 evaluations stored already" in again.err
    assert "report" not in again.err
    assert json.loads(again.out) == json.loads(evoprune("show", "run", "--json").out)


def test_a_larger_total_extends_a_run_and_gives_what_it_would_have_given(evoprune, tmp_path, finished, blobs):
    shutil.copytree(finished, tmp_path / "run")
    extended = evoprune("resume", "run", "--evaluations", "20", "--json")
    straight = evoprune("run", "--features", blobs, *SMALL, "-n", "20", "-o", "straight", "--json")
    assert "12 of 20 evaluations stored already" in extended.err
    a, b = (without_times(json.loads(outcome.out)) for outcome in (extended, straight))
    assert (a.pop("run"), b.pop("run")) == ("run", "straight")
    assert a == b


def test_a_smaller_total_changes_nothing_and_says_so(evoprune, tmp_path, finished):
    shutil.copytree(finished, tmp_path / "run")
    before = json.loads(evoprune("show", "run", "--json").out)
    again = evoprune("resume", "run", "-n", "5", "--json")
    assert json.loads(again.out) == before
    assert "12 evaluations are stored, more than the 5 that are asked for; they are kept" in again.err
    assert "more than" not in evoprune("resume", "run", "-n", "12").err
    assert "12/12" in evoprune("list", ".").out


def test_a_run_that_was_moved_is_shown_under_its_new_name(evoprune, tmp_path, finished):
    shutil.copytree(finished, tmp_path / "elsewhere")
    assert json.loads(evoprune("show", "elsewhere", "--json").out)["run"] == "elsewhere"


def test_list_names_every_run_and_goes_on_past_a_damaged_one(evoprune, tmp_path, finished):
    assert "No runs in runs." in evoprune("list").out
    for name in ("a", "b"):
        shutil.copytree(finished, tmp_path / "runs" / name)
    (tmp_path / "runs" / "b" / "config.toml").write_text("protocol =")
    listed = evoprune("list")
    assert listed.status == 0
    assert "runs/a" in listed.out
    assert "warning: runs/b/config.toml is not valid TOML" in listed.err
    (entry,) = json.loads(evoprune("list", "--json").out)
    assert datetime.now(timezone.utc) - datetime.fromisoformat(entry.pop("date")) < timedelta(hours=2)
    assert entry == {
        **{"run": "runs/a", "evaluations": 12, "of": 12, "protocol": "nested", "complete": True},
        **{"encoding": "features", "backbone": None},
    }


def test_quiet_says_nothing_but_the_result(evoprune, blobs):
    run = evoprune("-q", "run", "--features", blobs, *SMALL)
    assert (run.status, run.err) == (0, "")
    assert run.out.startswith("runs/blobs  (nested protocol)")


@pytest.mark.parametrize("arguments", [["--help"], ["list"], ["show", "RUN"], ["show", "RUN", "--json"]])
def test_what_only_shows_starts_without_the_heavy_packages(finished, arguments, tmp_path):
    outcome = process(*(finished if a == "RUN" else a for a in arguments), cwd=tmp_path, PYTHONPROFILEIMPORTTIME="1")
    assert outcome.status == 0
    loaded = {line.rsplit("|", 1)[-1].strip() for line in outcome.lines}
    assert "evoprune.cli" in loaded
    assert not loaded & {"torch", "sklearn", "pymoo", "matplotlib", "scipy", "onnxruntime"}


def test_progress_on_a_terminal_fits_its_width(tmp_path, blobs):
    pty = pytest.importorskip("pty")
    import fcntl
    import os
    import struct
    import subprocess
    import termios

    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    variables = {k: v for k, v in environment().items() if k != "COLUMNS"} | {"TERM": "xterm"}
    run = command("run", "--features", blobs, *SMALL)
    with subprocess.Popen(run, cwd=tmp_path, env=variables, stdout=subprocess.DEVNULL, stderr=follower) as child:
        os.close(follower)
        shown = b""
        while True:
            try:
                part = os.read(leader, 65536)
            except OSError:
                break
            if not part:
                break
            shown += part
    os.close(leader)
    assert child.returncode == 0
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode())
    assert re.search(r"search .*12/12 .*/s .* best 0\.\d{4}, \d+ % active", text)
    assert "report" in text
    assert max(len(line.rstrip()) for line in re.split(r"[\r\n]+", text)) <= 80


def test_list_shows_what_was_pruned_of_which_network_and_when(evoprune, tmp_path, pictures_run, finished):
    for name, run in (("images", pictures_run), ("vectors", finished)):
        shutil.copytree(run, tmp_path / "runs" / name)
    (tmp_path / "runs" / "begun").mkdir()
    shutil.copy(finished / "config.toml", tmp_path / "runs" / "begun" / "config.toml")
    listed = evoprune("list")
    assert fits(listed.out)
    begun, images, vectors = (line.split() for line in listed.out.splitlines()[1:])
    today = datetime.now(timezone.utc)
    days = {f"{today - timedelta(days=n):%Y-%m-%d}" for n in (0, 1)}
    assert begun[0:3] == ["runs/begun", "0/12", "nested"]
    assert begun[-3:] == ["-", "features", "-"]
    assert (images[-3:-1], vectors[-3:-1]) == (["tiny", "features"], ["-", "features"])
    assert {images[-1], vectors[-1]} <= days


def test_resume_goes_on_without_images_that_cannot_be_read(evoprune, tmp_path, pictures):
    shutil.copytree(pictures, tmp_path / "own")
    assert evoprune("run", "own", *SMALL, "-o", "begun").status == 0
    # As a run that was killed while features were extracted.
    for path in (tmp_path / "begun").iterdir():
        if path.is_file() and path.name != "config.toml":
            path.unlink()
    (tmp_path / "own" / "red" / "9.png").write_text("no image")
    refused = evoprune("resume", "begun")
    assert refused.status == 2
    assert "--skip-broken" in refused.err
    resumed = evoprune("resume", "begun", "--skip-broken")
    assert resumed.status == 0
    assert "warning: 1 unreadable image left out" in resumed.err
    assert read_config(tmp_path / "begun" / "config.toml").skip_broken
