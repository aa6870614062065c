"""`evoprune predict`."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from evoprune.cli._console import OUT, print_json
from evoprune.cli._run import AsJson
from evoprune.errors import DataError, StorageError

if TYPE_CHECKING:
    from evoprune.data import UnreadableImageError
    from evoprune.model import ExportedModel, Model, Prediction


def predict(
    source: Annotated[Path, typer.Argument(metavar="MODEL", help="Exported file, or run folder.")],
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE...", help="Image files, or folders of them.")],
    json: AsJson = False,
) -> None:
    """Classify images with an exported file or with the model of a run.

    Images that cannot be read are named after the others, and the exit status is then 2.

    \u0008
    Examples:
      evoprune predict flowers.onnx photo.jpg
      evoprune predict runs/flowers photos/
    """
    import numpy as np

    from evoprune.data import UnreadableImageError
    from evoprune.model import classify

    model = _model(source)
    # A model that takes no images says so before any is read.
    model.prepare(np.zeros((1, 1, 3), np.uint8))
    found = list(classify(model, [path for given in images for path in _files(given)]))
    broken = [item for item in found if isinstance(item, UnreadableImageError)]
    made = [item for item in found if not isinstance(item, UnreadableImageError)]
    if json:
        print_json([*(_as_json(p, model.class_names) for p in made), *map(_broken_as_json, broken)])
    elif made:
        OUT.print(_table(made))
    if broken:
        raise DataError("; ".join(map(str, broken)))


def _model(source: Path) -> Model | ExportedModel:
    """The model of a run, of a model's folder, or of an exported file."""
    from evoprune.backbones import load_backbone
    from evoprune.model import Model, load_exported
    from evoprune.workflow import RunFolder, read_settings

    if source.is_file():
        return load_exported(source)
    run = RunFolder(source)
    # An ensemble of a run lies in a folder of its own.
    alone = next((f for f in (source, source / "model") if (f / "model.json").is_file()), None)
    if alone is not None and not run.config.is_file():
        return Model.load(alone)
    settings = read_settings(run)
    if not run.model.is_dir():
        raise StorageError(
            f"{source} holds no model yet, because its run is not complete; continue it with: "
            f"evoprune resume {shlex.quote(str(source))}"
        )
    # Weights from a file of the user's do not come with the backbone's name.
    given = None if settings.weights is None else load_backbone(settings.backbone or "tiny", settings.weights)
    return Model.load(run.model, given)


def _files(given: Path) -> Iterator[Path]:
    """An image, or all images below a folder, sorted; hidden ones are left out."""
    from evoprune.data import IMAGE_SUFFIXES

    if not given.is_dir():
        yield given
        return
    found = [
        path
        for path in sorted(given.rglob("*"))
        if path.suffix.lower() in IMAGE_SUFFIXES
        and path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(given).parts)
    ]
    if not found:
        raise DataError(f"{given} holds no images; JPEG, PNG, WebP, BMP and TIFF files are read")
    yield from found


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
    app.command()(predict)
