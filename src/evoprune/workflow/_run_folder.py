"""A run's folder: its files, and the lock that lets one process write at a time.

config.toml         the configuration
study.sqlite        every evaluation (schema: `evoprune.study._store`) and the result
model/              the chosen model: head.safetensors, model.json
history.csv         one line an evaluation
convergence.png     best fitness over evaluations
log.txt             what happened when
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path

from filelock import FileLock, Timeout

from evoprune.errors import ConfigError, StorageError
from evoprune.workflow._config import RunConfig, read_config


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
        self.log = self.path / "log.txt"

    def existing_config(self) -> RunConfig:
        """The configuration of a run that was started earlier.

        Raises:
            StorageError: there is no run here.
        """
        if not self.config.is_file():
            raise StorageError(
                f"{self.path} holds no run (config.toml is missing); `evoprune list` shows the runs there are"
            )
        return read_config(self.config)

    def claim(self, config: RunConfig) -> None:
        """Make the folder the home of a configuration, or check that it is already.

        Raises:
            ConfigError: it holds a run with other settings; the differences are listed.
            StorageError: it cannot be written to.
        """
        if self.config.exists():
            differences = read_config(self.config).differences(config)
            if differences:
                raise ConfigError(
                    f"{self.path} holds a run with other settings ({'; '.join(differences)}); "
                    "give another --output folder, or the settings of that run"
                )
        elif self.store.exists():
            raise StorageError(
                f"{self.path} holds a study but no config.toml; restore that file or give another --output folder"
            )
        config.write(self.config)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the run for this process.

        Raises:
            StorageError: another process holds it (it is named), or the folder cannot be written to.
        """
        owner = self.path / "owner.txt"
        lock = FileLock(self.path / "run.lock")
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            lock.acquire(timeout=0)
        except Timeout:
            who = owner.read_text(encoding="utf-8").strip() if owner.is_file() else "another process"
            raise StorageError(
                f"{self.path} is in use by {who}; wait for it, or give another --output folder"
            ) from None
        except OSError as error:
            raise StorageError(
                f"{self.path} cannot be written to: {error.strerror}; give another --output folder"
            ) from error
        try:
            now = datetime.now(timezone.utc).isoformat(timespec="seconds")
            owner.write_text(f"process {os.getpid()} on {socket.gethostname()}, since {now}\n", encoding="utf-8")
            yield
            owner.unlink(missing_ok=True)
        finally:
            lock.release()

    @contextmanager
    def logging(self) -> Iterator[None]:
        """Append what evoprune logs to `log.txt`."""
        handler = logging.FileHandler(self.log, encoding="utf-8")
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        logger = logging.getLogger("evoprune")
        level = logger.level
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        try:
            yield
        finally:
            logger.setLevel(level)
            logger.removeHandler(handler)
            handler.close()
