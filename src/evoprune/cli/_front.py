"""`evoprune front`, `evoprune select` and `evoprune merge`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated, Any

import typer

from evoprune.cli._console import OUT, SETTINGS, count, print_json, tell, warn
from evoprune.cli._report import refresh_report
from evoprune.cli._run import AsJson
from evoprune.errors import ConfigError, StorageError

Run = Annotated[Path, typer.Argument(metavar="RUN", help="Run folder.")]


def front(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="Run folder, or folder of merged runs.")],
    json: AsJson = False,
) -> None:
    """Show the front of a run, member by member.

    Each is measured on the validation part and on the test part.

    \u0008
    Examples:
      evoprune front runs/flowers
      evoprune front runs/flowers --json
    """
    from evoprune.report import front_table

    summary = _summary(folder)
    if json:
        print_json(
            {
                "run": summary["run"],
                "protocol": summary["protocol"],
                "objectives": summary["objectives"],
                "hypervolume": summary["hypervolume"],
                "chosen": summary.get("best", {}).get("id"),
                "members": summary["front"],
            }
        )
        return
    OUT.print(front_table(summary, ascii_only=OUT.options.ascii_only))


def select(
    folder: Run,
    knee: Annotated[bool, typer.Option("--knee", help="Where any gain begins to cost much.")] = False,
    highest: Annotated[str | None, typer.Option("--max", metavar="NAME", help="The highest in this figure.")] = None,
    lowest: Annotated[str | None, typer.Option("--min", metavar="NAME", help="The lowest in this figure.")] = None,
    weights: Annotated[
        str | None, typer.Option(help="Weights of the objectives, scaled over the front: accuracy=2,active=1.")
    ] = None,
    where: Annotated[str | None, typer.Option(help="Only members with, say, 'active<=10%, ood>=0.9'.")] = None,
    number: Annotated[int | None, typer.Option("--id", metavar="N", help="The member with this number.")] = None,
    json: AsJson = False,
) -> None:
    """Choose the member of the front whose model the run keeps.

    Members are compared by their validation figures; the test part stays out of it.

    \u0008
    Examples:
      evoprune select runs/flowers --knee
      evoprune select runs/flowers --max accuracy --where "active<=0.1"
    """
    from evoprune.report import result_table
    from evoprune.workflow import Choice, RunFolder, choose, make_study

    choice = Choice(number, knee, _figure(highest, lowest), None if weights is None else _weights(weights), where)
    chosen, words = choose(_summary(folder, merged=False), choice)
    summary = make_study(RunFolder(folder)).select(chosen, words).summary()
    refresh_report(folder)
    if json:
        print_json(summary)
        return
    OUT.print(result_table(summary, ascii_only=OUT.options.ascii_only))
    if not SETTINGS.quiet:
        tell(f"Model of evaluation {chosen}: {folder / 'model'}")


def merge(
    folders: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Run folders, or one that holds them.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the merged front.")],
    json: AsJson = False,
) -> None:
    """Merge the fronts of several runs into one.

    That is the super Pareto front: what no member of any run dominates.

    \u0008
    Examples:
      evoprune merge runs/a runs/b --output runs/merged
    """
    from evoprune.report import front_table
    from evoprune.workflow import RunFolder, merge, seed_folders

    runs = [RunFolder(inner) for folder in folders for inner in (seed_folders(folder) or [folder])]
    summary = merge(runs, output)
    if not summary["same_folds"]:
        warn(
            "the runs measured fitness on different validation images, because their splits differ; "
            "`evoprune run ... --runs N` gives several seeds the same"
        )
    if json:
        print_json(summary)
        return
    OUT.print(front_table(summary, ascii_only=OUT.options.ascii_only))
    if not SETTINGS.quiet:
        tell(f"Merged front of {count(len(runs), 'run')}: {output}")


def _summary(folder: Path, *, merged: bool = True) -> dict[str, Any]:
    """The result of a run with several objectives, or of merged runs.

    Raises:
        StorageError: there is none.
        ConfigError: it has one objective and so no front; or it is merged where a run is needed.
    """
    from evoprune.workflow import RunFolder, read_merged, read_status

    summary = read_merged(folder)
    if summary is not None:
        if not merged:
            raise ConfigError(
                f"{folder} holds merged runs, which have no model of their own; select in the run that the member "
                f"comes from, such as: evoprune select {shlex.quote(summary['front'][0]['run'])} "
                f"--id {summary['front'][0]['id']}"
            )
        return summary
    status = read_status(RunFolder(folder))
    if status.summary is None:
        raise StorageError(
            f"{folder} has {status.evaluations} of {status.budget} evaluations and no result yet; "
            f"continue with: evoprune resume {shlex.quote(str(folder))}"
        )
    if len(status.summary["objectives"]) == 1:
        (objective,) = status.summary["objectives"]
        raise ConfigError(
            f"{folder} searched for one objective ({objective['name']}) and has no front; "
            "search with, say, --objectives accuracy,active"
        )
    return status.summary


def _figure(highest: str | None, lowest: str | None) -> str | None:
    """The figure to choose by, after a check of its direction."""
    from evoprune.objectives import OBJECTIVES
    from evoprune.workflow import SIZES

    if highest is not None and lowest is not None:
        raise ConfigError(f"--max {highest} and --min {lowest} are both given; give one of them")
    for name, option, other, maximize in ((highest, "--max", "--min", True), (lowest, "--min", "--max", False)):
        # Sizes are no objectives, and less of them is better.
        larger = OBJECTIVES[name].maximize if name in OBJECTIVES else False
        if name is not None and larger is not maximize and (name in OBJECTIVES or name in SIZES):
            better = "less" if maximize else "more"
            raise ConfigError(f"{option} {name} would choose the worst: {better} is better; give {other} {name}")
    return highest or lowest


def _weights(text: str) -> dict[str, float]:
    weights = {}
    for part in text.split(","):
        name, _, number = part.partition("=")
        try:
            weights[name.strip()] = float(number)
        except ValueError:
            raise ConfigError(f"--weights {text!r} cannot be read; give it like accuracy=2,active=1") from None
    return weights


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(front)
    app.command()(select)
    app.command()(merge)
