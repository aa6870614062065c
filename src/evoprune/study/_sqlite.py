"""SQLite: opening a file, transactions, and what is said when something is wrong with it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from evoprune.errors import DamagedStoreError, StorageError


def connect(path: Path | None, *, read_only: bool = False) -> sqlite3.Connection:
    """Open a file in autocommit mode; the one place that does.

    Args:
        path: the file; None for a database in memory.
        read_only: change nothing, not even where the file lies in a folder that cannot be written to.

    Raises:
        sqlite3.Error: it cannot be opened, or is no database.
    """
    if path is not None and read_only:
        return _connect_to_read(path)
    connection = sqlite3.connect(":memory:" if path is None else path, isolation_level=None, timeout=30)
    statements = ["PRAGMA foreign_keys = ON"]
    if path is not None:
        statements += ["PRAGMA journal_mode = WAL", "PRAGMA synchronous = NORMAL"]
    return _executed(connection, statements)


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Commit what happens within, or nothing of it.

    Raises:
        sqlite3.Error: it could not be committed.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        # SQLite has ended the transaction itself where the disk is full.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


@contextmanager
def snapshot(connection: sqlite3.Connection) -> Iterator[None]:
    """Let all that is read within be of one moment, whoever commits meanwhile.

    Raises:
        sqlite3.Error: the file cannot be read.
    """
    connection.execute("BEGIN")
    try:
        yield
    finally:
        if connection.in_transaction:
            connection.execute("COMMIT")


@contextmanager
def faults(path: Path | None) -> Iterator[None]:
    """Turn what SQLite says about a file into a sentence.

    Raises:
        DamagedStoreError: the file is damaged.
        StorageError: it cannot be read or written now.
    """
    try:
        yield
    except sqlite3.OperationalError as error:
        # Tables or text that are not what was written: nothing that could be mended from outside.
        if str(error).startswith(("no such", "Could not decode")):
            raise damaged(path, str(error)) from error
        raise StorageError(
            f"{path or 'the study in memory'} cannot be used ({error}); mend that (free space, permission to write, "
            "no other program that holds it) and run the same command again: what is evaluated is kept"
        ) from error
    except (sqlite3.Error, UnicodeDecodeError) as error:
        # Of a damaged schema the complaint itself may be no text.
        raise damaged(path, str(error)) from error


def check(connection: sqlite3.Connection, path: Path | None) -> None:
    """Find damage before anything is computed with what is left.

    Raises:
        DamagedStoreError: the file is damaged.
    """
    # They compute when they are read, without an end if somebody wants that; no version has written any.
    query = "SELECT name FROM sqlite_master WHERE type NOT IN ('table', 'index') OR sql LIKE 'CREATE VIRTUAL%' LIMIT 1"
    strange = connection.execute(query).fetchone()
    if strange is not None:
        raise damaged(path, f"{strange[0]!r} in it is no table of rows")
    (verdict,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
    if verdict != "ok":
        raise damaged(path, " ".join(str(verdict).split()))
    # SQLite takes what is missing of the last page for zeros; pages may still stand in the log beside the file.
    if path is not None and not _size(_log(path)):
        query = "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"
        (expected,) = connection.execute(query).fetchone()
        if _size(path) < expected:
            raise damaged(path, "it has been cut short")


def verify(path: Path) -> None:
    """Check a file without opening what is in it.

    Raises:
        DamagedStoreError: it is damaged.
        StorageError: it cannot be read.
    """
    with faults(path), closing(connect(path, read_only=True)) as connection:
        check(connection, path)


def damaged(path: Path | None, why: str) -> DamagedStoreError:
    """The error for a file whose contents are not what was written."""
    return DamagedStoreError(f"{path} is damaged ({why}); put a copy of it in its place, or delete it to search anew")


def _size(path: Path) -> int:
    """Size of a file in bytes, 0 where there is none."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _connect_to_read(path: Path) -> sqlite3.Connection:
    where = f"{path.resolve().as_uri()}?mode=ro"
    if not _log(path).exists():
        # Nobody writes to it. SQLite would make an empty log all the same, leave it behind, and refuse
        # to read where none can be made; so it is told that the file does not change.
        where += "&immutable=1"
    connection = sqlite3.connect(where, isolation_level=None, timeout=30, uri=True)
    return _executed(connection, ["SELECT COUNT(*) FROM sqlite_master"])


def _log(path: Path) -> Path:
    """Where SQLite keeps what has been committed but is not in the file yet."""
    return path.with_name(f"{path.name}-wal")


def _executed(connection: sqlite3.Connection, statements: Sequence[str]) -> sqlite3.Connection:
    """The connection after these statements; closed where one fails."""
    try:
        for statement in statements:
            connection.execute(statement)
    except (sqlite3.Error, UnicodeDecodeError):
        connection.close()
        raise
    return connection
