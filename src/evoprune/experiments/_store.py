"""What an experiment has computed so far: one SQLite file, one row a task."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evoprune._files import parse_json
from evoprune.errors import ConfigError
from evoprune.study import connect, damaged, faults, transaction

_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS tasks (id TEXT PRIMARY KEY, rows TEXT, error TEXT NOT NULL, seconds REAL NOT NULL)",
)


@dataclass(frozen=True)
class Done:
    """A task that has ended.

    Attributes:
        rows: of the tidy table, or None where it failed.
        error: why it failed, else empty.
        seconds: that it took.
    """

    rows: list[dict[str, Any]] | None
    error: str
    seconds: float


class TaskStore:
    """The tasks of one experiment.

    Args:
        path: the file; it is made if it is not there.
        fingerprint: of everything that decides what a task gives; a file with another is refused.

    Raises:
        ConfigError: the file belongs to an experiment with other settings.
        StorageError: the file is damaged, or cannot be read or written.
    """

    def __init__(self, path: Path, fingerprint: str) -> None:
        self.path = path
        with faults(path):
            self._connection = connect(path)
            for statement in _SCHEMA:
                self._connection.execute(statement)
            meta = dict(self._connection.execute("SELECT key, value FROM meta").fetchall())
            if meta.get("fingerprint", fingerprint) != fingerprint:
                self._connection.close()
                raise ConfigError(
                    f"{path.parent} holds an experiment with other data or settings; give another --output folder, "
                    "or delete that one"
                )
            with transaction(self._connection):
                self._connection.execute("INSERT OR REPLACE INTO meta VALUES ('fingerprint', ?)", (fingerprint,))

    def done(self, task: str) -> bool:
        """Whether a task has been computed and did not fail."""
        with faults(self.path):
            row = self._connection.execute("SELECT 1 FROM tasks WHERE id = ? AND rows IS NOT NULL", (task,)).fetchone()
        return row is not None

    def commit(self, task: str, rows: list[dict[str, Any]] | None, error: str, seconds: float) -> None:
        """Keep what a task gave, or why it failed."""
        value = None if rows is None else json.dumps(rows)
        with faults(self.path), transaction(self._connection):
            self._connection.execute("INSERT OR REPLACE INTO tasks VALUES (?, ?, ?, ?)", (task, value, error, seconds))

    def result(self, task: str) -> Done | None:
        """What a task gave, or None where it has not been computed."""
        with faults(self.path):
            row = self._connection.execute("SELECT rows, error, seconds FROM tasks WHERE id = ?", (task,)).fetchone()
        if row is None:
            return None
        try:
            return Done(None if row[0] is None else parse_json(row[0]), row[1], row[2])
        except (TypeError, ValueError) as error:
            raise damaged(self.path, f"task {task} cannot be read: {error}") from error

    def others(self, tasks: Collection[str]) -> int:
        """How many tasks have been computed beside these, and did not fail."""
        with faults(self.path):
            known = self._connection.execute("SELECT id FROM tasks WHERE rows IS NOT NULL").fetchall()
        return len({task for (task,) in known}.difference(tasks))

    def close(self) -> None:
        """Close the file."""
        self._connection.close()
