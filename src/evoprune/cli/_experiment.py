"""`evoprune experiment`."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from evoprune.cli._completion import EXPERIMENTS, one_of
from evoprune.cli._conduct import describe
from evoprune.cli._console import OUT, SETTINGS, print_json, say, tell, warn
from evoprune.cli._names import check_names
from evoprune.cli._run import (
    PRECISION,
    RUNS,
    AsJson,
    absolute_source,
    changed_recipe,
    data_source,
    default_name,
    numbers,
)
from evoprune.errors import ConfigError

if TYPE_CHECKING:
    from evoprune.workflow import RunConfig


def experiment(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help=f"{', '.join(EXPERIMENTS)}.",
            autocompletion=one_of(EXPERIMENTS),
        ),
    ],
    data: Annotated[list[Path] | None, typer.Argument(metavar="DATA...", help="Folders of images.")] = None,
    features: Annotated[list[Path] | None, typer.Option(help="Feature file (.npz); repeatable.")] = None,
    backbone: Annotated[
        str | None, typer.Option("--backbone", "-b", help="As for `evoprune run`; several with commas between.")
    ] = None,
    weights: Annotated[Path | None, typer.Option(help="File with the backbone's weights.")] = None,
    encoding: Annotated[
        str | None,
        typer.Option("--encoding", "-e", help="As for `evoprune run` [default: features; pruning: all four]."),
    ] = None,
    ood: Annotated[
        list[str] | None, typer.Option(metavar="SOURCE", help="Out-of-distribution images, as for `evoprune run`.")
    ] = None,
    protocol: Annotated[str, typer.Option(help="nested, or paper (fitness on the test part).")] = "nested",
    head: Annotated[str | None, typer.Option(help="As for `evoprune run`.")] = None,
    recipe: Annotated[str, typer.Option(help="fast, or paper.")] = "fast",
    epochs: Annotated[int | None, typer.Option(help="Change the recipe's number of epochs.")] = None,
    precision: Annotated[str | None, typer.Option(help=PRECISION)] = None,
    methods: Annotated[str | None, typer.Option(help="Comma-separated [default: all that apply].")] = None,
    shares: Annotated[str, typer.Option(help="Active shares to compare at, in percent.")] = "1,2,5,10,15,25,50,100",
    seeds: Annotated[int, typer.Option(min=1, help="Repetitions.")] = 5,
    trainings: Annotated[int, typer.Option(min=1, help="Of each head; for `sparsity` and `guided`.")] = 3,
    evaluations: Annotated[int, typer.Option("--evaluations", "-n", min=1, help="Of each search.")] = 200,
    classes: Annotated[int, typer.Option(min=1, help="How many classes `classes` leaves out in turn.")] = 6,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes [default: one a processor].")] = None,
    skip_broken: Annotated[bool, typer.Option("--skip-broken", help="Leave unreadable images out.")] = False,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Folder [default: runs/NAME].")] = None,
    json: AsJson = False,
) -> None:
    """Compare methods on data sets: tables, figures and statistics.

    \u0008
    Examples:
      evoprune experiment sparsity flowers/ trees/ --backbone resnet50
      evoprune experiment sparsity --features embeddings.npz --methods nsga2,anova
    """
    check_names(recipe=recipe, experiment=name)

    from rich.markdown import Markdown
    from rich.text import Text

    from evoprune.cli._progress import CountProgress, ExtractionProgress
    from evoprune.experiments import Settings, get_experiment, run_experiment
    from evoprune.heads import default_head
    from evoprune.study import Interrupted
    from evoprune.workflow import EXPERIMENT, Listeners, load_features, make_config, require_room

    chosen = get_experiment(name)
    if not data and not features:
        raise ConfigError("no data set is given; name folders of images, or feature files with --features")
    networks = [name.strip() for name in (backbone or "tiny").split(",")]
    if weights is not None and len(networks) > 1:
        raise ConfigError(f"--weights {weights} cannot be of {len(networks)} backbones; give one backbone")
    sources = [data_source(folder, None, network, weights) for folder in data or [] for network in networks]
    sources += [data_source(None, file, None, None) for file in features or []]
    configs: dict[str, RunConfig] = {}
    for source in sources:
        config = make_config(
            **source,
            skip_broken=skip_broken,
            head=default_head(encoding or "features").hidden if head is None else numbers(head, int, "--head"),
            encoding=encoding or "features",
            ood=[absolute_source(outliers) for outliers in ood or []],
            protocol=protocol,
            recipe=changed_recipe(recipe, epochs=epochs, precision=precision),
        )
        if config in configs.values():
            raise ConfigError(
                f"{config.data} is given twice, and would count as two data sets; name each data set once"
            )
        network = f" {Path(config.backbone).stem}" if config.backbone is not None and len(networks) > 1 else ""
        configs[_unused(f"{default_name(config)}{network}", configs)] = config
    if head is not None and name in ("pruning", "paper"):
        raise ConfigError(f"--head {head} does not go with {name!r}, which has published heads; leave it out")
    settings = Settings(
        seeds=seeds,
        shares=_shares(shares),
        methods=None if methods is None else tuple(part.strip() for part in methods.split(",")),
        evaluations=evaluations,
        trainings=trainings,
        classes=classes,
        encodings=None if encoding is None else (encoding,),
    )
    # Refused now rather than after minutes of extraction.
    chosen.tasks(configs, settings)
    folder = output or RUNS / name
    require_room(folder, EXPERIMENT)
    extraction, tasks = ExtractionProgress(), CountProgress("experiment", "task")
    try:
        loaded = {}
        for label, config in configs.items():
            loaded[label] = load_features(config, Listeners(extraction, warn))
            say(describe(loaded[label]))
        report = run_experiment(chosen, configs, loaded, settings, folder, workers=workers, on_progress=tasks)
    except KeyboardInterrupt:
        raise Interrupted(f"interrupted; what is computed is kept in {folder}; the same command continues") from None
    finally:
        extraction.stop()
        tasks.stop()
    if json:
        print_json({"folder": str(folder), "report": report})
        return
    OUT.print(Markdown(report) if OUT.is_terminal else Text(report), soft_wrap=not OUT.is_terminal)
    if not SETTINGS.quiet:
        tell(f"Tables and figures: {folder}")


def _shares(text: str) -> tuple[float, ...]:
    """Shares 0..1 from percentages, ascending."""
    shares = sorted({number / 100 for number in numbers(text, float, "--shares")})
    if not 0 < shares[0] <= shares[-1] <= 1:
        raise ConfigError(f"--shares {text!r} are out of range; give percentages above 0 up to 100")
    return tuple(shares)


def _unused(name: str, taken: Mapping[str, object]) -> str:
    """The name, with a number where another data set has it already."""
    candidates = itertools.chain([name], (f"{name}-{number}" for number in itertools.count(2)))
    return next(candidate for candidate in candidates if candidate not in taken)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(experiment)
