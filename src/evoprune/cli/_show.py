"""`evoprune show` and `evoprune list`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from evoprune.cli._console import OUT, print_json, tell, warn
from evoprune.cli._run import RUNS, AsJson
from evoprune.errors import EvoPruneError, StorageError


def show(folder: Annotated[Path, typer.Argument(metavar="RUN", help="Run folder.")], json: AsJson = False) -> None:
    """Show the result of a run again.

    \u0008
    Examples:
      evoprune show runs/flowers
      evoprune show runs/flowers --json
    """
    from evoprune.report import result_table
    from evoprune.workflow import RunFolder, read_status

    status = read_status(RunFolder(folder))
    if status.summary is None:
        raise StorageError(
            f"{folder} has {status.evaluations} of {status.budget} evaluations and no result yet; "
            f"continue with: evoprune resume {shlex.quote(str(folder))}"
        )
    if json:
        print_json(status.summary)
    else:
        OUT.print(result_table(status.summary, ascii_only=OUT.options.ascii_only))


def list_runs(
    root: Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder that holds run folders.")] = RUNS,
    json: AsJson = False,
) -> None:
    """List the runs below a folder.

    \u0008
    Examples:
      evoprune list
      evoprune list experiments/ --json
    """
    from rich.table import Table
    from rich.text import Text

    from evoprune.report import printable
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
                    "of": s.budget,
                    "protocol": s.protocol,
                    "complete": s.summary is not None,
                    "encoding": s.encoding,
                    "backbone": s.backbone,
                    "date": None if s.date is None else s.date.isoformat(),
                }
                for s in statuses
            ]
        )
        return
    if not statuses:
        tell(f"No runs in {root}.")
        return
    table = Table(pad_edge=False, box=None, collapse_padding=True)
    table.add_column("run", overflow="fold")
    table.add_column("done", justify="right", no_wrap=True)
    table.add_column("protocol", no_wrap=True)
    table.add_column("test, %", justify="right", no_wrap=True)
    table.add_column("active", justify="right", no_wrap=True)
    table.add_column("backbone", overflow="fold")
    table.add_column("encoding", overflow="fold")
    table.add_column("date", no_wrap=True)
    for status in statuses:
        best = None if status.summary is None else status.summary["best"]
        table.add_row(
            Text(printable(str(status.folder.path))),
            f"{status.evaluations}/{status.budget}",
            status.protocol,
            "-" if best is None or best["test_accuracy"] is None else f"{100 * best['test_accuracy']:.2f}",
            "-" if best is None else f"{100 * best['active_share']:.1f} %",
            Text(printable(_short(status.backbone))),
            status.encoding,
            "-" if status.date is None else f"{status.date:%Y-%m-%d}",
        )
    OUT.print(table)


def _short(backbone: str | None) -> str:
    """A backbone's name without the folders of its file."""
    return "-" if backbone is None else Path(backbone).name if backbone.startswith("onnx:") else backbone


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(show)
    app.command("list")(list_runs)
