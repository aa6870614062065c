"""`evoprune watch`."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Annotated

import typer

from evoprune.cli._console import say, tell
from evoprune.cli._report import expanded


def watch(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="Run folder, or folder of several seeds.")],
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on this machine [default: a free one].")] = 0,
) -> None:
    """Show a run in the browser while it is searched for; on this machine alone.

    The page is that of `evoprune report`, and follows the search. Reading it never holds the search up.

    \u0008
    Examples:
      evoprune watch runs/flowers
      evoprune watch runs/flowers --port 8080
    """
    from evoprune.page import PageServer

    with PageServer(lambda: expanded([folder]), port) as server:
        tell(f"{folder} is shown at {server.url}")
        say("end with Ctrl-C; the search goes on")
        # A shell starts what it runs in the background with interrupts ignored.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            server.serve()
        except KeyboardInterrupt:
            # How it is meant to end.
            say("ended")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(short_help="Show a run in the browser while it searches.")(watch)
