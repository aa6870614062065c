"""What a run leaves behind, and whether what is there so far is part of it."""

from __future__ import annotations

import json
import re
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evoprune.model import Model
from evoprune.workflow import read_config

from ..cli.test_interrupts import contents_of

_SMALL = ("--head", "8", "--epochs", "3", "-n", "24", "--population", "6", "--batch", "4", "--report-seeds", "2")

SINGLE = ("--algorithm", "genetic", *_SMALL)
"""Settings of a run that takes a second."""

FRONT = ("--algorithm", "nsga2", "--objectives", "accuracy,active", *_SMALL)
"""Settings of a run with a front."""

_OWN = {"log.txt", "owner.txt", "run.lock", "report.html"}
_OWN |= {f"study.sqlite{part}" for part in ("", "-wal", "-shm", "-journal")}
"""Files that differ from run to run, or hold what is not read."""

_DATES = re.compile(r'"(made|date|seconds|path|run|title|name|finished)":("[^"]*"|[0-9.e-]+)')


@dataclass(frozen=True)
class Left:
    """What a finished run has left behind, times aside.

    Attributes:
        contents: of the store, the history and the model.
        files: all other files, by their path in the run's folder.
    """

    contents: Any
    files: dict[str, bytes]


def left_behind(folder: Path) -> Left:
    """What a finished run has left behind."""
    return Left(contents_of(folder), _files(folder))


def check_so_far(folder: Path, whole: Left) -> None:
    """Check that all that can be read of a run is part of what it will be, and nothing is half of anything."""
    files = _files(folder)
    assert [name for name, contents in files.items() if whole.files.get(name) != contents] == [], folder
    if (folder / "config.toml").exists():
        read_config(folder / "config.toml")
    if (folder / "report.html").exists():
        page_data_of(folder / "report.html")
    if (folder / "history.csv").exists():
        assert _untimed(folder / "history.csv") == whole.contents[3]
    model = folder / "model"
    if (model / "model.json").exists():
        assert {path.name: path.read_bytes() for path in model.iterdir() if _named(path)} == whole.contents[4]
        Model.load(model)
    evaluations, values = _rows(folder / "study.sqlite")
    assert evaluations == whole.contents[0][: len(evaluations)]
    assert values == whole.contents[1][: len(values)]
    objectives = len(whole.contents[1]) // len(whole.contents[0])
    assert len(values) == objectives * len(evaluations)


def page_data_of(path: Path) -> Any:
    """The data of a whole report page."""
    text = path.read_text(encoding="utf-8")
    assert text.rstrip().endswith("</html>")
    (data,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    return json.loads(_DATES.sub(r'"\1":0', data))


def _rows(store: Path) -> tuple[list[Any], list[Any]]:
    """Finished evaluations and their values, read with nothing of ours."""
    if not store.exists() or not store.stat().st_size + _size(store.with_name(f"{store.name}-wal")):
        return [], []
    connection = sqlite3.connect(store)
    try:
        if not connection.execute("SELECT name FROM sqlite_master WHERE name = 'results'").fetchall():
            return [], []
        query = "SELECT id, genome, active, state, recipe, error FROM evaluations WHERE state != 'running' ORDER BY id"
        evaluations = connection.execute(query).fetchall()
        values = connection.execute("SELECT * FROM objective_values ORDER BY 1, 2").fetchall()
    finally:
        connection.close()
    return evaluations, values


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _named(path: Path) -> bool:
    """Whether a file is anybody's; what a killed process was writing begins with a dot."""
    return not path.name.startswith(".")


def _files(folder: Path) -> dict[str, bytes]:
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and _named(path) and name not in _OWN | {"history.csv"} and not name.startswith("model/"):
            found[name] = path.read_bytes()
    return found


def _untimed(history: Path) -> list[str]:
    return [line.rsplit(",", 1)[0] for line in history.read_text().splitlines()]
