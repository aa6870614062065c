"""The tables of a run's SQLite file, their versions, and the checksums of their rows.

SQLite notices damage to the structure of a file, not to what a row holds. So every row that
counts carries a checksum: an evaluation's covers its values too, and one row of `meta` covers
the others.

A file of an earlier version is brought to this one when it is opened: in place where it is
opened to write, in a copy in memory where it is opened to read.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable, Iterator, Mapping

from evoprune.study._sqlite import snapshot, transaction

SCHEMA_VERSION = 2
"""2 added checksums."""

_CHECKSUM = "checksum"

_TABLES = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE evaluations (
    id INTEGER PRIMARY KEY,
    genome BLOB NOT NULL UNIQUE,
    active INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('running', 'complete', 'failed')),
    seconds REAL,
    recipe TEXT NOT NULL,
    error TEXT,
    finished TEXT,
    checksum TEXT
);
CREATE TABLE objective_values (
    evaluation INTEGER NOT NULL REFERENCES evaluations (id) ON DELETE CASCADE,
    objective TEXT NOT NULL,
    value REAL NOT NULL,
    PRIMARY KEY (evaluation, objective)
) WITHOUT ROWID;
CREATE TABLE results (name TEXT PRIMARY KEY, value TEXT NOT NULL, checksum TEXT NOT NULL DEFAULT '') WITHOUT ROWID;
"""


def create(connection: sqlite3.Connection, facts: Mapping[str, str]) -> None:
    """Make the tables of a new study, with what it belongs to."""
    with transaction(connection):
        for statement in _TABLES.strip().split(";\n"):
            connection.execute(statement)
        connection.executemany("INSERT INTO meta VALUES (?, ?)", facts.items())
        _write_meta(connection, SCHEMA_VERSION)


def version_of(connection: sqlite3.Connection) -> str | None:
    """The schema version that a file says it has, as text."""
    row = connection.execute("SELECT value FROM meta WHERE key = 'schema_version'").fetchone()
    return None if row is None else str(row[0])


def is_earlier(version: str | None) -> bool:
    """Whether files of this version can be brought to the present one."""
    return version is not None and version.isdecimal() and int(version) in MIGRATIONS


def migrate(connection: sqlite3.Connection) -> None:
    """Bring the tables of an earlier version to the present one, in one transaction."""
    with transaction(connection):
        # Asked again: another process may have done it just now.
        version = int(version_of(connection) or 0)
        while version in MIGRATIONS:
            MIGRATIONS[version](connection)
            version += 1
            _write_meta(connection, version)


def _add_checksums(connection: sqlite3.Connection) -> None:
    """From version 1 to 2."""
    connection.execute("ALTER TABLE evaluations ADD COLUMN checksum TEXT")
    connection.execute("ALTER TABLE results ADD COLUMN checksum TEXT NOT NULL DEFAULT ''")
    for seal, _, number in list(_evaluations(connection)):
        connection.execute("UPDATE evaluations SET checksum = ? WHERE id = ?", (seal, number))
    for name, value in connection.execute("SELECT name, value FROM results").fetchall():
        connection.execute("UPDATE results SET checksum = ? WHERE name = ?", (seal_of(name, value), name))


MIGRATIONS: dict[int, Callable[[sqlite3.Connection], None]] = {1: _add_checksums}
"""What brings files of a version to the one after it."""


def seal_of(*parts: object) -> str:
    """A checksum of values as SQLite gives them."""
    return hashlib.sha256(repr(parts).encode("utf-8", "backslashreplace")).hexdigest()[:32]


def seal_evaluation(connection: sqlite3.Connection, number: int) -> None:
    """Give a finished evaluation and its values their checksum."""
    ((seal, _, _),) = _evaluations(connection, number)
    connection.execute("UPDATE evaluations SET checksum = ? WHERE id = ?", (seal, number))


def check_meta(connection: sqlite3.Connection) -> str | None:
    """What is wrong with the facts about a study, or None; version 1 has nothing to tell it by."""
    meta = dict(connection.execute("SELECT key, value FROM meta").fetchall())
    seal = meta.pop(_CHECKSUM, None)
    if seal is None and meta.get("schema_version") == "1":
        return None
    return None if seal == seal_of(sorted(meta.items())) else "its table `meta` is not what was written"


def check_evaluations(connection: sqlite3.Connection) -> str | None:
    """Which evaluation is not what was written, in words; None where all are."""
    with snapshot(connection):
        found = list(_evaluations(connection))
    wrong = (number for seal, stored, number in found if seal != stored)
    return next((f"evaluation {number} is not what was written" for number in wrong), None)


def damaged_results(connection: sqlite3.Connection) -> list[str]:
    """Names of results that are not what was written."""
    rows = connection.execute("SELECT name, value, checksum FROM results")
    return [name for name, value, checksum in rows if seal_of(name, value) != checksum]


def _evaluations(connection: sqlite3.Connection, only: int | None = None) -> Iterator[tuple[str, str | None, int]]:
    """Checksum as it should be, checksum as it stands, and number of the finished evaluations, or of one of them."""
    which, one = ("", ()) if only is None else ("= ?", (only,))
    values: dict[int, list[tuple[object, object]]] = {}
    columns = "evaluation, objective, value"
    query = f"SELECT {columns} FROM objective_values {which and f'WHERE evaluation {which}'} ORDER BY 1, 2"  # noqa: S608
    for number, objective, value in connection.execute(query, one):
        values.setdefault(number, []).append((objective, value))
    columns = "id, genome, active, state, seconds, recipe, error, finished, checksum"
    query = f"SELECT {columns} FROM evaluations WHERE state != 'running' {which and f'AND id {which}'}"  # noqa: S608
    for *row, stored in connection.execute(query, one):
        yield seal_of(*row, values.get(row[0], [])), stored, row[0]


def _write_meta(connection: sqlite3.Connection, version: int) -> None:
    """Set the schema version, and the checksum of all that `meta` holds."""
    put = "INSERT OR REPLACE INTO meta VALUES (?, ?)"
    connection.execute(put, ("schema_version", str(version)))
    meta = dict(connection.execute("SELECT key, value FROM meta").fetchall())
    meta.pop(_CHECKSUM, None)
    connection.execute(put, (_CHECKSUM, seal_of(sorted(meta.items()))))
