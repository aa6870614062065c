"""Writing files so that no reader ever sees half of one, and JSON that knows its own checksum.

A file is written under another name beside its place, and takes its own name when all of it is
on the disk. A process that is killed in between leaves that other file behind; it begins with a
dot, is never read, and is removed by the next process that writes into the folder.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import sys
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from evoprune.errors import StorageError

if sys.platform != "win32":
    import fcntl

TEMPORARY = ".evoprune-"
"""What the name of a file that is being written begins with."""

_SEAL = "sha256"


def is_folder(path: str | Path) -> bool:
    """Whether there is such a folder; a name that no folder can have, because it is too long say, is none."""
    return os.path.isdir(path)  # noqa: PTH112 (pathlib raises OSError for such a name)


def is_file(path: str | Path) -> bool:
    """Whether there is such a file; a name that no file can have is none."""
    return os.path.isfile(path)  # noqa: PTH113


def is_there(path: str | Path) -> bool:
    """Whether there is anything of this name."""
    return os.path.exists(path)  # noqa: PTH110


def write_atomic(path: Path, contents: bytes | str) -> None:
    """Write a whole file, or leave the old one (or none) in place.

    Args:
        path: the file; its folder is made if it is not there.
        contents: bytes, or text written as UTF-8.

    Raises:
        StorageError: the folder cannot be written to, or the disk is full.
    """
    write_together({path: contents})


def write_together(files: Mapping[Path, bytes | str]) -> None:
    """Write whole files that belong together, or leave all old ones (or none) in place.

    All contents are on the disk before the first file takes its name, and the old ones of the
    others go first: of two writings, be they one after the other or at the same time, no files
    stand beside each other.

    Args:
        files: contents (bytes, or text written as UTF-8) by path; all in one folder, which is made if it is not there.

    Raises:
        StorageError: the folder cannot be written to, or the disk is full.
    """
    temporary: dict[Path, Path] = {}
    place = next(iter(files))
    try:
        for place, contents in files.items():
            place.parent.mkdir(parents=True, exist_ok=True)
            _remove_abandoned(place.parent)
            temporary[place] = place.with_name(f"{_own()}{uuid.uuid4().hex[:12]}.tmp")
            with temporary[place].open("xb") as file:
                file.write(contents.encode("utf-8") if isinstance(contents, str) else contents)
                file.flush()
                os.fsync(file.fileno())
        with _turn(place.parent, wanted=len(files) > 1):
            for other in list(files)[1:]:
                other.unlink(missing_ok=True)
            for place, written in temporary.items():
                written.replace(place)
    except OSError as error:
        raise StorageError(
            f"{place} cannot be written: {error.strerror or error}; free space or give another folder"
        ) from error
    finally:
        for written in temporary.values():
            with suppress(OSError):
                written.unlink(missing_ok=True)


def withdraw(path: Path) -> None:
    """Take away the file by which a folder counts as complete, before its other files are written anew.

    Raises:
        StorageError: it cannot be removed.
    """
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise StorageError(f"{path} cannot be replaced: {error.strerror or error}; give another folder") from error


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A stream for contents too large for memory: they become a whole file where the block ends without an error.

    Args:
        path: the file; its folder is made if it is not there.

    Raises:
        OSError: the folder cannot be written to, or the disk is full; the old file (or none) is still there.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_abandoned(path.parent)
    temporary = path.with_name(f"{_own()}{uuid.uuid4().hex[:12]}.tmp")
    try:
        with temporary.open("xb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def parse_json(text: str | bytes) -> Any:
    """The value of a JSON text.

    Raises:
        ValueError: it is no JSON, or is nested too deeply to be any of ours.
    """
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def sealed_json(value: Mapping[str, Any]) -> str:
    """A JSON object as text, with its SHA-256 as entry `sha256` at the end."""
    return json.dumps({**value, _SEAL: _digest(json.loads(json.dumps(value)))}, indent=2) + "\n"


def read_sealed(text: str | bytes) -> dict[str, Any]:
    """The JSON object that `sealed_json` wrote, without its checksum; one that has none is taken as it is.

    Raises:
        ValueError: it is no JSON object, or its checksum is not that of its contents.
    """
    found = parse_json(text)
    if not isinstance(found, dict):
        raise ValueError("it is no JSON object")  # noqa: TRY004 - of the contents
    seal = found.pop(_SEAL, None)
    if seal is not None and seal != _digest(found):
        raise ValueError("its checksum is not that of its contents")
    return found


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _own() -> str:
    """What names of this process's temporary files begin with."""
    return f"{_machines()}{os.getpid()}-"


def _machines() -> str:
    # A folder may be shared by machines, which know nothing of each other's processes.
    return f"{TEMPORARY}{hashlib.sha256(platform.node().encode()).hexdigest()[:8]}-"


def _remove_abandoned(folder: Path) -> None:
    """Remove what killed processes of this machine have left in a folder."""
    left = [path for path in folder.glob(f"{_machines()}*.tmp") if not path.name.startswith(_own())]
    if left:
        import psutil  # noqa: PLC0415

        for path in left:
            number = path.name.removeprefix(_machines()).partition("-")[0]
            if number.isdecimal() and len(number) < 10 and not psutil.pid_exists(int(number)):
                path.unlink(missing_ok=True)


@contextmanager
def _turn(folder: Path, *, wanted: bool) -> Iterator[None]:
    """Let one process at a time put files in place there, where folders can be locked."""
    if sys.platform == "win32" or not wanted:
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        # Some network folders cannot be locked.
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
