"""`evoprune features`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from evoprune.cli._conduct import describe
from evoprune.cli._console import tell, warn
from evoprune.cli._run import absolute_backbone


def features(
    data: Annotated[Path, typer.Argument(metavar="DATA", help="Folder of images, or digits.")],
    backbone: Annotated[str, typer.Option("--backbone", "-b", help="As for `evoprune run`.")] = "tiny",
    weights: Annotated[Path | None, typer.Option(help="File with the backbone's weights.")] = None,
    skip_broken: Annotated[bool, typer.Option("--skip-broken", help="Leave unreadable images out.")] = False,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Also write a feature file (.npz) for `run --features`."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the split, where the folder is not divided into parts.")] = 0,
) -> None:
    """Compute the features of images once, and cache them.

    Runs on the same images and backbone then start at once. If it is interrupted, the same command continues.

    \u0008
    Examples:
      evoprune features flowers/ --backbone resnet50
      evoprune features flowers/ --output flowers.npz
    """
    from evoprune.backbones import load_backbone
    from evoprune.cli._progress import ExtractionProgress
    from evoprune.features import extract, write_feature_file
    from evoprune.study import Interrupted

    progress = ExtractionProgress()
    try:
        found = extract(
            data,
            load_backbone(absolute_backbone(backbone), weights),
            skip_broken=skip_broken,
            progress=progress,
            notify=warn,
            seed=seed,
        )
    except KeyboardInterrupt:
        raise Interrupted(
            "interrupted; what is extracted is kept in the cache, and the same command continues"
        ) from None
    finally:
        progress.stop()
    tell(describe(found))
    if output is not None:
        write_feature_file(output, found)
        tell(f"Written: {output}")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(features)
