"""`evoprune predict`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from evoprune.cli._console import OUT, fail, print_json
from evoprune.cli._images import image_files
from evoprune.cli._run import AsJson
from evoprune.errors import StorageError

if TYPE_CHECKING:
    from evoprune.backbones import Backbone
    from evoprune.data import UnreadableImageError
    from evoprune.model import ExportedModel, Model, Prediction
    from evoprune.workflow import RunFolder


_MANY = 100
"""Images from which on there is progress to see."""


def predict(
    source: Annotated[Path, typer.Argument(metavar="MODEL", help="Exported file, or run folder.")],
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE...", help="Image files, or folders of them.")],
    json: AsJson = False,
) -> None:
    """Classify images with an exported file or with the model of a run.

    What is too unlike the training images is called unknown. Images that cannot be read are named after the
    others, a line each, and the exit status is then 2.

    \u0008
    Examples:
      evoprune predict flowers.onnx photo.jpg
      evoprune predict runs/flowers photos/
    """
    import numpy as np

    from evoprune.cli._progress import CountProgress
    from evoprune.data import UnreadableImageError
    from evoprune.model import classify

    model = _model(source)
    # A model that takes no images says so before any is read.
    model.prepare(np.zeros((1, 1, 3), np.uint8))
    paths = [path for given in images for path in image_files(given)]
    progress = CountProgress("predict", "image")
    found = []
    try:
        for item in classify(model, paths):
            found.append(item)
            if len(paths) >= _MANY:
                progress(len(found), len(paths))
    finally:
        progress.stop()
    broken = [item for item in found if isinstance(item, UnreadableImageError)]
    made = [item for item in found if not isinstance(item, UnreadableImageError)]
    if json:
        print_json([*(_as_json(p, model.class_names) for p in made), *map(_broken_as_json, broken)])
    elif made:
        OUT.print(_table(made))
    for error in broken:
        fail(str(error))
    if broken:
        raise typer.Exit(broken[0].exit_status)


def _model(source: Path) -> Model | ExportedModel:
    """The model of a run, of a model's folder, or of an exported file."""
    from evoprune.model import Model, load_exported
    from evoprune.workflow import RunFolder, run_of

    if source.is_file():
        return load_exported(source)
    run = RunFolder(source)
    # An ensemble of a run lies in a folder of its own.
    alone = next((f for f in (source, source / "model") if (f / "model.json").is_file()), None)
    if alone is not None and not run.config.is_file():
        home = run_of(alone)
        return Model.load(alone, None if home is None else _given_backbone(home))
    run.require()
    if not run.model.is_dir():
        raise StorageError(
            f"{source} holds no model yet, because its run is not complete; continue it with: "
            f"evoprune resume {shlex.quote(str(source))}"
        )
    return Model.load(run.model, _given_backbone(run))


def _given_backbone(run: RunFolder) -> Backbone | None:
    """The backbone of a run with weights from a file of the user's, which do not come with its name; else None."""
    from evoprune.backbones import load_backbone
    from evoprune.workflow import read_settings

    settings = read_settings(run)
    return None if settings.weights is None else load_backbone(settings.backbone or "tiny", settings.weights)


def _as_json(prediction: Prediction, class_names: tuple[str, ...]) -> dict[str, Any]:
    return {
        "image": prediction.image,
        "class": prediction.label,
        "probability": prediction.probability,
        "probabilities": dict(zip(class_names, prediction.probabilities, strict=True)),
        "unknown": prediction.unknown,
        "nearest": prediction.nearest,
        "ood_score": prediction.score,
    }


def _broken_as_json(error: UnreadableImageError) -> dict[str, Any]:
    return {"image": str(error.path), "error": error.reason}


def _table(predictions: list[Prediction]) -> Any:
    from rich.table import Table
    from rich.text import Text

    from evoprune.report import printable

    table = Table(pad_edge=False, box=None)
    table.add_column("image", overflow="fold")
    table.add_column("class", overflow="fold")
    table.add_column("probability", justify="right", no_wrap=True)
    for p in predictions:
        shown = f"{p.label} (nearest: {p.nearest})" if p.unknown else p.label
        table.add_row(Text(printable(p.image)), Text(printable(shown)), f"{100 * p.probability:.1f} %")
    return table


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(short_help="Classify images with a run's model or an exported file.")(predict)
