"""Settings in TOML files: read, validated, and refused in one sentence."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from evoprune.errors import ConfigError, StorageError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_LONGEST = 200
"""Characters of a value that an error shows."""

Settings = TypeVar("Settings", bound=BaseModel)


_SEAL = "# sha256 of all that follows (take this line away after a change by hand): "


def sealed_toml(text: str) -> str:
    """TOML text below a comment with its SHA-256."""
    return f"{_SEAL}{_digest(text)}\n{text}"


def read_toml(path: Path, kind: type[Settings]) -> Settings:
    """Settings from a TOML file.

    Args:
        path: the file.
        kind: what they are.

    Raises:
        StorageError: the file cannot be read.
        ConfigError: it is not TOML or not what was written, or a setting is missing, unknown or out of range.
    """
    try:
        text = path.read_text(encoding="utf-8")
        settings = tomllib.loads(text)
        first, _, rest = text.partition("\n")
        if first.startswith(_SEAL) and first != f"{_SEAL}{_digest(rest)}":
            raise ConfigError(
                f"{path} is not what was written; put a copy of it in its place or, if it was changed by hand, take "
                "its first line away"
            )
        return kind(**settings)
    except OSError as error:
        raise StorageError(f"{path} cannot be read: {error.strerror or error}; name the folder of a run") from error
    except ValidationError as error:
        raise ConfigError(f"{path} cannot be used: {problems(error)}; mend it, or put a copy in its place") from error
    except (ValueError, RecursionError) as error:
        # tomllib lets through what Python says of a number of 5,000 digits, and of brackets within brackets.
        raise ConfigError(f"{path} is not valid TOML ({error}); mend it, or put a copy of it in its place") from error


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}.."


def problems(error: ValidationError) -> str:
    """What is wrong with settings, all in one sentence."""
    parts = []
    for problem in error.errors():
        name = ".".join(map(str, problem["loc"]))[:_LONGEST] or "settings"
        message = problem["msg"].removeprefix("Value error, ").replace("Input should", "it should")
        if problem["type"] == "extra_forbidden":
            parts.append(f"setting {_shown(name)} is unknown")
        elif problem["type"] == "missing":
            parts.append(f"setting {name!r} is missing")
        else:
            parts.append(f"{name} = {_shown(problem['input'])} is not possible: {message[:1].lower()}{message[1:]}")
    return "; ".join(parts)
