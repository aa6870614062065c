"""`evoprune ensemble`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from evoprune.cli._console import OUT, SETTINGS, print_json, tell
from evoprune.cli._report import refresh_report
from evoprune.cli._run import AsJson
from evoprune.errors import ConfigError

if TYPE_CHECKING:
    from evoprune.heads import Vote


def ensemble(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="Run folder, or folder of merged runs.")],
    method: Annotated[
        str,
        typer.Option(
            "--method",
            "-m",
            help="Who votes: windows (quantiles of the front, as published), all, greedy (Caruana et al.), "
            "diverse (DREP); chosen on validation.",
        ),
    ] = "windows",
    vote: Annotated[
        str | None, typer.Option(help="soft, or majority [default: majority for windows, as published; else soft].")
    ] = None,
    seeds: Annotated[
        int | None, typer.Option(min=1, max=1000, help="Trainings behind each figure [default: those of the run].")
    ] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Folder [default: RUN/ensemble].")] = None,
    json: AsJson = False,
) -> None:
    """Let members of a run's front vote, and compare them with what else would do.

    Measured on the test part: the ensemble, its best member, the head that is not pruned, an ensemble of as many
    heads that are not pruned, and one of random masks.

    \u0008
    Examples:
      evoprune ensemble runs/front
      evoprune ensemble runs/front --method greedy --output runs/front-greedy
    """
    from evoprune.cli._progress import CountProgress
    from evoprune.report import ensemble_table
    from evoprune.workflow import make_ensemble

    bars = {name: CountProgress(name, "training") for name in ("members", "controls")}
    try:
        summary = make_ensemble(
            folder,
            method,
            _vote(vote),
            repetitions=seeds,
            output=output,
            on_progress=lambda name, done, total: bars[name](done, total),
        )
    finally:
        for bar in bars.values():
            bar.stop()
    refresh_report(folder)
    if json:
        print_json(summary)
        return
    OUT.print(ensemble_table(summary, ascii_only=OUT.options.ascii_only))
    if not SETTINGS.quiet:
        tell(f"Tables, figure and model: {summary['output']}")


def _vote(name: str | None) -> Vote | None:
    votes: dict[str, Vote] = {"soft": "soft", "majority": "majority"}
    if name is None:
        return None
    if name not in votes:
        raise ConfigError(f"vote {name!r} is unknown; choose {' or '.join(votes)}, or leave --vote out")
    return votes[name]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(short_help="Let members of a run's front vote.")(ensemble)
