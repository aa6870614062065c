"""Settings in TOML files: read, validated, and refused in one sentence."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from evoprune.errors import ConfigError, StorageError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Settings = TypeVar("Settings", bound=BaseModel)


def read_toml(path: Path, kind: type[Settings]) -> Settings:
    """Settings from a TOML file.

    Args:
        path: the file.
        kind: what they are.

    Raises:
        StorageError: the file cannot be read.
        ConfigError: it is not TOML, or a setting is missing, unknown or out of range.
    """
    try:
        return kind(**tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise StorageError(f"{path} cannot be read: {error.strerror or error}; name the folder of a run") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path} is not valid TOML ({error}); mend it, or put a copy of it in its place") from error
    except ValidationError as error:
        raise ConfigError(f"{path} cannot be used: {problems(error)}; mend it, or put a copy in its place") from error


def problems(error: ValidationError) -> str:
    """What is wrong with settings, all in one sentence."""
    parts = []
    for problem in error.errors():
        name = ".".join(map(str, problem["loc"])) or "settings"
        message = problem["msg"].removeprefix("Value error, ").replace("Input should", "it should")
        if problem["type"] == "extra_forbidden":
            parts.append(f"setting {name!r} is unknown")
        elif problem["type"] == "missing":
            parts.append(f"setting {name!r} is missing")
        else:
            parts.append(f"{name} = {problem['input']!r} is not possible: {message[:1].lower()}{message[1:]}")
    return "; ".join(parts)
