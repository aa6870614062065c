"""`evoprune predict`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from evoprune.cli._console import OUT, print_json
from evoprune.cli._run import AsJson


def predict(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="Run folder.")],
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE...", help="Image files.")],
    json: AsJson = False,
) -> None:
    """Classify images with the model of a run."""
    from rich.table import Table
    from rich.text import Text

    from evoprune.model import Model
    from evoprune.workflow import RunFolder, read_status

    run = RunFolder(folder)
    read_status(run)
    model = Model.load(run.model)
    predictions = model.predict(images)
    if json:
        print_json(
            [
                {
                    "image": p.image,
                    "class": p.label,
                    "probability": p.probability,
                    "probabilities": dict(zip(model.class_names, p.probabilities, strict=True)),
                }
                for p in predictions
            ]
        )
        return
    table = Table(pad_edge=False, box=None)
    table.add_column("image", overflow="fold")
    table.add_column("class")
    table.add_column("probability", justify="right")
    for p in predictions:
        table.add_row(Text(p.image), Text(p.label), f"{100 * p.probability:.1f} %")
    OUT.print(table)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(predict)
