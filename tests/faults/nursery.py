"""A process that has loaded all that commands need, and has a child for each of them.

A command then starts within milliseconds, so that a process can be killed hundreds of times at any moment of
its work. Orders come as lines of JSON on standard input; each is answered by a line.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import json
import os
import pkgutil
import resource
import sys
from pathlib import Path
from typing import Any

import evoprune

OTHERS = (
    *("torch", "sklearn.datasets", "sklearn.model_selection", "scipy.stats", "onnx", "onnxruntime", "psutil"),
    *("matplotlib.figure", "matplotlib.backends.backend_agg", "PIL.PngImagePlugin", "PIL.JpegImagePlugin"),
    *("pymoo.algorithms.moo.nsga2", "pymoo.indicators.hv", "rich.progress", "rich.table"),
)
"""What commands spend their first seconds with."""


def main() -> None:
    """Follow orders until there are none."""
    ours = [module.name for module in pkgutil.walk_packages(evoprune.__path__, "evoprune.")]
    for name in (*OTHERS, *(name for name in ours if not name.endswith("__main__"))):
        # What needs a package that is not installed is not needed.
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    for line in sys.stdin:
        order = json.loads(line)
        print(json.dumps(_ACTS[order.pop("act")](**order)), flush=True)


def _start(**order: Any) -> int:
    """Start a command; gives the number of its process."""
    child = os.fork()
    if child == 0:
        status = 99
        try:
            status = _work(**order)
        finally:
            os._exit(status)
    return child


def _wait(child: int) -> int:
    """Wait for a command; gives its exit status, below 0 for a signal."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _work(
    arguments: list[str],
    place: str,
    changes: dict[str, str],
    arm: list[Any] | None = None,
    clock: list[int] | None = None,
    memory: int | None = None,
) -> int:
    """The command, in a process of its own whose output goes to the files `out` and `err` in a folder."""
    here = Path(place)
    for number, name in ((0, os.devnull), (1, here / "out"), (2, here / "err")):
        flags = os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        os.dup2(os.open(name, flags, 0o644), number)
    os.chdir(here)
    os.environ.update(changes)
    if memory is not None:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        most = pages * os.sysconf("SC_PAGE_SIZE") + memory
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
    layer = ctypes.CDLL(None)
    if clock is not None:
        layer.faults_clock(*map(ctypes.c_longlong, clock))
    if arm is not None:
        folders, how, number = arm
        layer.faults_arm(":".join(folders).encode(), how, ctypes.c_long(number))
    sys.argv = ["evoprune", *arguments]
    status = 0
    try:
        from evoprune.cli import main as command

        command()
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
    except BaseException:
        import traceback

        traceback.print_exc()
        status = 1
    sys.stdout.flush()
    sys.stderr.flush()
    if arm is not None:
        seen = layer.faults_seen()
        layer.faults_arm(b"", 0, ctypes.c_long(0))
        (here / "seen").write_text(str(seen))
    return status


_ACTS = {"start": _start, "wait": _wait}

if __name__ == "__main__":
    main()
