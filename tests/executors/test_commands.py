"""`evoprune run --executor ray` as a user has it: killed, interrupted, continued, and nothing left behind."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import psutil
import pytest

from tests.cli.conftest import here, refused

pytest.importorskip("ray", reason="ray is not installed (pip install 'evoprune[ray]')")

SEARCH = ("--head", "16", "--epochs", "60", "-n", "40", "--population", "10", "--report-seeds", "1")
NSGA2 = (*SEARCH, "--objectives", "accuracy,active", "--algorithm", "nsga2")


@pytest.fixture(scope="module")
def blobs(tmp_path_factory):
    rng = np.random.default_rng(0)
    y = np.tile(np.arange(3), 100)
    X = (rng.normal(size=(3, 32))[y] + rng.normal(size=(300, 32))).astype(np.float32)
    path = tmp_path_factory.mktemp("features") / "blobs.npz"
    np.savez(path, X_train=X[:210], y_train=y[:210], X_test=X[210:], y_test=y[210:])
    return path


@contextmanager
def started(*arguments, cwd):
    """A command in a session of its own, which is ended with the test."""
    child = subprocess.Popen(
        [sys.executable, "-m", "evoprune", *map(str, arguments)],
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield child
    finally:
        child.kill()
        child.communicate()


def stored(folder):
    """Evaluations and their values, times aside; none where there is no store yet."""
    if not (folder / "study.sqlite").is_file():
        return []
    connection = sqlite3.connect(f"file:{folder / 'study.sqlite'}?mode=ro", uri=True)
    try:
        return connection.execute(
            "SELECT e.id, e.genome, v.objective, v.value FROM evaluations e JOIN objective_values v "
            "ON v.evaluation = e.id WHERE state = 'complete' ORDER BY 1, 3"
        ).fetchall()
    except sqlite3.OperationalError:
        return []
    finally:
        connection.close()


def wait_until(condition, seconds=240.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came to be"
        time.sleep(0.05)


def ray_of(child):
    """The processes of the Ray that a process has started."""
    found = psutil.Process(child.pid).children(recursive=True)
    assert any("raylet" in process.name() for process in found)
    assert folders_of(child)
    return found


def folders_of(child):
    return list(Path("/tmp").glob(f"evoprune-ray-{child.pid}-*"))  # noqa: S108


def wait_for_the_end_of(processes):
    wait_until(lambda: not [p for p in processes if p.is_running() and p.status() != psutil.STATUS_ZOMBIE])


@pytest.mark.skipif(os.environ.get("EVOPRUNE_FAULTS") != "all", reason="takes minutes: make faults")
def test_a_driver_that_is_killed_and_started_again_ends_as_if_it_had_not_been(blobs, tmp_path):
    assert here("run", "--features", blobs, *NSGA2, "-o", tmp_path / "alone").status == 0
    command = ("run", "--features", blobs, *NSGA2, "--batch", "2", "-o", "run")
    with started(*command, "--executor", "ray", "--workers", "2", cwd=tmp_path) as child:
        wait_until(lambda: len(stored(tmp_path / "run")) >= 8)
        orphans = ray_of(child)
        child.send_signal(signal.SIGKILL)
        child.communicate()
    wait_for_the_end_of(orphans)
    killed_at = stored(tmp_path / "run")
    with started("resume", "run", "--executor", "ray", "--workers", "2", "--json", cwd=tmp_path) as again:
        _, err = again.communicate(timeout=300)
    assert again.returncode == 0, err
    assert "2 workers on 1 machine, 2 trainings at a time" in err
    assert stored(tmp_path / "run") == stored(tmp_path / "alone")
    assert stored(tmp_path / "run")[: len(killed_at)] == killed_at
    summaries = [json.loads((here("show", tmp_path / name, "--json")).out) for name in ("run", "alone")]
    for summary in summaries:
        for name in ("run", "seconds"):
            summary.pop(name)
    assert summaries[0] == summaries[1]
    # The folder of the killed one is gone too.
    assert not folders_of(child) and not folders_of(again)


@pytest.mark.slow
def test_an_asynchronous_run_is_interrupted_and_continued_without_workers(blobs, tmp_path):
    command = ("run", "--features", blobs, *SEARCH, "--algorithm", "genetic", "--asynchronous", "-o", "run")
    with started(*command, "--executor", "ray", "--workers", "2", cwd=tmp_path) as child:
        wait_until(lambda: len(stored(tmp_path / "run")) >= 5)
        processes = ray_of(child)
        # As a terminal does: to everybody.
        os.killpg(child.pid, signal.SIGINT)
        out, err = child.communicate(timeout=120)
    assert (child.returncode, out) == (130, ""), err
    assert "Traceback" not in err
    assert err.rstrip().endswith("continue with: evoprune resume run"), err
    wait_for_the_end_of(processes)
    assert not folders_of(child)
    done = stored(tmp_path / "run")
    assert 5 <= len(done) < 40
    assert here("resume", tmp_path / "run").status == 0
    assert stored(tmp_path / "run")[: len(done)] == done
    assert len({genome for _, genome, _, _ in stored(tmp_path / "run")}) == 40


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--executor", "rey"), "executor 'rey' is unknown; did you mean 'ray'? give here, ray, or the address"),
        (("--workers", "2"), "--workers has no effect without workers; add --executor ray"),
        (
            ("--executor", "ray", "--gpus-per-worker", "1"),
            "--gpus-per-worker has no effect where candidates",
        ),
        (("--executor", "127.0.0.1:9", "--algorithm", "genetic"), "no Ray answers at 127.0.0.1:9"),
        (
            ("--asynchronous", "--algorithm", "nsga2", "--objectives", "accuracy,active"),
            "NSGA2 works by generations, each of which waits for all values of the last, and cannot be asynchronous",
        ),
    ],
)
def test_options_that_do_not_go_together_are_refused_in_a_sentence(blobs, tmp_path, arguments, said):
    outcome = here("-q", "run", "--features", blobs, "--head", "8", "-o", tmp_path / "run", *arguments)
    assert said in refused(outcome)
    assert not (tmp_path / "run" / "study.sqlite").exists() or not stored(tmp_path / "run")
