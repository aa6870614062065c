"""What a reader may do with any input: give a result or a sentence, in time, in memory, and within its folder."""

from __future__ import annotations

import os
import resource
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from evoprune.errors import EvoPruneError

SECONDS = 20.0
"""For one input, of processor time. The slowest honest ones take tenths."""

MEMORY = 6 << 30
"""Bytes of address space of the process; torch and onnxruntime take some of it by being there."""

GROWTH = 1 << 30
"""Bytes by which one input may raise the most memory that the process ever held."""

_FORBIDDEN = (
    "os.exec", "os.posix_spawn", "os.fork", "os.system", "subprocess.Popen", "socket.connect", "socket.getaddrinfo",
    "pickle.find_class", "urllib.Request",
)  # fmt: skip
"""Events of Python's audit that reading a file has no business with."""

_CHANGES = ("os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.chmod", "os.truncate")


_OWN = (str(Path(tempfile.gettempdir()) / "torchinductor_"),)
"""What torch makes when some of its parts are imported."""


class Overdue(BaseException):
    """An input took too long; no reader may catch it."""


class Guard:
    """Watches what readers do; one a process, since Python's audit hooks stay.

    Args:
        folder: that readers may write into.
        allowed: events of Python's audit that the reader has business with all the same.
        growth: bytes that one input may take.
    """

    def __init__(self, folder: Path, allowed: Collection[str] = (), growth: int = GROWTH) -> None:
        self._folder = str(folder.resolve())
        self._allowed = allowed
        self._growth = growth
        self._watching = False
        self._seen: list[str] = []
        sys.addaudithook(self._heard)
        signal.signal(signal.SIGPROF, self._too_late)

    def fault(self, read: Callable[[], Any]) -> str | None:
        """What is wrong with how an input was read, and where; None where nothing is."""
        before = _most_memory()
        self._seen.clear()
        found = None
        try:
            with self._watched():
                read()
        except EvoPruneError as error:
            found = _no_sentence(error)
        except Overdue as late:
            found = f"took more than {SECONDS:g} s of processor time at {_place(late)}"
        except Exception as error:
            found = f"{type(error).__name__} at {_place(error)}: {str(error)[:200]!r}"
        grown = _most_memory() - before
        if found is None and grown > self._growth:
            found = f"took {grown >> 20} MiB of memory"
        return self._seen[0] if self._seen else found

    @contextmanager
    def _watched(self) -> Iterator[None]:
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        self._watching = True
        try:
            yield
        finally:
            self._watching = False
            signal.setitimer(signal.ITIMER_PROF, 0)

    def _too_late(self, number: int, frame: Any) -> None:
        raise Overdue

    def _heard(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self._watching:
            return
        if event == "open":
            path, _, flags = arguments
            if isinstance(path, (str, bytes)) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
                self._must_be_inside(event, path)
        elif event in ("os.symlink", "os.link"):
            # What a link points to is not changed by it.
            self._must_be_inside(event, arguments[1])
        elif event in _CHANGES:
            relative = event in ("os.remove", "os.rmdir") and arguments[-1] != -1
            for path in () if relative else arguments[: 2 if event == "os.rename" else 1]:
                self._must_be_inside(event, path)
        elif event in _FORBIDDEN and event not in self._allowed:
            self._seen.append(f"did {event} {arguments!r}"[:300])

    def _must_be_inside(self, event: str, path: Any) -> None:
        whole = os.path.abspath(os.fsdecode(path))  # noqa: PTH100 (a hook must not touch the disk)
        if not whole.startswith((self._folder, "/dev/null", *_OWN)) and "__pycache__" not in whole:
            self._seen.append(f"did {event} {whole}")


def limit_memory() -> None:
    """Let an allocation that is too large fail instead of taking the machine down."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _most_memory() -> int:
    # Not that of getrusage, which begins with what the process that started this one held.
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


def _no_sentence(error: EvoPruneError) -> str | None:
    text = str(error)
    if not text.strip() or "Traceback" in text:
        return f"{type(error).__name__} without a sentence at {_place(error)}: {text[:200]!r}"
    return None if len(text) < 20_000 else f"{type(error).__name__} with {len(text)} characters at {_place(error)}"


def _place(error: BaseException) -> str:
    """The last line of ours that an error went through."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "/evoprune/" in frame.filename] or frames
    return f"{Path(ours[-1].filename).name}:{ours[-1].lineno} in {ours[-1].name}"
