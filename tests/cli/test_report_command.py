"""`evoprune report` and `evoprune watch`, and the report at the end of a run."""

from __future__ import annotations

import http.client
import json
import re
import shutil
import signal
import subprocess

import pytest

from .conftest import SMALL, command, environment, here, refused

FRONT = ("--objectives", "loss,active", "--algorithm", "nsga2", *SMALL)


def data_of(path):
    (text,) = re.findall(r'id="data">(.*?)</script>', path.read_text(encoding="utf-8"), re.DOTALL)
    return json.loads(text)


@pytest.fixture(scope="session")
def seeds(blobs, tmp_path_factory):
    """Two runs of one search, with different seeds; not to be changed."""
    folder = tmp_path_factory.mktemp("seeds") / "both"
    assert here("run", "--features", blobs, *FRONT, "--runs", "2", "-o", folder).status == 0
    return folder


def test_every_run_ends_with_a_report(finished):
    data = data_of(finished / "report.html")
    assert data["runs"][0]["evaluations"] == 12
    assert data["runs"][0]["complete"]
    assert data["live"] is False


def test_several_seeds_have_a_report_each_and_one_that_compares_them(seeds):
    for name in ("seed-0", "seed-1"):
        assert [run["name"] for run in data_of(seeds / name / "report.html")["runs"]] == [name]
    assert [run["name"] for run in data_of(seeds / "report.html")["runs"]] == ["seed-0", "seed-1", "merged"]


def test_a_report_that_fails_loses_no_run(evoprune, blobs, tmp_path, monkeypatch):
    def broken(*_):
        raise ZeroDivisionError

    monkeypatch.setattr("evoprune.page._data.in_words", broken)
    outcome = evoprune("run", "--features", blobs, *SMALL, "-o", tmp_path / "run")
    assert outcome.status == 0
    assert "could not be written because of a defect of evoprune; the run itself is complete" in outcome.err
    assert "Traceback" not in outcome.err
    assert not (tmp_path / "run" / "report.html").exists()
    assert evoprune("show", tmp_path / "run").status == 0


def test_a_report_that_has_no_room_on_the_disk_loses_no_run(evoprune, blobs, tmp_path):
    (tmp_path / "run" / "report.html").mkdir(parents=True)
    outcome = evoprune("run", "--features", blobs, *SMALL, "-o", tmp_path / "run")
    assert outcome.status == 0
    assert "warning: the report could not be written: " in outcome.err
    assert "test accuracy" in outcome.out


def test_the_command_writes_beside_the_run_or_where_it_is_told(evoprune, finished, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    (run / "report.html").unlink()
    outcome = evoprune("report", run)
    assert (outcome.status, outcome.out) == (0, f"Report: {run / 'report.html'}\n")
    assert data_of(run / "report.html")["title"] == "run"
    assert evoprune("report", run, "--output", "else/where.html").status == 0
    assert data_of(tmp_path / "else" / "where.html")["title"] == "run"


def test_several_runs_are_compared_in_the_working_directory(evoprune, finished, seeds, tmp_path):
    outcome = evoprune("report", finished, seeds)
    assert outcome.status == 0, outcome.err
    data = data_of(tmp_path / "report.html")
    assert [run["name"] for run in data["runs"]] == ["run", "seed-0", "seed-1", "merged"]
    assert evoprune("report", seeds).out == f"Report: {seeds / 'report.html'}\n"


def test_a_report_follows_what_is_chosen_and_what_is_made_of_the_run(evoprune, blobs, tmp_path):
    run = tmp_path / "run"
    # Trained for long enough that more features are better, and the front has several members.
    longer = ("--objectives", "loss,active", "--algorithm", "nsga2", "--epochs", "20", "-n", "24")
    assert evoprune("run", "--features", blobs, *SMALL, *longer, "-o", run).status == 0
    front = data_of(run / "report.html")["runs"][0]["front"]
    other = next(member["id"] for member in front["members"] if member["id"] != front["chosen"])
    assert evoprune("select", run, "--id", other).status == 0
    assert data_of(run / "report.html")["runs"][0]["front"]["chosen"] == other
    assert evoprune("ensemble", run, "--seeds", "1").status == 0
    assert data_of(run / "report.html")["runs"][0]["ensemble"]["repetitions"] == 1
    assert evoprune("explain", run).status == 0
    assert data_of(run / "report.html")["runs"][0]["explained"]["figures"][0]["name"] == "objectives"
    (run / "report.html").unlink()
    assert evoprune("select", run, "--id", front["chosen"]).status == 0
    assert not (run / "report.html").exists()


def test_what_cannot_be_shown_is_refused_in_a_sentence(evoprune, finished, tmp_path):
    assert "holds no run" in refused(evoprune("report", tmp_path / "nothing"))
    assert "named twice" in refused(evoprune("report", finished, finished))
    assert "holds no sparsity.csv" in refused(evoprune("report", finished, "--experiment", tmp_path))
    assert "holds no run" in refused(evoprune("watch", tmp_path))
    (tmp_path / "file").touch()
    assert "cannot be written" in refused(evoprune("report", finished, "-o", tmp_path / "file" / "page.html"))


def test_the_browser_is_opened_on_request(evoprune, finished, tmp_path, monkeypatch):
    opened = []
    monkeypatch.setattr("typer.launch", lambda place: opened.append(place) or 0)
    assert evoprune("report", finished, "-o", tmp_path / "page.html", "--open").status == 0
    assert opened == [str(tmp_path / "page.html")]
    monkeypatch.setattr("typer.launch", lambda place: 1)
    outcome = evoprune("report", finished, "-o", tmp_path / "page.html", "--open")
    assert outcome.status == 0
    assert "no browser could be opened" in outcome.err


def test_watch_serves_until_it_is_interrupted(finished):
    child = subprocess.Popen(
        command("watch", finished), env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        (address,) = re.findall(r"http://(127\.0\.0\.1:\d+)/", child.stdout.readline())
        connection = http.client.HTTPConnection(*address.split(":"), timeout=60)
        for host, status in ((address, 200), ("evil.example", 421)):
            connection.request("GET", "/", headers={"Host": host})
            answer = connection.getresponse()
            assert answer.status == status
            assert ('"evaluations":12' in answer.read().decode()) == (status == 200)
        connection.close()
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=60)
    finally:
        child.kill()
        child.communicate()
    assert child.returncode == 0
    assert "Traceback" not in out + err
