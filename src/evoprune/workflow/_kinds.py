"""What a folder that evoprune has written is: a run, several runs, a merged front, or an experiment."""

from __future__ import annotations

from pathlib import Path

from evoprune.errors import ConfigError

RUN, RUNS, MERGED, EXPERIMENT = "config.toml", "runs.json", "merged.json", "tasks.sqlite"
"""The files by which each is known."""

ENSEMBLE = "ensemble.json"
"""The file by which the folder of an ensemble is known; another ensemble may be written over it."""

_NAMES = {
    RUN: ("a run", "`evoprune show` shows it"),
    RUNS: ("several runs", "name one of the folders in it, such as seed-0 or merged"),
    MERGED: ("a merged front", "`evoprune front` shows it"),
    EXPERIMENT: ("an experiment", "its report is the .md file in it"),
}


def described(folder: Path) -> str | None:
    """What a folder holds and what to do with it, or None where it holds nothing of ours."""
    for marker, (name, way) in _NAMES.items():
        if (folder / marker).is_file():
            return f"{folder} holds {name}; {way}"
    return None


def require_room(folder: Path, wanted: str) -> None:
    """Check that nothing of another kind would be written over.

    Args:
        folder: to write into.
        wanted: the file by which what is to be written is known.

    Raises:
        ConfigError: the folder holds something of another kind.
    """
    for marker, (name, _) in _NAMES.items():
        if marker != wanted and (folder / marker).is_file():
            raise ConfigError(f"{folder} holds {name}; give another --output folder")
