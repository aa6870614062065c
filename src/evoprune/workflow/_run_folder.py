"""A run's folder: its files, and the lock that lets one process write at a time.

config.toml         the configuration
study.sqlite        every evaluation (schema: `evoprune.study._store`) and the result
model/              the chosen model: head.safetensors, model.json
history.csv         one line an evaluation
convergence.png     best fitness over evaluations
front.csv           the members of the front, where there are several objectives
hypervolume.csv     hypervolume of the front after each evaluation, likewise
figures/            of the front, likewise
report.html         the report of `evoprune run`
log.txt             what happened when
"""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from evoprune.errors import ConfigError, EvoPruneError, StorageError
from evoprune.report import printable
from evoprune.study import verify
from evoprune.workflow._kinds import RUN, described, require_room

if TYPE_CHECKING:
    from evoprune.workflow._config import RunConfig


class RunFolder:
    """The paths of a run.

    Args:
        path: the folder.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.config = self.path / "config.toml"
        self.store = self.path / "study.sqlite"
        self.model = self.path / "model"
        self.history = self.path / "history.csv"
        self.convergence = self.path / "convergence.png"
        self.front = self.path / "front.csv"
        self.hypervolume = self.path / "hypervolume.csv"
        self.figures = self.path / "figures"
        self.log = self.path / "log.txt"

    def require(self) -> None:
        """Check that there is a run here.

        Raises:
            StorageError: there is none.
        """
        if not self.config.is_file():
            raise StorageError(
                described(self.path)
                or f"{self.path} holds no run (config.toml is missing); `evoprune list` shows the runs there are"
            )

    def existing_config(self) -> RunConfig:
        """The configuration of a run that was started earlier.

        Raises:
            StorageError: there is no run here.
            ConfigError: its configuration is damaged.
        """
        from evoprune.workflow._config import read_config  # noqa: PLC0415

        self.require()
        return read_config(self.config)

    def claim(self, config: RunConfig) -> None:
        """Make the folder the home of a configuration, or check that it is already.

        Raises:
            ConfigError: it holds evaluations of other settings; the differences are listed.
            StorageError: it cannot be written to, or what is stored is damaged.
        """
        require_room(self.path, RUN)
        if self.store.exists():
            verify(self.store)
            if not self.config.exists():
                raise StorageError(
                    f"{self.path} holds a study but no config.toml; restore that file or give another --output folder"
                )
            differences = self.existing_config().differences(config)
            if differences:
                raise ConfigError(
                    f"{self.path} holds a run with other settings ({'; '.join(differences)}); "
                    "give another --output folder, or the settings of that run"
                )
        config.write(self.config)

    def withdraw(self) -> None:
        """Take back a claim under which nothing could be evaluated."""
        if not self.store.exists():
            for path in (self.config, self.log):
                path.unlink(missing_ok=True)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the run for this process; a folder in which no run came to be is removed.

        Raises:
            StorageError: another process holds it (it is named), or the folder cannot be written to.
        """
        if self.path.exists() and not self.path.is_dir():
            raise StorageError(f"{self.path} is a file, not a folder; give another --output folder")
        owner, who = self.path / "owner.txt", ""
        lock = FileLock(self.path / "run.lock")
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            lock.acquire(timeout=0)
        except Timeout:
            # It may be half written, or gone by now.
            with suppress(OSError):
                who = owner.read_text(encoding="utf-8", errors="replace").strip()
            raise StorageError(
                f"{self.path} is in use by {who or 'another process'}; wait for it, or give another --output folder"
            ) from None
        except OSError as error:
            raise self._unwritable(error) from error
        try:
            try:
                owner.write_text(_this_process(), encoding="utf-8")
            except OSError as error:
                raise self._unwritable(error) from error
            yield
        finally:
            owner.unlink(missing_ok=True)
            lock.release()
            if not self.config.exists():
                with suppress(OSError):
                    Path(lock.lock_file).unlink(missing_ok=True)
                    self.path.rmdir()

    def _unwritable(self, error: OSError) -> StorageError:
        return StorageError(
            f"{self.path} cannot be written to: {error.strerror or error}; give another --output folder"
        )

    @contextmanager
    def logging(self) -> Iterator[None]:
        """Append what evoprune logs to `log.txt`, and at its end why it ended early.

        Raises:
            StorageError: the file cannot be written to.
        """
        try:
            handler = _LogFile(self.log, encoding="utf-8", errors="backslashreplace")
        except OSError as error:
            raise StorageError(
                f"{self.log} cannot be written: {error.strerror or error}; give another --output folder"
            ) from error
        formatter = _Plain("%(asctime)s %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%SZ")
        formatter.converter = time.gmtime
        handler.setFormatter(formatter)
        logger = logging.getLogger("evoprune")
        level = logger.level
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        try:
            yield
        except (EvoPruneError, KeyboardInterrupt) as error:
            logger.warning("stopped: %s", str(error) or "interrupted")
            raise
        except Exception:
            logger.exception("stopped by a defect of evoprune")
            raise
        finally:
            logger.setLevel(level)
            logger.removeHandler(handler)
            handler.close()


class _Plain(logging.Formatter):
    """Lines of which nothing acts on a terminal: names of files and classes come from elsewhere."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as text."""
        return "\n".join(map(printable, super().format(record).split("\n")))


class _LogFile(logging.FileHandler):
    """A log whose own failure (a full disk) is not worth a traceback: what matters is in the store."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """Go on without the line."""

    def close(self) -> None:
        """Close the file, whether or not the rest of it can be written."""
        with suppress(OSError):
            super().close()


def _this_process() -> str:
    now = datetime.now(timezone.utc).isoformat(timespec="seconds")
    return f"process {os.getpid()} on {socket.gethostname()}, since {now}\n"
