"""The run's SQLite file: every evaluation, committed before the algorithm hears of it.

Schema (version 2; `_schema` has those before), readable with any SQLite tool:

- `meta(key, value)`: `schema_version`, `evoprune_version`, `fingerprint` of configuration and
  features, `length` (bits of a genome), `objectives` (names, JSON), `checksum` of all these.
- `evaluations(id, genome, active, state, seconds, recipe, error, finished, checksum)`: one row a
  distinct genome, `id` in the order of asking from 1. `genome` holds the bits packed eight
  to a byte, first bit highest (`numpy.packbits`); `active` is the number of 1-bits; `state`
  is `running`, `complete` or `failed`; `seconds` is its share of the time since the batch before it
  was committed, in which the search chose and measured its batch; `checksum` covers its row and its values.
- `objective_values(evaluation, objective, value)`: natural sign; none for failed ones.
- `results(name, value, checksum)`: JSON, written after the search.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Literal

import numpy as np

from evoprune._files import parse_json
from evoprune._types import BoolArray, FloatArray
from evoprune._version import __version__
from evoprune.errors import StorageError
from evoprune.study import _schema as schema
from evoprune.study._sqlite import check, connect, damaged, faults, snapshot, transaction

logger = logging.getLogger(__name__)

State = Literal["running", "complete", "failed"]


@dataclass(frozen=True)
class Evaluation:
    """One stored evaluation.

    Attributes:
        id: order of asking, from 1.
        genome: bits `[L]`.
        values: objective values `[M]`, NaN where it failed.
        state: `complete` or `failed`.
        seconds: its share of the time since the batch before it was committed.
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
        derived: what the names of results that can be worked out again begin with. Where such a one
            is damaged it is taken away, which is logged; with a key only.

    Raises:
        DamagedStoreError: what is in the file is not what was written.
        StorageError: the file is missing, of a newer version, or of another key.
    """

    def __init__(
        self, path: Path | None, key: StudyKey | None = None, *, recipe: str = "", derived: Sequence[str] = ()
    ) -> None:
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
                self._check_rows(tuple(derived), may_mend=key is not None)
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
            seconds: since the batch before it was committed, or since the search began.
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
                schema.seal_evaluation(self._connection, len(self) + i)
        for genome, row in zip(genomes, values, strict=True):
            known = row.copy() if np.isfinite(row).all() else np.full(len(self.key.objectives), np.nan)
            self._known[genome.tobytes()] = known

    def evaluations(self) -> list[Evaluation]:
        """All finished evaluations, in the order of asking."""
        with faults(self.path), snapshot(self._connection):
            by_id: dict[int, dict[str, float]] = {}
            query = "SELECT evaluation, objective, value FROM objective_values"
            for evaluation, objective, value in self._connection.execute(query):
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
        """Seconds that the search took for all evaluations, what it thought about between them included."""
        with faults(self.path):
            (total,) = self._connection.execute("SELECT COALESCE(SUM(seconds), 0) FROM evaluations").fetchone()
        return float(total)

    def last_finished(self) -> datetime | None:
        """When the last evaluation was committed, UTC; None before the first."""
        # By its number: a clock may have been set back.
        query = "SELECT finished FROM evaluations WHERE finished IS NOT NULL ORDER BY id DESC LIMIT 1"
        with faults(self.path):
            row = self._connection.execute(query).fetchone()
        try:
            return None if row is None else datetime.fromisoformat(row[0])
        except (TypeError, ValueError) as error:
            raise damaged(self.path, f"the time of an evaluation cannot be read: {error}") from error

    def result(self, name: str) -> Any | None:
        """A result stored earlier (JSON value), or None."""
        with faults(self.path):
            row = self._connection.execute("SELECT value FROM results WHERE name = ?", (name,)).fetchone()
        try:
            return None if row is None else parse_json(row[0])
        except (TypeError, ValueError) as error:
            raise damaged(self.path, f"its result {name!r} cannot be read: {error}") from error

    def set_result(self, name: str, value: Any) -> None:
        """Store a result (a JSON value), replacing an earlier one of that name."""
        row = (name, json.dumps(value))
        with faults(self.path), transaction(self._connection):
            self._connection.execute("INSERT OR REPLACE INTO results VALUES (?, ?, ?)", (*row, schema.seal_of(*row)))

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
        wrong = schema.check_meta(self._connection)
        if wrong is not None:
            raise damaged(self.path, wrong)
        version = schema.version_of(self._connection)
        if version != str(schema.SCHEMA_VERSION):
            self._update(version, in_place=key is not None)
        meta = dict(self._connection.execute("SELECT key, value FROM meta").fetchall())
        try:
            stored = StudyKey(int(meta["length"]), tuple(parse_json(meta["objectives"])), meta["fingerprint"])
        except (KeyError, TypeError, ValueError) as error:
            raise damaged(self.path, f"its table `meta` cannot be read: {error!r}") from error
        if key is not None and key != stored:
            raise StorageError(
                f"{self.path} was made from other features or settings (have images been added or changed?); "
                "give another --output folder, or delete that one"
            )
        return stored

    def _update(self, version: str | None, *, in_place: bool) -> None:
        """Bring a file of an earlier version to this one; what is only read is copied into memory for that."""
        if not schema.is_earlier(version):
            raise StorageError(
                f"{self.path} has schema version {version}, this program reads {schema.SCHEMA_VERSION} and those "
                "before it; install the version of evoprune that wrote it"
            )
        if not in_place:
            copy = connect(None)
            self._connection.backup(copy)
            self._connection.close()
            self._connection = copy
        schema.migrate(self._connection)
        if in_place:
            logger.info("%s: brought from schema version %s to %d", self.path, version, schema.SCHEMA_VERSION)

    def _check_rows(self, derived: tuple[str, ...], *, may_mend: bool) -> None:
        """Find rows that are not what was written.

        Raises:
            DamagedStoreError: there are some that cannot be worked out again.
        """
        wrong = schema.check_evaluations(self._connection)
        if wrong is not None:
            raise damaged(self.path, wrong)
        for name in schema.damaged_results(self._connection):
            if not may_mend:
                raise damaged(
                    self.path, f"its result {name!r} is not what was written, which `evoprune resume` may mend"
                )
            if not str(name).startswith(derived):
                raise damaged(self.path, f"its result {name!r} is not what was written")
            logger.warning("the stored result %r is not what was written, and is worked out again", name)
            self._connection.execute("DELETE FROM results WHERE name = ?", (name,))

    def _create(self, key: StudyKey) -> None:
        facts = {
            "evoprune_version": __version__,
            "fingerprint": key.fingerprint,
            "length": str(key.length),
            "objectives": json.dumps(key.objectives),
        }
        schema.create(self._connection, facts)
