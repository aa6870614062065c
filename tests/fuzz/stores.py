"""Fuzzing of the stores of run folders."""

from __future__ import annotations

import io
import json
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from evoprune.study import Store
from evoprune.study._schema import seal_of
from evoprune.workflow import RunFolder, load_run, read_front, read_status

from .material import Material
from .mutations import NAMES, changed, mutated
from .target import Target, or_sentence


def runs(whole: Material) -> Iterator[Target]:
    folder_of_run = whole.run
    store = (folder_of_run / "study.sqlite").read_bytes()

    def look(folder: Path) -> None:
        """What `show`, `front`, `report` and Python do with a run."""
        from evoprune.page import page_data, render
        from evoprune.report import result_table

        run = RunFolder(folder)
        for read in (lambda: _all_of(run.store), lambda: read_front(folder), lambda: load_run(folder)):
            or_sentence(read)
        status = read_status(run)
        if status.summary is not None:
            from rich.console import Console

            Console(file=io.StringIO()).print(result_table(status.summary))
        render(page_data([folder]))

    def fresh(folder: Path) -> Path:
        for name in ("study.sqlite", "study.sqlite-wal", "study.sqlite-shm"):
            (folder / name).unlink(missing_ok=True)
        shutil.copy(folder_of_run / "config.toml", folder)
        return folder / "study.sqlite"

    def read_bytes(data: bytes, folder: Path) -> None:
        fresh(folder).write_bytes(data)
        look(folder)

    def read_tables(statements: list[tuple[str, Any]], folder: Path) -> None:
        path = fresh(folder)
        path.write_bytes(store)
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            for statement, value in statements:
                try:
                    connection.execute(statement, {"v": value} if ":v" in statement else {})
                except (sqlite3.Error, OverflowError, ValueError):
                    continue
        look(folder)

    def read_result(given: tuple[str, str], folder: Path) -> None:
        name, text = given
        path = fresh(folder)
        path.write_bytes(store)
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            # Under a checksum that is right, as who means harm would.
            seal = seal_of(name, text)
            connection.execute("UPDATE results SET value = ?, checksum = ? WHERE name = ?", (text, seal, name))
        look(folder)

    with closing(sqlite3.connect(folder_of_run / "study.sqlite")) as connection:
        results = {name: json.loads(text) for name, text in connection.execute("SELECT name, value FROM results")}
    value = st.one_of(
        st.sampled_from(
            (None, 0, -1, 13, 2**62, 1e308, float("inf"), "x", "[" * 100_000, '"', "{}", b"", b"\x00\xff", "9" * 5000)
        ),
        st.sampled_from(NAMES[:-2]),
    )
    tables = {
        "meta": ("key", "value"),
        "evaluations": ("id", "genome", "active", "state", "seconds", "recipe", "error", "finished"),
        "objective_values": ("evaluation", "objective", "value"),
        "results": ("name", "value"),
    }
    # Names of tables are no values that SQLite would take apart from the statement.
    updates = st.sampled_from([f"UPDATE {table} SET {name} = :v" for table in tables for name in tables[table]])  # noqa: S608
    others = st.sampled_from(
        (
            *(f"DELETE FROM {table}" for table in tables),  # noqa: S608
            *(f"DROP TABLE {table}" for table in tables),
            *(f"ALTER TABLE {table} ADD COLUMN more" for table in tables),
            "UPDATE meta SET value = :v WHERE key = 'length'",
            "UPDATE meta SET value = :v WHERE key = 'objectives'",
            "UPDATE meta SET value = '[\"accuracy\"]' WHERE key = 'objectives'",
            "UPDATE results SET value = :v WHERE name = 'data'",
            "UPDATE results SET value = :v WHERE name = 'predictions'",
            "INSERT INTO evaluations (id, genome, active, state, recipe) SELECT 50, :v, 1, 'complete', ''",
            "PRAGMA user_version = 9",
            "CREATE VIEW more AS SELECT * FROM more",
            "CREATE TRIGGER t AFTER DELETE ON evaluations BEGIN INSERT INTO meta VALUES (random(), 1); END",
        )
    )
    loop = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x"
    endless = st.sampled_from(
        (
            "DROP TABLE evaluations",
            f"CREATE VIEW evaluations AS {loop} AS id, x AS genome, 'complete' AS state, 1 AS seconds FROM n",
            "DROP TABLE results",
            f"CREATE VIEW results AS {loop} AS name, x AS value FROM n",
            "DROP TABLE meta",
            f"CREATE VIEW meta AS {loop} AS key, x AS value FROM n",
        )
    )
    statements = st.lists(st.tuples(st.one_of(updates, others, endless), value), min_size=1, max_size=4)
    words = (b"evaluations", b"CREATE TABLE", b'"id"', b"NaN", b"\xff\xff", b"complete", b"failed", b"running")
    yield Target("stores (SQLite), bytes", mutated([store], words), read_bytes, 6)
    yield Target("stores (SQLite), tables", statements, read_tables, 4)
    yield Target(
        "stores (SQLite), results",
        st.sampled_from(sorted(results)).flatmap(lambda name: st.tuples(st.just(name), changed([results[name]]))),
        read_result,
        4,
    )


def _all_of(path: Path) -> None:
    with closing(Store(path)) as store:
        store.evaluations()
        store.seconds()
        store.last_finished()
        for name in ("summary", "data", "predictions"):
            store.result(name)
