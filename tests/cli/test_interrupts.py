"""A run that ends early - killed, interrupted, out of space - loses nothing."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import sqlite3
import subprocess
import time
from contextlib import contextmanager

import numpy as np
import pytest

from .conftest import SMALL, command, environment, here, process, refused

LONG = ("--head", "8", "--epochs", "120", "-n", "60", "--population", "8", "--report-seeds", "2", "--batch", "1")
"""Settings of a run that takes some seconds, with many commits."""


@pytest.fixture(scope="session")
def undisturbed(blobs, tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed") / "run"
    assert here("run", "--features", blobs, *LONG, "-o", folder).status == 0
    return contents_of(folder)


def contents_of(folder):
    """All that a run leaves behind, times aside."""
    connection = sqlite3.connect(folder / "study.sqlite")
    evaluations = connection.execute(
        "SELECT id, genome, active, state, recipe, error FROM evaluations ORDER BY id"
    ).fetchall()
    values = connection.execute("SELECT * FROM objective_values ORDER BY 1, 2").fetchall()
    results = {name: json.loads(value) for name, value in connection.execute("SELECT name, value FROM results")}
    connection.close()
    for name in ("run", "seconds"):
        results["summary"].pop(name)
    history = [line.rsplit(",", 1)[0] for line in (folder / "history.csv").read_text().splitlines()]
    files = {p.name: p.read_bytes() for p in (folder / "model").iterdir()}
    return evaluations, values, results, history, files, (folder / "convergence.png").read_bytes()


@contextmanager
def started(*arguments, cwd=None):
    child = subprocess.Popen(
        command(*arguments),
        cwd=cwd,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield child
    finally:
        child.kill()
        child.communicate()


def wait_for(child, words):
    """Read what a process says until it says this."""
    said = []
    for line in child.stderr:
        said.append(line)
        if words in line:
            return "".join(said)
    raise AssertionError(f"it never said {words!r} but: {''.join(said)}")


def kill_and_resume(blobs, folder, kills, delay):
    """Run, killing the process a number of times on the way; how often it was killed before its end."""
    killed = 0
    for _ in range(kills):
        with started("run", "--features", blobs, *LONG, "-o", folder) as child:
            delay(child)
            killed += child.poll() is None
            child.send_signal(signal.SIGKILL)
            child.wait()
    assert here("run", "--features", blobs, *LONG, "-o", folder).status == 0
    return killed


def test_a_killed_run_ends_as_if_it_had_not_been(tmp_path, blobs, undisturbed):
    moments = np.random.default_rng(0)

    def in_the_search(child):
        wait_for(child, "read once")
        time.sleep(moments.uniform(0, 0.7))

    assert kill_and_resume(blobs, tmp_path / "run", 3, in_the_search) == 3
    assert contents_of(tmp_path / "run") == undisturbed


@pytest.mark.slow
def test_a_run_killed_at_random_moments(tmp_path, blobs, undisturbed):
    moments = np.random.default_rng(1)
    assert kill_and_resume(blobs, tmp_path / "run", 5, lambda _: time.sleep(moments.uniform(0.1, 4))) >= 2
    assert contents_of(tmp_path / "run") == undisturbed


def test_ctrl_c_stops_after_the_batch_and_says_how_to_go_on(tmp_path, blobs, undisturbed):
    with started("run", "--features", blobs, *LONG, "-o", "my run", cwd=tmp_path) as child:
        wait_for(child, "read once")
        time.sleep(0.3)
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=60)
    assert (child.returncode, out) == (130, "")
    assert "stopping; what is evaluated is stored" in err
    assert "Traceback" not in err
    stopped = re.search(
        r"^evoprune: stopped after (\d+) of 60 evaluations; all of them are stored; continue with: evoprune (.*)$",
        err,
        re.MULTILINE,
    )
    assert stopped, err
    assert 0 < int(stopped[1]) < 60
    assert process(*shlex.split(stopped[2]), cwd=tmp_path).status == 0
    assert contents_of(tmp_path / "my run") == undisturbed


def test_ctrl_c_does_not_wait_for_a_long_batch(tmp_path, blobs):
    # All individuals of the start are one batch, which would take minutes.
    long = ("--head", "256", "--epochs", "4000", "-n", "60", "--batch", "60", "--algorithm", "genetic")
    with started("run", "--features", blobs, *long, "-o", "run", cwd=tmp_path) as child:
        wait_for(child, "read once")
        time.sleep(0.3)
        child.send_signal(signal.SIGINT)
        wait_for(child, "stopping; what is evaluated is stored")
        asked = time.monotonic()
        _, err = child.communicate(timeout=60)
        # A second on a machine of its own; here other tests run beside it.
        assert time.monotonic() - asked < 5
    assert child.returncode == 130
    assert err.splitlines() == [
        "evoprune: interrupted; every finished evaluation is stored; continue with: evoprune resume run"
    ]


def test_a_second_process_is_refused_at_once_and_the_first_is_named(tmp_path, blobs):
    long = ("run", "--features", blobs, "--epochs", "1000", "--batch", "1", "-o", "run")
    with started(*long, cwd=tmp_path) as first:
        wait_for(first, "read once")
        said = refused(process(*long, cwd=tmp_path))
        assert re.match(rf"run is in use by process {first.pid} on .+, since ", said)
        shown = process("list", ".", cwd=tmp_path)
        assert re.search(r"run +\d+/200", shown.out)
        assert first.poll() is None


@pytest.fixture
def small_disk(tmp_path):
    """A disk of one megabyte."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if os.name != "posix" or os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("only root may mount a small disk")
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", disk], check=False).returncode:
        pytest.skip("a small disk cannot be mounted here")
    yield disk
    subprocess.run(["umount", disk], check=True)


@pytest.mark.parametrize("left", [0, 24, 48, 56, 100])
def test_a_full_disk_loses_nothing(evoprune, small_disk, tmp_path, blobs, left):
    arguments = ("--features", blobs, *SMALL, "-n", "40", "--batch", "1")
    assert evoprune("run", *arguments, "-o", tmp_path / "run").status == 0
    filler = small_disk / "filler"
    filler.write_bytes(bytes((1 << 20) - left * 1024))
    outcome = evoprune("-q", "run", *arguments, "-o", small_disk / "run")
    said = refused(outcome)
    assert str(small_disk / "run") in said
    assert re.search("No space left|is full|disk I/O error", said)
    filler.unlink()
    assert evoprune("run", *arguments, "-o", small_disk / "run").status == 0
    assert contents_of(small_disk / "run") == contents_of(tmp_path / "run")


def test_a_run_in_a_folder_that_cannot_be_written_to_is_shown(evoprune, small_disk, finished):
    shutil.copytree(finished, small_disk / "run")
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    assert evoprune("show", small_disk / "run").status == 0
    assert "cannot be written to" in refused(evoprune("resume", small_disk / "run"))
