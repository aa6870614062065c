"""Where the command line writes: results to standard output, everything else to standard error."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.markup import escape


@dataclass
class Settings:
    """Options that every command shares."""

    quiet: bool = False
    debug: bool = False


SETTINGS = Settings()

OUT = Console(highlight=False, soft_wrap=False)
ERR = Console(stderr=True, highlight=False)


def say(sentence: str) -> None:
    """A sentence about what is going on; silent with `--quiet`."""
    if not SETTINGS.quiet:
        ERR.print(escape(sentence))


def warn(sentence: str) -> None:
    """A sentence that the user should read even with `--quiet`."""
    ERR.print(f"[yellow]warning:[/yellow] {escape(sentence)}")


def print_json(value: Any) -> None:
    """One JSON object on standard output, unwrapped and uncoloured."""
    OUT.file.write(json.dumps(value, indent=2) + "\n")
