"""`evoprune legacy`: the call of the published programs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from evoprune.cli._console import warn
from evoprune.cli._run import PRECISION, RUNS, AsJson, Output, absolute_backbone, changed_recipe, start
from evoprune.errors import ConfigError


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
    output: Output = None,
    json: AsJson = False,
) -> None:
    """Run configuration files of the published programs.

    An unmodified pair of them: single objective, one layer and both layers. The third
    argument is the number of the run. Protocol and recipe are the published ones; images
    are resized as the backbone wants them, whatever size the file names.
    """
    from evoprune.backbones import load_backbone
    from evoprune.data import MultiObjectiveSearch, parse_dataset_csv, parse_search_csv
    from evoprune.workflow import make_config

    line = parse_search_csv(search)
    if isinstance(line, MultiObjectiveSearch):
        raise ConfigError(
            f"{search} is a multi-objective line, but `evoprune legacy` runs single-objective ones; "
            "search with: evoprune run FOLDER --objectives accuracy,active"
        )
    data, *others = parse_dataset_csv(dataset)
    if others:
        warn(f"{dataset} holds {1 + len(others)} data sets; the first, {data.name}, is taken")
    network = absolute_backbone(backbone)
    width = load_backbone(network, weights).width
    genetic = line.genetic
    config = make_config(
        data=str(dataset.resolve()),
        kind="published",
        backbone=network,
        weights=None if weights is None else str(weights.resolve()),
        skip_broken=skip_broken,
        head=line.hidden_for(width),
        encoding=line.encoding_for(width),
        recipe=changed_recipe(recipe, epochs=epochs, precision=precision),
        search={
            "population": genetic.population,
            "selection": genetic.selection,
            "crossover": genetic.crossover,
            "mutation_probability": genetic.mutation_probability,
            "initial_density": genetic.initial_share,
        },
        protocol=protocol,
        seed=number,
        evaluations=evaluations or genetic.evaluations,
        batch=batch,
    )
    # The name in the file is free text.
    name = re.sub(r"[^\w.-]+", "_", data.name)
    start(config, output or RUNS / f"{name}-{search.stem}-{number}", as_json=json)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(legacy)
