"""The program: its commands, and how errors end it."""

from __future__ import annotations

import os
import sys
import traceback
from typing import Annotated

import typer

from evoprune._version import __version__
from evoprune.cli import (
    _cache,
    _completion,
    _doctor,
    _ensemble,
    _experiment,
    _explain,
    _export,
    _features,
    _front,
    _legacy,
    _predict,
    _report,
    _run,
    _show,
    _watch,
)
from evoprune.cli._completion import prepare_completion
from evoprune.cli._console import SETTINGS, accept_any_text, fail
from evoprune.cli._shared import DEBUG, QUIET, lend_shared_options
from evoprune.errors import EvoPruneError, is_shortage

app = typer.Typer(
    name="evoprune",
    help="Evolve which neurons of a classifier head are worth keeping.",
    epilog="\b\nStart with:                evoprune run FOLDER_OF_IMAGES\nIf something is not right: evoprune doctor",
    no_args_is_help=True,
    # `evoprune completion` prints the same script without changing anybody's shell configuration.
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for _module in (
    *(_run, _show, _front, _ensemble, _export, _predict, _explain, _experiment, _features, _cache, _legacy),
    *(_report, _watch, _doctor, _completion),
):
    _module.register(app)
lend_shared_options(app)


def _version(value: bool) -> None:
    if value:
        typer.echo(f"evoprune {__version__}")
        raise typer.Exit


@app.callback()
def _shared(
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help=QUIET)] = False,
    debug: Annotated[bool, typer.Option("--debug", help=DEBUG)] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    del version
    SETTINGS.quiet = quiet
    SETTINGS.debug = debug


def main() -> None:
    """Run the command line; ends with 0 done, 2 bad input or usage, 3 damaged store, 130 interrupted and resumable."""
    accept_any_text()
    prepare_completion()
    try:
        try:
            app(prog_name="evoprune")
        finally:
            sys.stdout.flush()
    except (EvoPruneError, OSError, MemoryError, RuntimeError) as error:
        sentence = _sentence(error)
        if sentence is None:
            raise
        if SETTINGS.debug:
            traceback.print_exc()
        fail(sentence)
        sys.exit(error.exit_status if isinstance(error, EvoPruneError) else EvoPruneError.exit_status)


def _sentence(error: Exception) -> str | None:
    """What is said about an error that is the input's or the machine's; None for a defect of evoprune."""
    if isinstance(error, EvoPruneError):
        return str(error)
    if is_shortage(error):
        return "memory ran out; end what else uses it, or give fewer images or a head with fewer units"
    if isinstance(error, OSError):
        if error.filename is None:
            # Standard output, which cannot take the rest either.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return f"{error.filename or 'the output'} cannot be used: {error.strerror or error}; mend that and try again"
    return None
