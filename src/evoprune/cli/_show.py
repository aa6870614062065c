"""`evoprune show` and `evoprune list`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from evoprune.cli._console import OUT, print_json, warn
from evoprune.cli._run import RUNS, AsJson
from evoprune.errors import EvoPruneError, StorageError


def show(folder: Annotated[Path, typer.Argument(help="Run folder.")], json: AsJson = False) -> None:
    """Show the result of a run again."""
    from evoprune.report import result_table
    from evoprune.workflow import RunFolder, read_status

    status = read_status(RunFolder(folder))
    if status.summary is None:
        raise StorageError(
            f"{folder} has {status.evaluations} of {status.config.evaluations} evaluations and no result yet; "
            f"continue it with: evoprune resume {folder}"
        )
    if json:
        print_json(status.summary)
    else:
        OUT.print(result_table(status.summary))


def list_runs(
    root: Annotated[Path, typer.Argument(help="Folder that holds run folders.")] = RUNS, json: AsJson = False
) -> None:
    """List the runs below a folder."""
    from rich.table import Table
    from rich.text import Text

    from evoprune.workflow import find_runs, read_status

    statuses = []
    for folder in find_runs(root):
        try:
            statuses.append(read_status(folder))
        except EvoPruneError as error:
            warn(str(error))
    if json:
        print_json(
            [
                {
                    "run": str(s.folder.path),
                    "evaluations": s.evaluations,
                    "of": s.config.evaluations,
                    "protocol": s.config.protocol,
                    "complete": s.summary is not None,
                }
                for s in statuses
            ]
        )
        return
    if not statuses:
        OUT.print(f"No runs in {root}.", markup=False)
        return
    table = Table(pad_edge=False, box=None)
    for column, justify in (
        ("run", "left"),
        ("evaluations", "right"),
        ("protocol", "left"),
        ("test accuracy, %", "right"),
        ("active", "right"),
    ):
        table.add_column(column, justify=justify)  # type: ignore[arg-type]
    for status in statuses:
        best = None if status.summary is None else status.summary["best"]
        table.add_row(
            Text(str(status.folder.path)),
            f"{status.evaluations}/{status.config.evaluations}",
            status.config.protocol,
            "-" if best is None else f"{100 * best['test_accuracy']:.2f} +- {100 * best['test_accuracy_std']:.2f}",
            "-" if best is None else f"{100 * best['active_share']:.1f} %",
        )
    OUT.print(table)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(show)
    app.command("list")(list_runs)
