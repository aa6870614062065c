"""The options of every command, which may stand before its name or behind it."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from evoprune.cli._console import SETTINGS

QUIET = "No progress, only results and warnings."
DEBUG = "Show tracebacks."


def _be_quiet(value: bool) -> None:
    if value:
        SETTINGS.quiet = True


def _debug(value: bool) -> None:
    if value:
        SETTINGS.debug = True


_template = typer.Typer(add_completion=False, rich_markup_mode=None)


@_template.command()
def _options(
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help=QUIET, callback=_be_quiet, expose_value=False)] = False,
    debug: Annotated[bool, typer.Option("--debug", help=DEBUG, callback=_debug, expose_value=False)] = False,
) -> None:
    """Holds the options that `Command` lends to all commands."""


# Made by typer itself, because how it makes an option differs between its versions.
_SHARED: list[Any] = list(typer.main.get_command(_template).params)


class Command(TyperCommand):
    """A command that takes the shared options too."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Its own parameters, the shared ones, and last `--help`."""
        *own, last = super().get_params(ctx)
        return [*own, *_SHARED, last]


def lend_shared_options(app: typer.Typer) -> None:
    """Let all commands that are registered by now, and those of groups, take the shared options."""
    for command in app.registered_commands:
        command.cls = Command
    for group in app.registered_groups:
        if group.typer_instance is not None:
            lend_shared_options(group.typer_instance)
