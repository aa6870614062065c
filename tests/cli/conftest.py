"""The command line as a user has it: real processes where exit status and signals matter, else its `main`."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from PIL import Image

from evoprune.cli import main
from evoprune.cli._console import ERR, OUT

SMALL = ("--head", "8", "--epochs", "3", "-n", "12", "--population", "6", "--report-seeds", "2")
"""Settings of a run that takes no time."""


@dataclass(frozen=True)
class Outcome:
    """What a command ended with."""

    status: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.err.splitlines()


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "evoprune", *map(str, arguments)]


def environment(**changes: str) -> dict[str, str]:
    return {**os.environ, "COLUMNS": "80", **changes}


def process(*arguments: str | Path, cwd: Path | None = None, **changes: str) -> Outcome:
    """Run a command in a process of its own."""
    done = subprocess.run(
        command(*arguments),
        capture_output=True,
        text=True,
        cwd=cwd,
        env=environment(**changes),
        timeout=120,
        check=False,
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


def here(*arguments: str | Path, **changes: str) -> Outcome:
    """Run a command in this process, with some environment variables changed."""
    out, err = io.StringIO(), io.StringIO()
    with (
        mock.patch.object(sys, "argv", ["evoprune", *map(str, arguments)]),
        mock.patch.dict(os.environ, changes),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        try:
            main()
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else 1
        else:
            status = 0
    return Outcome(status, out.getvalue(), err.getvalue())


Run = Callable[..., Outcome]


@pytest.fixture
def evoprune(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Run a command in this process, in an empty working directory."""
    monkeypatch.chdir(tmp_path)
    for console in (OUT, ERR):
        monkeypatch.setattr(console, "_width", 80)
    return here


def refused(outcome: Outcome, status: int = 2) -> str:
    """The one sentence that a command was refused with."""
    assert outcome.status == status, outcome
    assert outcome.out == ""
    assert len(outcome.lines) == 1, outcome.err
    assert outcome.err.startswith("evoprune: ")
    assert "Traceback" not in outcome.err
    return outcome.err.removeprefix("evoprune: ").strip()


def save_image(path: Path, seed: int, color: Sequence[int]) -> None:
    rng = np.random.default_rng(seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray((rng.integers(0, 90, (32, 32, 3)) + np.array(color)).astype(np.uint8)).save(path)


COLORS = {"blue": (0, 0, 150), "green": (0, 150, 0), "red": (150, 0, 0)}


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """10 images in each of three classes, to be split."""
    root = tmp_path_factory.mktemp("data") / "pictures"
    for number, (name, color) in enumerate(COLORS.items()):
        for i in range(10):
            save_image(root / name / f"{i}.png", 100 * number + i, color)
    return root


@pytest.fixture(scope="session")
def blobs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A feature file: 300 rows of 16 features, three classes, half of the features say nothing."""
    rng = np.random.default_rng(0)
    centres = np.zeros((3, 16))
    centres[:, :8] = rng.normal(size=(3, 8))
    y = np.tile(np.arange(3), 100)
    X = (centres[y] + rng.normal(size=(300, 16))).astype(np.float32)
    path = tmp_path_factory.mktemp("features") / "blobs.npz"
    np.savez(path, X_train=X[:210], y_train=y[:210], X_test=X[210:], y_test=y[210:])
    return path


@pytest.fixture(scope="session")
def finished(blobs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run on the feature file; not to be changed."""
    folder = tmp_path_factory.mktemp("finished") / "run"
    assert here("run", "--features", blobs, *SMALL, "-o", folder).status == 0
    return folder


@pytest.fixture(scope="session")
def pictures_run(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run on the pictures with the bundled backbone; not to be changed."""
    folder = tmp_path_factory.mktemp("pictures") / "run"
    cache = str(tmp_path_factory.getbasetemp() / "cache")
    assert here("run", pictures, *SMALL, "-o", folder, EVOPRUNE_CACHE=cache).status == 0
    return folder
