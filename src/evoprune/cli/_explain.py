"""`evoprune explain`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from evoprune.cli._console import OUT, print_json, say, tell, warn
from evoprune.cli._images import image_files
from evoprune.cli._report import refresh_report
from evoprune.cli._run import AsJson
from evoprune.errors import ConfigError

if TYPE_CHECKING:
    from evoprune.features import Progress


def explain(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="Run folder, or folder of merged runs.")],
    more: Annotated[list[Path] | None, typer.Argument(metavar="[IMAGE]...", help="As --images.")] = None,
    images: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="IMAGE...",
            help="Images, or folders of them, to look at [default: a typical test image of each class].",
        ),
    ] = None,
    neurons: Annotated[str, typer.Option(help="The most frequent ones: top10; or by number: 12,40.")] = "top10",
    member: Annotated[
        int | None, typer.Option(metavar="ID", help="Number of the evaluation to explain [default: the chosen one].")
    ] = None,
    method: Annotated[
        str | None, typer.Option(help="grad-cam (Grad-CAM++), or occlusion [default: grad-cam; onnx:FILE: occlusion].")
    ] = None,
    layer: Annotated[
        str | None, typer.Option(metavar="NAME", help="Layer to look at [default: the last convolutional block].")
    ] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Folder [default: RUN/explain].")] = None,
    json: AsJson = False,
) -> None:
    """Show what the neurons of a front and the model of a run look at.

    Writes figures and tables: how often each neuron stands in the front, what the members that have it achieve,
    heatmaps of neurons and classes, whether these are faithful, and the training images that activate each neuron most.

    \u0008
    Examples:
      evoprune explain runs/flowers
      evoprune explain runs/flowers --images a.jpg b.jpg --neurons top5
      evoprune explain runs/flowers --images photos/ --neurons top3
      evoprune explain runs/seeds/merged --neurons 12,40
    """
    from evoprune.cli._progress import CountProgress, ExtractionProgress
    from evoprune.report import neurons_table
    from evoprune.workflow import Explain, Listeners, explain

    bars: list[CountProgress] = []

    def work(name: str) -> Progress:
        bars.append(CountProgress(name, "heatmap" if name == "heatmaps" else "image"))
        return bars[-1]

    paths = tuple(path for given in (*(images or []), *(more or [])) for path in image_files(given))
    what = Explain(_neurons(neurons), paths, member, _method(method), layer)
    try:
        summary = explain(
            folder,
            what,
            output=output,
            listeners=Listeners(extraction=ExtractionProgress(), notify=warn),
            work=work,
        )
    finally:
        for bar in bars:
            bar.stop()
    refresh_report(folder)
    if json:
        print_json(summary)
        return
    OUT.print(neurons_table(summary, ascii_only=OUT.options.ascii_only))
    for sentence in summary["left_out"]:
        say(f"{sentence[0].upper()}{sentence[1:]}.")
    tell(_where(summary, output or folder / "explain"))


def _where(summary: dict[str, Any], output: Path) -> str:
    return f"In {output}: {', '.join(Path(file).name for file in summary['files'])}"


def _neurons(text: str) -> int | tuple[int, ...]:
    try:
        if text.startswith("top"):
            return int(text.removeprefix("top"))
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise ConfigError(f"--neurons {text!r} cannot be read; give it like top10, or like 12,40") from None


def _method(text: str | None) -> Any:
    if text not in (None, "grad-cam", "occlusion"):
        raise ConfigError(f"--method {text!r} is unknown; give grad-cam or occlusion")
    return text


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(short_help="Show what the neurons of a front look at.")(explain)
