"""Where the command line writes: results to standard output, everything else to standard error."""

from __future__ import annotations

import io
import json
import sys
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.text import Text

from evoprune.report import printable


@dataclass
class Settings:
    """Options that every command shares."""

    quiet: bool = False
    debug: bool = False


SETTINGS = Settings()

# Names of files and classes are shown as they are: nothing in them is markup, an emoji code or a number to colour.
OUT = Console(highlight=False, markup=False, emoji=False)
ERR = Console(stderr=True, highlight=False, markup=False, emoji=False)


def accept_any_text() -> None:
    """Let a terminal that lacks a character show its escape instead of ending the program."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def say(sentence: str) -> None:
    """A sentence about what is going on; silent with `--quiet`."""
    if not SETTINGS.quiet:
        _print(ERR, Text(_lines(sentence)))


def warn(sentence: str) -> None:
    """A sentence that the user should read even with `--quiet`."""
    _print(ERR, Text.assemble(("warning: ", "yellow"), _lines(sentence)))


def fail(sentence: str) -> None:
    """The sentence that the program ends with."""
    _print(ERR, Text(f"evoprune: {_lines(sentence)}"))


def tell(sentence: str) -> None:
    """A sentence that is a result."""
    _print(OUT, Text(_lines(sentence)))


def print_json(value: Any) -> None:
    """One JSON value on standard output, unwrapped and uncoloured."""
    OUT.file.write(json.dumps(value, indent=2) + "\n")


def count(number: int, noun: str) -> str:
    """`1 image`, `2 images`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _lines(text: str) -> str:
    """Printable text that keeps its line breaks: some errors list files."""
    return "\n".join(map(printable, text.split("\n")))


def _print(console: Console, text: Text) -> None:
    # Only a person at a terminal wants lines broken; a program that reads them does not.
    console.print(text, soft_wrap=not console.is_terminal)
