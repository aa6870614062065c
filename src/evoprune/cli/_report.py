"""`evoprune report`, and the report at the end of every run."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from evoprune.cli._console import SETTINGS, tell, warn
from evoprune.errors import EvoPruneError, StorageError

logger = logging.getLogger(__name__)


def report(
    folders: Annotated[
        list[Path], typer.Argument(metavar="RUN...", help="Run folders, folders of merged runs, or of several seeds.")
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="The page [default: report.html in the folder; of several, here]."
        ),
    ] = None,
    experiment: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Experiment `sparsity` on the same data [default: one in the run's folder or beside it].",
        ),
    ] = None,
    open_it: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,
) -> None:
    """Write a report as one HTML page: what was gained, the front to choose from, and how it came about.

    The page needs no network and nothing beside it. What `evoprune explain` and `evoprune ensemble` have written
    into a run's folder is part of it. Several runs are compared.

    \u0008
    Examples:
      evoprune report runs/flowers --open
      evoprune report runs/a runs/b --output both.html
    """
    from evoprune.page import REPORT, write_page

    runs = expanded(folders)
    place = output or (folders[0] / REPORT if len(folders) == 1 else Path(REPORT))
    write_page(runs, place, experiment=experiment)
    if open_it:
        # A launcher answers at once, and False where there is none.
        opened = typer.launch(str(place.resolve())) == 0
        if not opened:
            warn(f"no browser could be opened; open {place} yourself")
    if not SETTINGS.quiet:
        tell(f"Report: {place}")


def expanded(folders: Sequence[Path]) -> list[Path]:
    """Folders of runs, where a folder of several seeds stands for these and what they were merged into.

    Raises:
        StorageError: a folder is named twice, or is not there.
    """
    from evoprune.workflow import read_merged, seed_folders

    runs: list[Path] = []
    for folder in folders:
        seeds = [] if (folder / "config.toml").is_file() else seed_folders(folder)
        merged = [folder / "merged"] if seeds and read_merged(folder / "merged") is not None else []
        runs += [*seeds, *merged] or [folder]
    if len({run.resolve() for run in runs}) < len(runs):
        raise StorageError("a run is named twice; name each once")
    return runs


def write_report(folders: Sequence[Path], folder: Path) -> None:
    """Write the report of finished runs into a folder; a report that fails loses nothing, and is said to fail."""
    from evoprune.page import REPORT, write_page

    try:
        write_page(folders, folder / REPORT)
    except EvoPruneError as error:
        warn(f"the report could not be written: {error}")
    except Exception:
        # The run is complete and stored; a defect of its page must not look like one of the run.
        logger.exception("the report of %s could not be written", folder)
        warn(f"{folder / REPORT} could not be written because of a defect of evoprune; the run itself is complete")


def refresh_report(folder: Path) -> None:
    """Write the report in a folder anew, where there is one: what it shows has changed."""
    from evoprune.page import REPORT

    if (folder / REPORT).is_file():
        write_report([folder], folder)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(short_help="Write a report of runs as one HTML page.")(report)
