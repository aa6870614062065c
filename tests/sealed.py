"""Stores that hold nonsense and the checksums that go with it, as a program with a defect might write."""

from __future__ import annotations

import sqlite3

from evoprune.study import _schema as schema


def reseal(connection: sqlite3.Connection) -> None:
    """Give all rows of a store the checksums of what they hold now."""
    for name, value in connection.execute("SELECT name, value FROM results").fetchall():
        connection.execute("UPDATE results SET checksum = ? WHERE name = ?", (schema.seal_of(name, value), name))
    for (number,) in connection.execute("SELECT id FROM evaluations WHERE state != 'running'").fetchall():
        schema.seal_evaluation(connection, number)
    meta = dict(connection.execute("SELECT key, value FROM meta WHERE key != 'checksum'").fetchall())
    connection.execute("UPDATE meta SET value = ? WHERE key = 'checksum'", (schema.seal_of(sorted(meta.items())),))
