"""`evoprune legacy`: the call of the published programs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from evoprune.cli._conduct import start
from evoprune.cli._console import warn
from evoprune.cli._run import PRECISION, RUNS, AsJson, Output, absolute_backbone, changed_recipe
from evoprune.errors import ConfigError

if TYPE_CHECKING:
    from evoprune.data import (
        BothLayersSearch,
        MultiObjectiveSearch,
        OneLayerSearch,
        PublishedDataset,
        PublishedSearch,
    )


def legacy(
    dataset: Annotated[
        Path, typer.Argument(metavar="configDataset.csv", help="NAME,train,test,folds,height,width,classes.")
    ],
    search: Annotated[Path, typer.Argument(metavar="configGA.csv", help="Line of the genetic algorithm.")],
    number: Annotated[int, typer.Argument(metavar="RUN", help="Number of the run; it seeds the search.", min=0)] = 1,
    backbone: Annotated[str, typer.Option("--backbone", "-b", help="As for `evoprune run`.")] = "resnet50",
    weights: Annotated[Path | None, typer.Option(help="File with the backbone's weights.")] = None,
    recipe: Annotated[str, typer.Option(help="paper, as published, or fast.")] = "paper",
    epochs: Annotated[int | None, typer.Option(help="Change the recipe's number of epochs.")] = None,
    precision: Annotated[str | None, typer.Option(help=PRECISION)] = None,
    protocol: Annotated[str, typer.Option(help="paper (fitness on the test part), as published, or nested.")] = "paper",
    evaluations: Annotated[
        int | None, typer.Option("--evaluations", "-n", help="Instead of the number in the file.")
    ] = None,
    batch: Annotated[int, typer.Option(help="Candidates trained and committed at a time.")] = 2,
    skip_broken: Annotated[bool, typer.Option("--skip-broken", help="Leave unreadable images out.")] = False,
    name: Annotated[
        str | None, typer.Option("--dataset", metavar="NAME", help="Which data set of the file [default: the first].")
    ] = None,
    output: Output = None,
    json: AsJson = False,
) -> None:
    """Run configuration files of the published programs.

    An unmodified pair of them: single objective (one layer and both layers) or multi-objective.
    The third argument is the number of the run. Protocol and recipe are the published ones;
    images are resized as the backbone wants them, whatever size the file names. For a
    multi-objective search, the test images of the other data sets in the file are the
    out-of-distribution ones.

    \u0008
    Examples:
      evoprune legacy configDataset.csv configGA.csv 1
      evoprune legacy configDataset.csv configGA.csv 2 --recipe fast
    """
    from evoprune.backbones import load_backbone
    from evoprune.data import MultiObjectiveSearch, parse_search_csv
    from evoprune.workflow import make_config

    line = parse_search_csv(search)
    data, others = _data_sets(dataset, name)
    several = isinstance(line, MultiObjectiveSearch)
    if others and not several and name is None:
        warn(f"{dataset} holds {1 + len(others)} data sets; the first, {data.name}, is taken")
    if several and not others:
        raise ConfigError(
            f"{search} is a multi-objective line, whose out-of-distribution images are those of the other data sets, "
            f"but {dataset} holds {data.name} alone; add a line for each of the others"
        )
    network = absolute_backbone(backbone)
    width = load_backbone(network, weights).width
    config = make_config(
        data=str(dataset.resolve()),
        kind="published",
        dataset=name,
        backbone=network,
        weights=None if weights is None else str(weights.resolve()),
        skip_broken=skip_broken,
        head=line.hidden_for(width),
        encoding=line.encoding_for(width),
        recipe=changed_recipe(recipe, epochs=epochs, precision=precision),
        **(_multi_objective(line, others) if isinstance(line, MultiObjectiveSearch) else _genetic(line)),
        protocol=protocol,
        seed=number,
        evaluations=evaluations or _evaluations(line),
        batch=batch,
    )
    # The name in the file is free text.
    label = re.sub(r"[^\w.-]+", "_", data.name)
    start(config, output or RUNS / f"{label}-{search.stem}-{number}", as_json=json)


def _data_sets(path: Path, name: str | None) -> tuple[PublishedDataset, list[PublishedDataset]]:
    """The data set of this name, or the first; and the others."""
    from evoprune.data import parse_dataset_csv

    sets = parse_dataset_csv(path)
    chosen = sets[0] if name is None else next((s for s in sets if s.name == name), None)
    if chosen is None:
        raise ConfigError(f"{path} has no data set {name!r}; it holds {', '.join(s.name for s in sets)}")
    return chosen, [s for s in sets if s is not chosen]


def _genetic(line: OneLayerSearch | BothLayersSearch) -> dict[str, Any]:
    genetic = line.genetic
    return {
        "search": {
            "population": genetic.population,
            "selection": genetic.selection,
            "crossover": genetic.crossover,
            "mutation_probability": genetic.mutation_probability,
            "initial_density": genetic.initial_share,
        }
    }


def _multi_objective(line: MultiObjectiveSearch, others: Sequence[PublishedDataset]) -> dict[str, Any]:
    return {
        "objectives": ("accuracy", "active", "ood"),
        "algorithm": "nsga2",
        "search": {"population": line.population},
        "ood": tuple(str(Path(other.test_folder()).resolve()) for other in others),
    }


def _evaluations(line: PublishedSearch) -> int:
    from evoprune.data import MultiObjectiveSearch

    return line.evaluations if isinstance(line, MultiObjectiveSearch) else line.genetic.evaluations


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(legacy)
