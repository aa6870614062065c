"""The run's SQLite file: every evaluation, committed before the algorithm hears of it.

Schema (version 1), readable with any SQLite tool:

- `meta(key, value)`: `schema_version`, `evoprune_version`, `fingerprint` of configuration and
  features, `length` (bits of a genome), `objectives` (names, JSON).
- `evaluations(id, genome, active, state, seconds, recipe, error, finished)`: one row a
  distinct genome, `id` in the order of asking from 1. `genome` holds the bits packed eight
  to a byte, first bit highest (`numpy.packbits`); `active` is the number of 1-bits; `state`
  is `running`, `complete` or `failed`; `seconds` is its share of its batch's time.
- `objective_values(evaluation, objective, value)`: natural sign; none for failed ones.
- `results(name, value)`: JSON, written after the search.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Literal

import numpy as np

from evoprune._types import BoolArray, FloatArray
from evoprune._version import __version__
from evoprune.errors import StorageError
from evoprune.study._sqlite import check, connect, damaged, faults, transaction

SCHEMA_VERSION = 1

_SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE evaluations (
    id INTEGER PRIMARY KEY,
    genome BLOB NOT NULL UNIQUE,
    active INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('running', 'complete', 'failed')),
    seconds REAL,
    recipe TEXT NOT NULL,
    error TEXT,
    finished TEXT
);
CREATE TABLE objective_values (
    evaluation INTEGER NOT NULL REFERENCES evaluations (id) ON DELETE CASCADE,
    objective TEXT NOT NULL,
    value REAL NOT NULL,
    PRIMARY KEY (evaluation, objective)
) WITHOUT ROWID;
CREATE TABLE results (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""

State = Literal["running", "complete", "failed"]


@dataclass(frozen=True)
class Evaluation:
    """One stored evaluation.

    Attributes:
        id: order of asking, from 1.
        genome: bits `[L]`.
        values: objective values `[M]`, NaN where it failed.
        state: `complete` or `failed`.
        seconds: its share of its batch's time.
        error: why it failed, or None.
    """

    id: int
    genome: BoolArray
    values: FloatArray
    state: State
    seconds: float
    error: str | None


@dataclass(frozen=True)
class StudyKey:
    """What a store belongs to. A store of another key is refused.

    Attributes:
        length: L, bits of a genome.
        objectives: names of the M objectives.
        fingerprint: of configuration and features.
    """

    length: int
    objectives: tuple[str, ...]
    fingerprint: str


class Store:
    """The evaluations of one run.

    Args:
        path: the SQLite file; None keeps the store in memory.
        key: what the store belongs to; the file is made if it is not there. None opens
            an existing file to read, whoever is writing to it.
        recipe: name of the recipe, recorded with each evaluation.

    Raises:
        StorageError: the file is missing, damaged, of a newer version, or of another key.
    """

    def __init__(self, path: Path | None, key: StudyKey | None = None, *, recipe: str = "") -> None:
        self.path = path
        self.recipe = recipe
        self._known: dict[bytes, FloatArray] = {}
        if key is None and (path is None or not path.is_file()):
            raise StorageError(f"{path} is not there; `evoprune run` makes it")
        with faults(self.path):
            self._connection = connect(path, read_only=key is None)
            try:
                check(self._connection, path)
                self.key = self._open(key)
                if key is not None:
                    # Evaluations that were under way when the process ended are evaluated again.
                    self._connection.execute("DELETE FROM evaluations WHERE state = 'running'")
                self._known = {e.genome.tobytes(): e.values for e in self.evaluations()}
            except BaseException:
                self._connection.close()
                raise

    def __len__(self) -> int:
        """Number of finished evaluations, failed ones included."""
        return len(self._known)

    def values(self, genome: BoolArray) -> FloatArray | None:
        """Objective values `[M]` of a genome evaluated before (NaN where it failed), else None."""
        return self._known.get(genome.tobytes())

    def start(self, genomes: BoolArray) -> None:
        """Record that genomes `[P, L]` are being evaluated."""
        with faults(self.path), transaction(self._connection):
            self._connection.executemany(
                "INSERT INTO evaluations (id, genome, active, state, recipe) VALUES (?, ?, ?, 'running', ?)",
                [
                    (len(self) + i, np.packbits(g).tobytes(), int(g.sum()), self.recipe)
                    for i, g in enumerate(genomes, start=1)
                ],
            )

    def finish(self, genomes: BoolArray, values: FloatArray, seconds: float) -> None:
        """Commit the values `[P, M]` of genomes `[P, L]`; a row with NaN is recorded as failed.

        Args:
            genomes: as given to `start`.
            values: in the natural sign.
            seconds: that the whole batch took.
        """
        now = datetime.now(timezone.utc).isoformat(timespec="seconds")
        with faults(self.path), transaction(self._connection):
            for i, row in enumerate(values, start=1):
                failed = not np.isfinite(row).all()
                error = self._why_failed(row) if failed else None
                self._connection.execute(
                    "UPDATE evaluations SET state = ?, seconds = ?, error = ?, finished = ? WHERE id = ?",
                    ("failed" if failed else "complete", seconds / len(genomes), error, now, len(self) + i),
                )
                if not failed:
                    self._connection.executemany(
                        "INSERT INTO objective_values VALUES (?, ?, ?)",
                        [(len(self) + i, o, float(v)) for o, v in zip(self.key.objectives, row, strict=True)],
                    )
        for genome, row in zip(genomes, values, strict=True):
            known = row.copy() if np.isfinite(row).all() else np.full(len(self.key.objectives), np.nan)
            self._known[genome.tobytes()] = known

    def evaluations(self) -> list[Evaluation]:
        """All finished evaluations, in the order of asking."""
        with faults(self.path):
            by_id: dict[int, dict[str, float]] = {}
            for evaluation, objective, value in self._connection.execute("SELECT * FROM objective_values"):
                by_id.setdefault(evaluation, {})[objective] = value
            rows = self._connection.execute(
                "SELECT id, genome, state, seconds, error FROM evaluations WHERE state != 'running' ORDER BY id"
            ).fetchall()
        try:
            return [
                Evaluation(
                    number,
                    self._unpacked(packed),
                    np.array([by_id.get(number, {}).get(o, np.nan) for o in self.key.objectives], dtype=np.float64),
                    state,
                    seconds,
                    error,
                )
                for number, packed, state, seconds, error in rows
            ]
        except (TypeError, ValueError) as error:
            raise damaged(self.path, f"an evaluation cannot be read: {error}") from error

    def seconds(self) -> float:
        """Seconds spent on all evaluations."""
        with faults(self.path):
            (total,) = self._connection.execute("SELECT COALESCE(SUM(seconds), 0) FROM evaluations").fetchone()
        return float(total)

    def last_finished(self) -> datetime | None:
        """When the last evaluation was committed, UTC; None before the first."""
        with faults(self.path):
            (last,) = self._connection.execute("SELECT MAX(finished) FROM evaluations").fetchone()
        try:
            return None if last is None else datetime.fromisoformat(last)
        except (TypeError, ValueError) as error:
            raise damaged(self.path, f"the time of an evaluation cannot be read: {error}") from error

    def result(self, name: str) -> Any | None:
        """A result stored earlier (JSON value), or None."""
        with faults(self.path):
            row = self._connection.execute("SELECT value FROM results WHERE name = ?", (name,)).fetchone()
        try:
            return None if row is None else json.loads(row[0])
        except (TypeError, ValueError) as error:
            raise damaged(self.path, f"its result {name!r} cannot be read: {error}") from error

    def set_result(self, name: str, value: Any) -> None:
        """Store a result (a JSON value), replacing an earlier one of that name."""
        with faults(self.path), transaction(self._connection):
            self._connection.execute("INSERT OR REPLACE INTO results VALUES (?, ?)", (name, json.dumps(value)))

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def _unpacked(self, packed: bytes) -> BoolArray:
        if len(packed) != -(-self.key.length // 8):
            raise ValueError(f"a genome of {len(packed)} bytes, for {self.key.length} bits")
        return np.unpackbits(np.frombuffer(packed, dtype=np.uint8), count=self.key.length).astype(np.bool_)

    def _why_failed(self, row: FloatArray) -> str:
        bad = [f"{o} = {v}" for o, v in zip(self.key.objectives, row, strict=True) if not np.isfinite(v)]
        return f"not a finite number: {', '.join(bad)}"

    def _open(self, key: StudyKey | None) -> StudyKey:
        tables = {name for (name,) in self._connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if not tables and key is not None:
            self._create(key)
            return key
        if "meta" not in tables:
            raise StorageError(f"{self.path} is not a study of evoprune; name the folder of a run")
        meta = dict(self._connection.execute("SELECT key, value FROM meta").fetchall())
        if meta.get("schema_version") != str(SCHEMA_VERSION):
            raise StorageError(
                f"{self.path} has schema version {meta.get('schema_version')}, this program reads {SCHEMA_VERSION}; "
                "install the version of evoprune that wrote it"
            )
        try:
            stored = StudyKey(int(meta["length"]), tuple(json.loads(meta["objectives"])), meta["fingerprint"])
        except (KeyError, TypeError, ValueError) as error:
            raise damaged(self.path, f"its table `meta` cannot be read: {error!r}") from error
        if key is not None and key != stored:
            raise StorageError(
                f"{self.path} was made from other features or settings (have images been added or changed?); "
                "give another --output folder, or delete that one"
            )
        return stored

    def _create(self, key: StudyKey) -> None:
        with transaction(self._connection):
            for statement in _SCHEMA.strip().split(";\n"):
                self._connection.execute(statement)
            self._connection.executemany(
                "INSERT INTO meta VALUES (?, ?)",
                [
                    ("schema_version", str(SCHEMA_VERSION)),
                    ("evoprune_version", __version__),
                    ("fingerprint", key.fingerprint),
                    ("length", str(key.length)),
                    ("objectives", json.dumps(key.objectives)),
                ],
            )
