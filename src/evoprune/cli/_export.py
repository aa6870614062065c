"""`evoprune export`."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from evoprune.cli._console import OUT, SETTINGS, print_json, tell
from evoprune.cli._run import AsJson
from evoprune.errors import ConfigError

if TYPE_CHECKING:
    from rich.console import Group


class FileFormat(str, Enum):
    """Kinds of exported files."""

    SAFETENSORS = "safetensors"
    TORCH = "torch"
    ONNX = "onnx"
    TORCHSCRIPT = "torchscript"


_USELESS = 0.7
"""An AUROC below which another score is worth a try."""

_ENDINGS = {
    ".safetensors": FileFormat.SAFETENSORS,
    ".pt": FileFormat.TORCH,
    ".pth": FileFormat.TORCH,
    ".onnx": FileFormat.ONNX,
    ".torchscript": FileFormat.TORCHSCRIPT,
    ".ts": FileFormat.TORCHSCRIPT,
}


def export(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="Run folder, or folder of an ensemble.")],
    file_format: Annotated[
        FileFormat | None,
        typer.Option("--format", help="Kind of the file [default: by the ending of --output, or safetensors]."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="The file [default: in the run folder].")
    ] = None,
    member: Annotated[
        int | None, typer.Option(metavar="ID", help="Member of the front [default: the chosen one].")
    ] = None,
    head_only: Annotated[bool, typer.Option("--head-only", help="Leave the backbone out.")] = False,
    half: Annotated[bool, typer.Option("--half", help="Keep weights in 16 bits.")] = False,
    quantize: Annotated[bool, typer.Option("--quantize", help="Keep the head's weights in 8 bits.")] = False,
    tpr: Annotated[
        float, typer.Option(help="Share of the data set's own images that are not to be called unknown.")
    ] = 0.95,
    ood_score: Annotated[
        str | None,
        typer.Option(
            help="How outlying an image is: mahalanobis, knn, odin, msp, energy, maxlogit [default: that of the run, "
            "or mahalanobis where it had no out-of-distribution images]."
        ),
    ] = None,
    json: AsJson = False,
) -> None:
    """Write a model into one file that predicts with nothing but itself, and a model card beside it.

    Filters of the backbone that only unread features need are removed where that is exact. The file is checked
    on the test images before it is put in place.

    \u0008
    Examples:
      evoprune export runs/flowers --format onnx
      evoprune export runs/flowers --member 17 --output small.onnx --half
    """
    from evoprune.cli._progress import CountProgress
    from evoprune.model import Options
    from evoprune.workflow import ExportRequest
    from evoprune.workflow import export as export_model

    by_ending = None if output is None else _ENDINGS.get(output.suffix.lower())
    if file_format is None and output is not None and by_ending is None:
        raise ConfigError(
            f"--output {output} does not end in one of {', '.join(_ENDINGS)}; give --format, or such an ending"
        )
    kind = file_format or by_ending or FileFormat.SAFETENSORS
    options = Options(kind.value, head_only, half, quantize)
    progress = CountProgress("check", "test image")
    try:
        said = export_model(folder, ExportRequest(options, output, member, tpr, ood_score), progress)
    finally:
        progress.stop()
    if json:
        print_json(said)
        return
    OUT.print(_table(said))
    if not SETTINGS.quiet:
        tell(f"Model: {said['file']}")
        tell(f"Model card: {said['card']}")


def _table(said: dict[str, Any]) -> Group:
    """Dense against exported: sizes, speed and accuracy, and what there is to know about them."""
    from rich import box
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    from evoprune.report import printable

    before, after = said["before"], said["after"]
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    table.add_column("")
    table.add_column("dense", justify="right")
    table.add_column("exported", justify="right", style="bold")
    table.add_row("parameters", *(f"{of['parameters']:,}" for of in (before, after)))
    table.add_row("of these in the head", *(f"{of['head_parameters']:,}" for of in (before, after)))
    table.add_row("multiply-adds of an image", *(f"{of['multiply_adds']:,}" for of in (before, after)))
    table.add_row("file, kB", *(f"{of['bytes'] / 1000:,.1f}" for of in (before, after)))
    table.add_row("ms an image, one thread", *(f"{of['latency_ms']:.2f}" for of in (before, after)))
    weights = [name for name, given in (("16-bit", said["half"]), ("8-bit head", said["quantize"])) if given]
    title = f"{printable(said['run'])}  ({', '.join([said['format'], *weights])})\n"
    return Group(Text(title, style="bold"), table, Text("\n" + "\n".join(_notes(said, bool(weights))), style="dim"))


def _notes(said: dict[str, Any], rounded: bool) -> list[str]:
    from evoprune.report import reversed_remark

    agreed = said["agreement"]
    what = "rows" if said["head_only"] else "images"
    lines = [said["remark"]] if said["remark"] else []
    lines.append(
        f"On {agreed['images']:,} test {what}: same class as the run's own evaluation for "
        f"{100 * agreed['same_class']:.2f} %, largest difference of a logit {agreed['max_difference']:.1e}."
    )
    accuracy, own = 100 * said["test_accuracy"], 100 * said["study_test_accuracy"]
    if rounded:
        lines.append(f"Test accuracy {accuracy:.2f} %, before rounding {own:.2f} % ({accuracy - own:+.2f} points).")
    else:
        lines.append(f"Test accuracy {accuracy:.2f} %.")
    found = said["rejection"]
    measured = found["measured"]
    lines.append(
        f"Unknown is what scores over {found['threshold']:.4g} ({found['score']}), for {100 * found['tpr']:g} % of the "
        f"validation images to be accepted; of the test {what} {100 * measured['test_tpr']:.1f} % are."
    )
    if said["rejection_bytes"]:
        lines.append(f"The {found['score']} score takes {said['rejection_bytes'] / 1000:,.1f} kB of the file.")
    if "ood_auroc" in measured:
        lines.append(
            f"Images from outside: AUROC {measured['ood_auroc']:.4f}, false positive rate {measured['ood_fpr']:.4f} "
            f"at {100 * found['tpr']:g} %."
        )
        auroc, other = measured["ood_auroc"], "knn" if found["score"] == "mahalanobis" else "mahalanobis"
        way = f"try --ood-score {other}"
        little = [f"Here {found['score']} tells little; {way}."] if auroc < _USELESS else []
        lines += reversed_remark([auroc], way) or little
    return lines


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(short_help="Write a model into one file to deploy, and its card.")(export)
