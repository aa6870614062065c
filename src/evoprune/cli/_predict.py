"""`evoprune predict`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from evoprune.cli._console import OUT, print_json
from evoprune.cli._run import AsJson
from evoprune.errors import StorageError


def predict(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="Run folder.")],
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE...", help="Image files.")],
    json: AsJson = False,
) -> None:
    """Classify images with the model of a run."""
    from rich.table import Table
    from rich.text import Text

    from evoprune.backbones import load_backbone
    from evoprune.model import Model
    from evoprune.report import printable
    from evoprune.workflow import RunFolder, read_settings

    run = RunFolder(folder)
    settings = read_settings(run)
    if not run.model.is_dir():
        raise StorageError(
            f"{folder} holds no model yet, because its run is not complete; continue it with: "
            f"evoprune resume {shlex.quote(str(folder))}"
        )
    # Weights from a file of the user's do not come with the backbone's name.
    given = None if settings.weights is None else load_backbone(settings.backbone or "tiny", settings.weights)
    model = Model.load(run.model, given)
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
    table.add_column("class", overflow="fold")
    table.add_column("probability", justify="right", no_wrap=True)
    for p in predictions:
        table.add_row(Text(printable(p.image)), Text(printable(p.label)), f"{100 * p.probability:.1f} %")
    OUT.print(table)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(predict)
