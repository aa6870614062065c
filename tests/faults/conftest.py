"""Commands that are killed, or whose disk is full, at a chosen moment; and what they leave behind."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ..conftest import ROOT
from .state import FRONT, SINGLE, Left, left_behind

ALL = os.environ.get("EVOPRUNE_FAULTS") == "all"
"""`make faults` asks for the large numbers."""

rare = pytest.mark.skipif(not ALL, reason="takes its time: run by `make faults`")

KILL, KILL_TORN, FULL = 1, 2, 3
"""What goes wrong at the chosen call, as `layer.c` counts them."""


def many(few: int, all_of_them: int) -> int:
    """How much of a test is made: few of it in `make test`, all of it in `make faults`."""
    return all_of_them if ALL else few


@dataclass(frozen=True)
class Ended:
    """How a command ended: exit status (below 0 for a signal), what it said, and calls that changed files."""

    status: int
    out: str
    err: str
    seen: int

    def refusal(self, status: int = 2) -> str:
        """The one sentence that it was refused with, behind whatever it had told of its progress."""
        assert self.status == status, self
        assert "Traceback" not in self.err, self
        last = self.err.splitlines()[-1]
        assert last.startswith("evoprune: "), self
        return last


class Child:
    """A command under way."""

    def __init__(self, nursery: Nursery, number: int, place: Path) -> None:
        self._nursery, self.number, self._place = nursery, number, place

    def kill(self) -> None:
        """Kill it, wherever it is."""
        os.kill(self.number, signal.SIGKILL)

    def ended(self) -> Ended:
        """Wait for its end."""
        status = self._nursery.order("wait", child=self.number)
        seen = self._place / "seen"
        # Killed at once, it may not have come to open them.
        places = [self._place / name for name in ("out", "err")]
        texts = [place.read_text(errors="replace") if place.exists() else "" for place in places]
        return Ended(status, *texts, int(seen.read_text()) if seen.exists() else 0)


class Nursery:
    """Starts commands in processes that have loaded everything already; see `nursery.py`."""

    def __init__(self, layer: Path, places: Path) -> None:
        self._places, self._count = places, 0
        single = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.nursery"],
            cwd=ROOT,
            env={**os.environ, **single, "LD_PRELOAD": str(layer), "COLUMNS": "80"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def order(self, act: str, **order: Any) -> int:
        """Give an order, and have its answer."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps({"act": act, **order}) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, "the nursery has ended"
        return int(json.loads(answer))

    def start(
        self,
        *arguments: str | Path,
        arm: tuple[list[Path], int, int] | None = None,
        clock: tuple[int, int] | None = None,
        memory: int | None = None,
        **changes: str,
    ) -> Child:
        """Start a command.

        Args:
            arguments: of `evoprune`.
            arm: folders whose changes count, what goes wrong, and at which change.
            clock: seconds by which the clock goes wrong, at once and again at each look.
            memory: bytes that it may take beyond what it starts with.
            changes: of environment variables.
        """
        self._count += 1
        place = self._places / str(self._count)
        place.mkdir()
        armed = None if arm is None else [[str(folder) for folder in arm[0]], arm[1], arm[2]]
        number = self.order(
            "start",
            arguments=list(map(str, arguments)),
            place=str(place),
            changes=changes,
            arm=armed,
            clock=clock,
            memory=memory,
        )
        return Child(self, number, place)

    def run(self, *arguments: str | Path, **settings: Any) -> Ended:
        """Run a command to its end."""
        return self.start(*arguments, **settings).ended()

    def close(self) -> None:
        """End."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()


@pytest.fixture(scope="session")
def nursery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery]:
    """One nursery for all tests of a process."""
    compiler = shutil.which("cc")
    if not sys.platform.startswith("linux") or compiler is None:
        pytest.skip("calls of the system are let go wrong on Linux, with a C compiler")
    folder = tmp_path_factory.mktemp("nursery")
    source = Path(__file__).with_name("layer.c")
    layer = folder / "layer.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", layer, source, "-ldl"], check=True)
    started = Nursery(layer, folder)
    yield started
    started.close()


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """15 images of each digit, in folders."""
    from sklearn.datasets import load_digits

    root = tmp_path_factory.mktemp("data") / "digits"
    found = load_digits()
    for digit in range(10):
        (root / str(digit)).mkdir(parents=True)
        for number, pixels in enumerate(found.images[found.target == digit][:15]):
            enlarged = np.kron(pixels * 15, np.ones((2, 2))).astype(np.uint8)
            Image.fromarray(enlarged).save(root / str(digit) / f"{number}.png")
    return root


@dataclass(frozen=True)
class Undisturbed:
    """A run that nothing happened to: its folder, cache, what it left behind, and the seconds it took."""

    folder: Path
    cache: Path
    left: Left
    seconds: float


def _finished(nursery: Nursery, digits: Path, settings: tuple[str, ...], root: Path) -> Undisturbed:
    before = time.monotonic()
    ended = nursery.run("run", digits, *settings, "-o", root / "run", EVOPRUNE_CACHE=str(root / "cache"))
    assert ended.status == 0, ended
    return Undisturbed(root / "run", root / "cache", left_behind(root / "run"), time.monotonic() - before)


@pytest.fixture(scope="session")
def undisturbed(nursery: Nursery, digits: Path, tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    """A run with one objective on images of digits that nothing disturbed; not to be changed."""
    return _finished(nursery, digits, SINGLE, tmp_path_factory.mktemp("single"))


@pytest.fixture(scope="session")
def front(nursery: Nursery, digits: Path, tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    """A run with two objectives on the same images that nothing disturbed; not to be changed."""
    return _finished(nursery, digits, FRONT, tmp_path_factory.mktemp("front"))


@pytest.fixture
def run(front: Undisturbed, tmp_path: Path) -> Path:
    """A copy of the front's run, to be harmed."""
    shutil.copytree(front.folder, tmp_path / "run")
    return tmp_path / "run"


@pytest.fixture(scope="session")
def record() -> Callable[..., None]:
    """Keeps figures for docs/reliability.md, where `make faults` wants them."""
    path = os.environ.get("EVOPRUNE_FAULTS_RECORD")

    def keep(fault: str, **figures: Any) -> None:
        if path is not None:
            with Path(path).open("a", encoding="utf-8") as file:
                file.write(json.dumps({"fault": fault, **figures}) + "\n")

    return keep
