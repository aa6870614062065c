"""What is said of a name that a table does not hold."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from evoprune.errors import ConfigError


def unknown(kind: str, name: str, known: Iterable[str], otherwise: str = "") -> ConfigError:
    """The error for an unknown name, with the nearest known one and all of them.

    Args:
        kind: what the name is of.
        name: what was asked for.
        known: the names that exist.
        otherwise: another way out.
    """
    names = list(known)
    near = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return ConfigError(f"{kind} {name!r} is unknown; {hint}choose among {', '.join(names)}{otherwise}")
