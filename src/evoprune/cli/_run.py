"""`evoprune run` and `evoprune resume`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from evoprune.cli._completion import (
    ALGORITHMS,
    BACKBONES,
    ENCODINGS,
    EXECUTORS,
    OBJECTIVES,
    OOD_SCORES,
    PRECISIONS,
    PROTOCOLS,
    RECIPES,
    TRACKERS,
    one_of,
    some_of,
)
from evoprune.cli._conduct import start, start_several
from evoprune.cli._console import say
from evoprune.cli._names import check_names
from evoprune.errors import ConfigError, DataError

if TYPE_CHECKING:
    from evoprune.executors import Executor
    from evoprune.workflow import RunConfig

RUNS = Path("runs")

Output = Annotated[Path | None, typer.Option("--output", "-o", help="Run folder [default: runs/NAME].")]
PRECISION = "Of the large products: float32, or bfloat16 [default: bfloat16 where the processor has it]."

Trackers = Annotated[
    list[str] | None,
    typer.Option(
        "--tracker",
        metavar="NAME",
        help="Follow the search in tensorboard or mlflow; tensorboard:FOLDER and mlflow:URI say where [default: "
        "RUN/tensorboard; MLFLOW_TRACKING_URI]. Repeatable.",
        autocompletion=one_of(TRACKERS),
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(min=1, help="How many [default: one a machine with all its processors, or one a GPU]."),
]
ExecutorName = Annotated[
    str,
    typer.Option(
        "--executor",
        metavar="WHERE",
        help="Who measures candidates: here; ray, started on this machine (or where RAY_ADDRESS says); auto, the Ray "
        "cluster that this machine is part of; or the cluster at ray://HOST:PORT or HOST:PORT.",
        autocompletion=one_of(EXECUTORS),
    ),
]
GPUsPerWorker = Annotated[
    float | None,
    typer.Option("--gpus-per-worker", help="0.5 for two workers on one GPU [default: 1 with --device cuda]."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")]


def run(
    data: Annotated[
        Path | None,
        typer.Argument(metavar="DATA", help="Folder of images, one sub-folder a class [default: digits, bundled]."),
    ] = None,
    features: Annotated[
        Path | None,
        typer.Option(
            help="Feature file instead of images: .npz with X_train, y_train, X_test, y_test; .npy beside .labels.npy."
        ),
    ] = None,
    backbone: Annotated[
        str | None,
        typer.Option(
            "--backbone",
            "-b",
            help="tiny, resnet50, densenet121, vgg19, timm:NAME, onnx:FILE [default: tiny].",
            autocompletion=one_of(BACKBONES),
        ),
    ] = None,
    weights: Annotated[Path | None, typer.Option(help="File with the backbone's weights.")] = None,
    encoding: Annotated[
        str,
        typer.Option(
            "--encoding",
            "-e",
            help="What is pruned: features, first, second, both, connections.",
            autocompletion=one_of(ENCODINGS),
        ),
    ] = "features",
    head: Annotated[
        str | None,
        typer.Option(help="Units of the hidden layers: 512, or 512,512 [default: as published]."),
    ] = None,
    objectives: Annotated[
        str | None,
        typer.Option(
            help="Comma-separated, several give a front: accuracy, balanced_accuracy, f1, loss, calibrated_loss, "
            "calibration, active, parameters, flops, corruption; with --ood also ood, ood_aupr, ood_fpr95 "
            "[default: calibrated_loss,active; of a published search accuracy].",
            autocompletion=some_of(OBJECTIVES),
        ),
    ] = None,
    ood: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SOURCE",
            help="Out-of-distribution images: a folder, a feature file, or class:NAME to hold a class out; repeatable.",
        ),
    ] = None,
    ood_score: Annotated[
        str, typer.Option(help="odin, msp, energy, maxlogit, mahalanobis, knn.", autocompletion=one_of(OOD_SCORES))
    ] = "odin",
    recipe: Annotated[
        str, typer.Option(help="How candidates are trained: fast, or paper.", autocompletion=one_of(RECIPES))
    ] = "fast",
    epochs: Annotated[int | None, typer.Option(help="Change the recipe's number of epochs.")] = None,
    seeds: Annotated[int | None, typer.Option(help="Seeds that fitness is averaged over [default: 1].")] = None,
    precision: Annotated[str | None, typer.Option(help=PRECISION, autocompletion=one_of(PRECISIONS))] = None,
    device: Annotated[
        str,
        typer.Option(help="Train on cpu, cuda, cuda:1, or auto.", autocompletion=one_of(("cpu", "cuda", "auto"))),
    ] = "cpu",
    algorithm: Annotated[
        str | None,
        typer.Option(
            "--algorithm",
            "-a",
            help="guided; as published: genetic for one objective, nsga2, spea2 for several; nsga3; random "
            "[default: guided; with --protocol paper, or settings of the others, as published].",
            autocompletion=one_of(ALGORITHMS),
        ),
    ] = None,
    population: Annotated[int | None, typer.Option(help="Individuals [default: 30].")] = None,
    selection: Annotated[
        str | None,
        typer.Option(help="nam, roulette [default: nam].", autocompletion=one_of(("nam", "roulette"))),
    ] = None,
    crossover: Annotated[
        str | None,
        typer.Option(help="uniform, one-point [default: uniform].", autocompletion=one_of(("uniform", "one-point"))),
    ] = None,
    mutation: Annotated[float | None, typer.Option(help="Probability of mutation [default: 0.07].")] = None,
    initial_density: Annotated[
        str | None, typer.Option(help="Share of ones at the start: LOW,HIGH, or one number [default: 0,1].")
    ] = None,
    evaluations: Annotated[
        int | None, typer.Option("--evaluations", "-n", help="Total number of evaluations [default: 200].")
    ] = None,
    seconds: Annotated[
        str | None,
        typer.Option("--time", help="Search for so long, instead of -n evaluations: 90s, 5m, 1h.", metavar="TIME"),
    ] = None,
    protocol: Annotated[
        str,
        typer.Option(help="nested, or paper (fitness on the test part).", autocompletion=one_of(PROTOCOLS)),
    ] = "nested",
    folds: Annotated[
        int | None, typer.Option(help="Inner folds that fitness is averaged over [default: guided 3, others 1].")
    ] = None,
    held_out: Annotated[int, typer.Option(help="Published fold whose test part is kept for the report.")] = 0,
    seed: Annotated[int, typer.Option(help="Of splits, search and training.")] = 0,
    runs: Annotated[
        int | None, typer.Option(min=1, help="Searches, with seeds from --seed on and the same splits.")
    ] = None,
    report_seeds: Annotated[int, typer.Option(help="Trainings behind each figure of the result.")] = 5,
    soft_targets: Annotated[
        bool | None,
        typer.Option(
            "--soft-targets/--no-soft-targets",
            help="Train what was found by what full heads make of the training images, in place of labels, for "
            "longer and in groups, and with --ood to be unsure of such images [default: with the guided search].",
        ),
    ] = None,
    asynchronous: Annotated[
        bool,
        typer.Option(
            "--asynchronous",
            help="Ask for the next candidate whenever one is done: keeps many workers busy; what is found then depends "
            "on their pace. With algorithms guided, genetic, random.",
        ),
    ] = False,
    batch: Annotated[
        int | None,
        typer.Option(help="Candidates trained and committed at a time [default: 10, more for many workers]."),
    ] = None,
    executor: ExecutorName = "here",
    workers: Workers = None,
    gpus_per_worker: GPUsPerWorker = None,
    skip_broken: Annotated[bool, typer.Option("--skip-broken", help="Leave unreadable images out.")] = False,
    tracker: Trackers = None,
    output: Output = None,
    json: AsJson = False,
) -> None:
    """Search a data set for the neurons worth keeping.

    On the folder of an existing run, continue it.

    \u0008
    Examples:
      evoprune run flowers/ --backbone resnet50
      evoprune run --features embeddings.npz --objectives accuracy,active
      evoprune run flowers/ --objectives accuracy,active,ood --ood other_images/
      evoprune run flowers/ --time 5m --tracker tensorboard
    """
    if data is not None and features is not None:
        raise ConfigError(f"both images ({data}) and features ({features}) are given; give one of them")
    if features is not None and (backbone is not None or weights is not None):
        raise ConfigError("a feature file needs no backbone; leave --backbone and --weights out")
    _require_sources(data, features, weights)
    names = None if objectives is None else [name.strip() for name in objectives.split(",") if name.strip()]
    check_names(
        recipe=recipe,
        backbones=() if backbone is None else (backbone,),
        algorithm=algorithm,
        objectives=names or (),
        ood_score=ood_score,
    )
    hidden = _head(encoding, head)
    limit = None if seconds is None else duration(seconds, "--time")
    settings: dict[str, Any] = {
        "population": population,
        "selection": selection,
        "crossover": crossover,
        "mutation_probability": mutation,
        "initial_density": None if initial_density is None else _range(initial_density),
    }
    settings = {key: value for key, value in settings.items() if value is not None}
    _check_trackers(tracker)

    # From here on torch is needed, which takes seconds to load.
    from evoprune.guidance import GUIDED_OBJECTIVES, guided_folds, guided_recipe
    from evoprune.training import resolve_device
    from evoprune.workflow import UNLIMITED, default_algorithm, make_config

    made = _executor(executor, workers, gpus_per_worker, device)
    if algorithm is None:
        as_published = bool(settings) or "paper" in (protocol, recipe)
        algorithm = default_algorithm(names or ["accuracy"]) if as_published else "guided"
    guided = algorithm == "guided"
    if names is None:
        names = [*GUIDED_OBJECTIVES] if guided else ["accuracy"]
    if folds is None:
        folds = guided_folds(encoding) if guided and protocol == "nested" else 1
    config = make_config(
        **data_source(data, features, backbone, weights),
        skip_broken=skip_broken,
        head=hidden,
        encoding=encoding,
        recipe=changed_recipe(recipe, device, epochs=epochs, seeds=seeds, precision=precision),
        device=str(resolve_device(device)),
        objectives=names,
        ood=[absolute_source(source) for source in ood or []],
        ood_score=ood_score,
        algorithm=algorithm,
        search=settings,
        protocol=protocol,
        folds=folds,
        held_out=held_out,
        seed=seed,
        report_seeds=report_seeds,
        soft_targets=guided and protocol == "nested" if soft_targets is None else soft_targets,
        evaluations=(200 if limit is None else UNLIMITED) if evaluations is None else evaluations,
        seconds=limit,
        asynchronous=asynchronous,
        batch=batch,
    )
    if guided:
        config = config.model_copy(update={"recipe": guided_recipe(config.recipe, encoding, seed)})
    folder = output or RUNS / default_name(config)
    if runs is None:
        start(config, folder, tracker or (), made, as_json=json)
    else:
        # Another seed each, and the same splits.
        alike = config.model_copy(update={"split_seed": config.data_seed})
        configs = [alike.with_seed(seed + number) for number in range(runs)]
        start_several(configs, folder, tracker or (), made, as_json=json)


def resume(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="Run folder.")],
    evaluations: Annotated[
        int | None, typer.Option("--evaluations", "-n", help="New total, to extend a finished run.")
    ] = None,
    skip_broken: Annotated[
        bool, typer.Option("--skip-broken", help="Leave unreadable images out; before the first evaluation only.")
    ] = False,
    executor: ExecutorName = "here",
    workers: Workers = None,
    gpus_per_worker: GPUsPerWorker = None,
    tracker: Trackers = None,
    json: AsJson = False,
) -> None:
    """Continue a run that was interrupted, with the settings it has.

    \u0008
    Examples:
      evoprune resume runs/flowers
      evoprune resume runs/flowers -n 400
      evoprune resume runs/flowers --executor ray --workers 4
    """
    _check_trackers(tracker)

    from evoprune.workflow import RunFolder, make_config, read_plan

    plan = read_plan(folder)
    configs = [RunFolder(folder).existing_config()] if plan is None else plan
    changes: dict[str, Any] = {} if evaluations is None else {"evaluations": evaluations}
    if skip_broken:
        changes["skip_broken"] = True
    configs = [make_config(**{**dict(config), **changes}) for config in configs] if changes else configs
    made = _executor(executor, workers, gpus_per_worker, configs[0].device)
    if plan is None:
        start(configs[0], folder, tracker or (), made, as_json=json)
    else:
        start_several(configs, folder, tracker or (), made, as_json=json)


def duration(text: str, option: str) -> float:
    """Seconds from `90s`, `5m`, `1.5h` or a number of seconds.

    Raises:
        ConfigError: it is none of these, or not above 0.
    """
    number, unit = (text[:-1], text[-1]) if text[-1:] in _UNITS else (text, "s")
    try:
        seconds = float(number) * _UNITS[unit]
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise ConfigError(f"{option} {text!r} is no length of time; give one such as 90s, 5m or 1h")
    return seconds


_UNITS = {"s": 1, "m": 60, "h": 3600}


def changed_recipe(name: str, device: str = "cpu", **changes: int | str | None) -> dict[str, Any]:
    """The settings of a named recipe with some of them changed; its name then says so."""
    from evoprune.training import get_recipe

    recipe = get_recipe(name, device).model_dump()
    changed = {key: value for key, value in changes.items() if value is not None and value != recipe[key]}
    if changed.keys() - {"precision", "seeds"}:
        changed["name"] = f"{name}, changed"
    return {**recipe, **changed}


def _require_sources(data: Path | None, features: Path | None, weights: Path | None) -> None:
    """Check that what is named is there.

    Raises:
        DataError: something is not.
    """
    if data is not None and str(data) != "digits" and not data.exists():
        raise DataError(
            f"{data} does not exist; give a folder of images, one sub-folder per class, or 'digits' for the bundled "
            "data set"
        )
    if features is not None and not features.is_file():
        raise DataError(f"{features} is not a file; give an .npz file with X_train, y_train, X_test and y_test")
    if weights is not None and not weights.is_file():
        raise DataError(f"{weights} is not a file; give one with the backbone's weights")


def _head(encoding: str, head: str | None) -> tuple[int, ...]:
    """Units of the hidden layers, after a check that the encoding fits them."""
    from evoprune.heads import Head, default_head, parse_encoding

    hidden = default_head(encoding).hidden if head is None else tuple(map(int, numbers(head, int, "--head")))
    parse_encoding(encoding, Head(*hidden), width=1, classes=2)
    return hidden


def _executor(name: str, workers: int | None, gpus_per_worker: float | None, device: str) -> Executor:
    """Who measures candidates.

    Raises:
        ConfigError: the options do not go together.
    """
    from evoprune.executors import make_executor

    if gpus_per_worker is not None and device == "cpu":
        raise ConfigError("--gpus-per-worker has no effect where candidates are trained on the CPU; add --device cuda")
    return make_executor(name, workers, gpus_per_worker, say)


def _check_trackers(trackers: Sequence[str] | None) -> None:
    if trackers:
        from evoprune.trackers import check_tracker

        for tracker in trackers:
            check_tracker(tracker)


def default_name(config: RunConfig) -> str:
    """Name of the run folder: that of the data."""
    path = Path(config.data)
    name = path.stem if config.kind == "features" else path.name
    # `...npz` would be the folder above, and the root of a disk has no name.
    return name if name.strip(".") else "run"


def data_source(data: Path | None, features: Path | None, backbone: str | None, weights: Path | None) -> dict[str, Any]:
    """The settings that say where the data comes from: images with a backbone, or a feature file."""
    if features is not None:
        return {"data": str(features.resolve()), "kind": "features"}
    # Paths are kept absolute: the run can be resumed from any folder.
    where = "digits" if data is None or (str(data) == "digits" and not data.exists()) else str(data.resolve())
    return {
        "data": where,
        "kind": "images",
        "backbone": absolute_backbone(backbone or "tiny"),
        "weights": None if weights is None else str(weights.resolve()),
    }


def absolute_source(source: str) -> str:
    """A source of out-of-distribution images with its path made absolute."""
    return source if source.startswith("class:") else str(Path(source).resolve())


def absolute_backbone(name: str) -> str:
    """The backbone's name with the path of `onnx:FILE` made absolute."""
    prefix, _, path = name.partition(":")
    return f"onnx:{Path(path).resolve()}" if prefix == "onnx" and path else name


def numbers(text: str, kind: type[int] | type[float], option: str) -> tuple[float, ...]:
    """The comma-separated numbers of an option."""
    try:
        return tuple(kind(part) for part in text.split(","))
    except ValueError:
        example = "512 or 512,512" if kind is int else "0.3,0.7"
        raise ConfigError(f"{option} {text!r} is not a list of numbers; give it like {example}") from None


def _range(text: str) -> tuple[float, ...]:
    ends = numbers(text, float, "--initial-density")
    return 2 * ends if len(ends) == 1 else ends


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(run)
    app.command()(resume)
