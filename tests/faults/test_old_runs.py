"""Runs that earlier versions wrote: every command opens them, for ever."""

from __future__ import annotations

import json
import shutil
import sqlite3
from pathlib import Path

import pytest
from PIL import Image

from evoprune.study import Store
from evoprune.study import _schema as schema

from ..cli.conftest import here
from .conftest import many

RUNS = sorted(path for path in (Path(__file__).parent / "runs").iterdir() if path.is_dir())


@pytest.fixture(params=RUNS, ids=lambda path: path.name)
def old(request, tmp_path, monkeypatch):
    """A copy of a run that an earlier version wrote, in an empty working directory."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(request.param, "run")
    return Path("run")


def facts(path):
    """Schema version, evaluations with their values, and summary of a store, read with nothing of ours."""
    connection = sqlite3.connect(path)
    meta = dict(connection.execute("SELECT key, value FROM meta"))
    rows = connection.execute(
        "SELECT id, genome, active, state, seconds, recipe, error, finished FROM evaluations ORDER BY id"
    ).fetchall()
    values = connection.execute("SELECT * FROM objective_values ORDER BY 1, 2").fetchall()
    (summary,) = connection.execute("SELECT value FROM results WHERE name = 'summary'").fetchone()
    connection.close()
    return int(meta["schema_version"]), rows, values, json.loads(summary)


def test_there_is_a_run_of_every_schema_version():
    versions = {facts(run / "study.sqlite")[0] for run in RUNS}
    assert versions == {*schema.MIGRATIONS, schema.SCHEMA_VERSION}


def test_reading_commands_show_what_is_in_it_and_change_nothing(old):
    before = {path: path.read_bytes() for path in old.rglob("*") if path.is_file()}
    _, rows, _, summary = facts(old / "study.sqlite")
    Image.new("RGB", (8, 8)).save("image.png")
    shown = here("show", old, "--json")
    assert shown.status == 0, shown
    found = json.loads(shown.out)
    assert found.items() >= {**summary, "run": "run"}.items()
    assert here("show", old).status == 0
    front = here("front", old, "--json")
    assert [member["id"] for member in json.loads(front.out)["members"]] == [m["id"] for m in summary["front"]]
    (listed,) = json.loads(here("list", ".", "--json").out)
    assert (listed["evaluations"], listed["complete"]) == (len(rows), True)
    assert here("predict", old, "image.png").status == 0
    assert here("report", old, "-o", "page.html").status == 0
    assert {path: path.read_bytes() for path in old.rglob("*") if path.is_file()} == before


def test_commands_that_write_bring_it_to_this_version_and_lose_nothing(old):
    _, rows, values, summary = facts(old / "study.sqlite")
    commands = (("resume", old), ("select", old, "--id", summary["front"][-1]["id"]))
    for command in (*commands[: many(1, 2)], ("export", old, "--head-only", "-o", "m.safetensors"))[: many(1, 3)]:
        done = here(*command)
        assert done.status == 0, done
    version, rows_now, values_now, _ = facts(old / "study.sqlite")
    assert (version, rows_now, values_now) == (schema.SCHEMA_VERSION, rows, values)


def test_each_migration_gives_the_tables_of_the_next_version(tmp_path):
    """The present tables are those of a new store, whatever version a file began with."""
    Store(tmp_path / "new.sqlite", schema_key()).close()
    for run in RUNS:
        shutil.copy(run / "study.sqlite", tmp_path / "old.sqlite")
        connection = sqlite3.connect(tmp_path / "old.sqlite", isolation_level=None)
        schema.migrate(connection)
        assert schema.check_meta(connection) is None
        assert schema.check_evaluations(connection) is None
        assert schema.damaged_results(connection) == []
        new = sqlite3.connect(tmp_path / "new.sqlite")
        for table in ("meta", "evaluations", "objective_values", "results"):
            query = 'SELECT name, type, "notnull", pk FROM pragma_table_info(?)'
            assert connection.execute(query, (table,)).fetchall() == new.execute(query, (table,)).fetchall()
        new.close()
        connection.close()


def schema_key():
    from evoprune.study import StudyKey

    return StudyKey(8, ("accuracy",), "key")


def test_a_migration_that_is_cut_off_leaves_the_old_version(tmp_path, monkeypatch):
    run = next(run for run in RUNS if facts(run / "study.sqlite")[0] == 1)
    shutil.copy(run / "study.sqlite", tmp_path / "s.sqlite")
    before = facts(tmp_path / "s.sqlite")

    def fails(connection, version):
        raise KeyboardInterrupt

    connection = sqlite3.connect(tmp_path / "s.sqlite", isolation_level=None)
    with monkeypatch.context() as patch:
        patch.setattr(schema, "_write_meta", fails)
        with pytest.raises(KeyboardInterrupt):
            schema.migrate(connection)
    connection.close()
    assert facts(tmp_path / "s.sqlite") == before
