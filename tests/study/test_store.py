"""The store: what is committed is there, for us and for any SQLite tool."""

from __future__ import annotations

import sqlite3

import numpy as np
import pytest

from evoprune.errors import DamagedStoreError, StorageError
from evoprune.study import Store, StudyKey
from evoprune.study import _schema as schema

KEY = StudyKey(11, ("accuracy", "active"), "abc")


def genomes(count, seed=0):
    return np.random.default_rng(seed).random((count, 11)) < 0.5


def test_values_come_back_bit_for_bit(tmp_path):
    asked, values = genomes(4), np.random.default_rng(1).random((4, 2))
    store = Store(tmp_path / "s.sqlite", KEY, recipe="fast")
    store.start(asked)
    assert len(store) == 0
    store.finish(asked, values, 2.0)
    store.close()
    again = Store(tmp_path / "s.sqlite", KEY)
    assert len(again) == 4
    for genome, row in zip(asked, values, strict=True):
        assert again.values(genome).tobytes() == row.tobytes()
    assert [e.id for e in again.evaluations()] == [1, 2, 3, 4]
    assert all(np.array_equal(e.genome, g) for e, g in zip(again.evaluations(), asked, strict=True))
    assert again.seconds() == pytest.approx(2.0)
    again.close()


def test_the_file_is_plain_sqlite_with_the_documented_schema(tmp_path):
    asked = genomes(2)
    store = Store(tmp_path / "s.sqlite", KEY, recipe="paper")
    store.start(asked)
    store.finish(asked, np.array([[0.5, 0.25], [0.75, 0.5]]), 1.0)
    store.close()
    connection = sqlite3.connect(tmp_path / "s.sqlite")
    rows = connection.execute("SELECT id, genome, active, state, recipe, error FROM evaluations").fetchall()
    assert [(r[0], r[2], r[3], r[4], r[5]) for r in rows] == [
        (i + 1, int(g.sum()), "complete", "paper", None) for i, g in enumerate(asked)
    ]
    assert np.unpackbits(np.frombuffer(rows[0][1], np.uint8))[:11].astype(bool).tolist() == asked[0].tolist()
    assert connection.execute("SELECT * FROM objective_values ORDER BY 1, 2").fetchall() == [
        (1, "accuracy", 0.5),
        (1, "active", 0.25),
        (2, "accuracy", 0.75),
        (2, "active", 0.5),
    ]
    connection.close()


def test_evaluations_under_way_are_forgotten_when_reopened(tmp_path):
    asked = genomes(3)
    store = Store(tmp_path / "s.sqlite", KEY)
    store.start(asked[:1])
    store.finish(asked[:1], np.ones((1, 2)), 1.0)
    store.start(asked[1:])
    store.close()
    reader = Store(tmp_path / "s.sqlite")
    assert len(reader) == 1
    assert reader._connection.execute("SELECT COUNT(*) FROM evaluations").fetchone() == (3,)
    reader.close()
    again = Store(tmp_path / "s.sqlite", KEY)
    assert len(again) == 1
    assert again.values(asked[1]) is None
    again.start(asked[1:])
    again.finish(asked[1:], np.ones((2, 2)), 1.0)
    assert [e.id for e in again.evaluations()] == [1, 2, 3]
    again.close()


def test_a_value_that_is_no_number_is_a_failed_evaluation(tmp_path):
    asked = genomes(2)
    store = Store(tmp_path / "s.sqlite", KEY)
    store.start(asked)
    store.finish(asked, np.array([[np.nan, 0.5], [0.5, 0.5]]), 1.0)
    failed, complete = store.evaluations()
    assert (failed.state, complete.state) == ("failed", "complete")
    assert failed.error == "not a finite number: accuracy = nan"
    assert np.isnan(store.values(asked[0])).all()
    assert len(store) == 2
    store.close()


def test_results_are_json(tmp_path):
    store = Store(tmp_path / "s.sqlite", KEY)
    assert store.result("summary") is None
    store.set_result("summary", {"a": [1, 2.5]})
    store.set_result("summary", {"a": [3]})
    assert store.result("summary") == {"a": [3]}
    store.close()


@pytest.mark.parametrize(
    "other", [StudyKey(11, ("accuracy", "active"), "xyz"), StudyKey(12, ("accuracy", "active"), "abc")]
)
def test_a_store_of_another_study_is_refused(tmp_path, other):
    Store(tmp_path / "s.sqlite", KEY).close()
    with pytest.raises(StorageError, match="was made from other features or settings"):
        Store(tmp_path / "s.sqlite", other)


@pytest.mark.parametrize(
    ("contents", "sentence"),
    [
        (b"not a database at all, but long enough to look at" * 50, "is damaged \\(file is not a database"),
        (None, "is not there"),
    ],
)
def test_files_that_are_no_store_are_refused(tmp_path, contents, sentence):
    path = tmp_path / "s.sqlite"
    if contents is not None:
        path.write_bytes(contents)
    with pytest.raises(StorageError, match=sentence):
        Store(path)


def test_a_foreign_database_and_a_newer_version_are_refused(tmp_path):
    connection = sqlite3.connect(tmp_path / "other.sqlite")
    connection.execute("CREATE TABLE t (x)")
    connection.commit()
    connection.close()
    with pytest.raises(StorageError, match="is not a study of evoprune"):
        Store(tmp_path / "other.sqlite", KEY)
    Store(tmp_path / "s.sqlite", KEY).close()
    connection = sqlite3.connect(tmp_path / "s.sqlite")
    schema._write_meta(connection, 99)
    connection.commit()
    connection.close()
    with pytest.raises(StorageError, match="schema version 99, this program reads 2 and those before it"):
        Store(tmp_path / "s.sqlite", KEY)


def test_the_last_evaluation_is_the_last_in_order_whatever_the_clock_said(tmp_path):
    store = Store(tmp_path / "s.sqlite", KEY)
    for number, finished in enumerate(("2026-05-01T00:00:00+00:00", "2016-05-01T00:00:00+00:00")):
        asked = genomes(1, number)
        store.start(asked)
        store.finish(asked, np.ones((1, 2)), 1.0)
        store._connection.execute("UPDATE evaluations SET finished = ? WHERE id = ?", (finished, number + 1))
    assert store.last_finished().year == 2016
    store.close()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE objective_values SET value = value + 1e-9 WHERE evaluation = 2 AND objective = 'active'",
        "DELETE FROM objective_values WHERE evaluation = 2 AND objective = 'active'",
        "UPDATE evaluations SET seconds = seconds + 1 WHERE id = 2",
        "UPDATE evaluations SET state = 'failed' WHERE id = 2",
        "UPDATE evaluations SET id = 7 WHERE id = 2",
        "UPDATE meta SET value = 'abd' WHERE key = 'fingerprint'",
        "UPDATE results SET value = '[1, 2.50]' WHERE name = 'kept'",
        "UPDATE results SET name = 'keptt' WHERE name = 'kept'",
    ],
)
def test_what_is_not_what_was_written_is_refused(tmp_path, statement):
    store = Store(tmp_path / "s.sqlite", KEY)
    asked = genomes(3)
    store.start(asked)
    store.finish(asked, np.random.default_rng(1).random((3, 2)), 1.0)
    store.set_result("kept", [1, 2.5])
    store.close()
    connection = sqlite3.connect(tmp_path / "s.sqlite")
    with connection:
        connection.execute(statement)
    connection.close()
    for key in (KEY, None):
        with pytest.raises(DamagedStoreError, match="is not what was written"):
            Store(tmp_path / "s.sqlite", key, derived=("other",))


def test_a_result_that_follows_from_others_is_taken_away_where_it_is_damaged(tmp_path, caplog):
    store = Store(tmp_path / "s.sqlite", KEY)
    store.set_result("derived/1", [1])
    store.set_result("kept", [2])
    store.close()
    connection = sqlite3.connect(tmp_path / "s.sqlite")
    with connection:
        connection.execute("UPDATE results SET value = '[3]' WHERE name = 'derived/1'")
    connection.close()
    with pytest.raises(DamagedStoreError, match="which `evoprune resume` may mend"):
        Store(tmp_path / "s.sqlite")
    again = Store(tmp_path / "s.sqlite", KEY, derived=("derived/",))
    assert (again.result("derived/1"), again.result("kept")) == (None, [2])
    assert "the stored result 'derived/1' is not what was written, and is worked out again" in caplog.text
    again.close()
