"""Starting a local Ray, or joining a cluster."""

from __future__ import annotations

import importlib
import logging
import os
import shutil
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType
from typing import Any

import psutil

from evoprune.errors import ConfigError

_SPARE = 256 * 2**20
"""Bytes of a local object store beside the features: blueprints and results."""

_PREFIX = "evoprune-ray-"

_LAST_WORDS = 10.0
"""Seconds for which processes of a local Ray that are ending may still write their logs."""

_PATIENCE = 10.0
"""Seconds within which the address of a cluster has to answer."""


def import_ray() -> ModuleType:
    """Ray, made quiet before it is imported.

    Raises:
        ConfigError: it is not installed, or cannot be imported.
    """
    for name, value in (
        ("RAY_USAGE_STATS_ENABLED", "0"),
        ("RAY_DISABLE_IMPORT_WARNING", "1"),
        ("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0"),
        # Otherwise workers come after whatever else the machine does, the waiting driver included.
        ("RAY_worker_niceness", "0"),
        # What Ray itself says of dead workers goes to standard output, where results are.
        ("RAY_DEDUP_LOGS_SKIP_REGEX", "worker died|worker was killed|marked dead|killed due to|Raylet is terminated"),
    ):
        os.environ.setdefault(name, value)
    try:
        return importlib.import_module("ray")
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"--executor ray needs {error.name}, which is not installed; "
            'run: pip install "evoprune[ray]"   (or leave --executor out)'
        ) from error
    except (ImportError, OSError) as error:
        raise ConfigError(
            f"--executor ray needs ray, which cannot be imported ({first_line(error)}); "
            'run: pip install --upgrade "evoprune[ray]"'
        ) from error


@contextmanager
def connected(address: str | None, feature_bytes: int) -> Iterator[ModuleType]:
    """Ray, with a cluster joined or a local one started; what was started here is ended.

    A Ray that this process has initialised already is used, and left as it is.

    Args:
        address: of the cluster; None for `RAY_ADDRESS` where it is set, else a local one.
        feature_bytes: that a local object store is to have room for.

    Raises:
        ConfigError: Ray is not installed, or there is no cluster at the address.
    """
    ray = import_ray()
    address = address or os.environ.get("RAY_ADDRESS")
    if address is not None:
        _check_answers(address)
    if ray.is_initialized():
        yield ray
        return
    with _local_folder() if address is None else _no_folder() as folder:
        options: dict[str, Any] = {"logging_level": logging.ERROR, "configure_logging": False, "log_to_driver": False}
        if folder is None:
            options["address"] = address
        else:
            options |= {
                "address": "local",
                "include_dashboard": False,
                "_node_ip_address": "127.0.0.1",
                "_temp_dir": str(folder),
                "object_store_memory": feature_bytes + _SPARE,
            }
        try:
            ray.init(**options)
        except (RuntimeError, ValueError, OSError, ray.exceptions.RayError) as error:
            where = "a local Ray could not be started" if folder is not None else f"no Ray could be joined at {address}"
            raise ConfigError(f"{where} ({first_line(error)}); mend that, or leave --executor out") from error
        try:
            yield ray
        finally:
            with undisturbed():
                ray.shutdown()


@contextmanager
def undisturbed() -> Iterator[None]:
    """Within it Ctrl-C is not heard, so that what was started is ended whole."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.SIG_DFL if before is None else before)


def first_line(error: BaseException) -> str:
    """The first line that says something, of an error that may say many."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


def _check_answers(address: str) -> None:
    """Refuse an address at which nothing listens, at once; Ray itself would try for minutes.

    Raises:
        ConfigError: nothing does.
    """
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdigit():
        return  # `auto`, and whatever else Ray itself knows
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=_PATIENCE):
            pass
    except OSError as error:
        raise ConfigError(
            f"no Ray answers at {address} ({error.strerror or error}); give the address that `ray start --head` "
            "prints, or --executor ray for a Ray on this machine"
        ) from error


@contextmanager
def _no_folder() -> Iterator[None]:
    yield None


@contextmanager
def _local_folder() -> Iterator[Path]:
    """A folder for a local Ray, whose sockets allow no long path; removed afterwards."""
    root = Path(tempfile.gettempdir())
    root = root if len(str(root)) <= 10 or not Path("/tmp").is_dir() else Path("/tmp")  # noqa: S108
    _remove_abandoned(root)
    folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=root))
    try:
        yield folder
    finally:
        end = time.monotonic() + _LAST_WORDS
        with undisturbed():
            while folder.exists() and time.monotonic() < end:
                shutil.rmtree(folder, ignore_errors=True)
                time.sleep(0.02)


def _remove_abandoned(root: Path) -> None:
    """Remove the folders of processes that were killed."""
    for folder in root.glob(f"{_PREFIX}*"):
        number = folder.name.removeprefix(_PREFIX).partition("-")[0]
        with suppress(OSError):
            if number.isdigit() and not psutil.pid_exists(int(number)) and folder.stat().st_uid == os.getuid():
                shutil.rmtree(folder, ignore_errors=True)
