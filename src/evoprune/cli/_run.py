"""`evoprune run` and `evoprune resume`."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from evoprune.cli._console import OUT, SETTINGS, count, print_json, say, tell, warn
from evoprune.cli._interrupt import Interrupt
from evoprune.errors import ConfigError

if TYPE_CHECKING:
    from evoprune.features import Features
    from evoprune.workflow import Result, RunConfig, Study

RUNS = Path("runs")

Output = Annotated[Path | None, typer.Option("--output", "-o", help="Run folder [default: runs/NAME].")]
PRECISION = "Of the large products: float32, or bfloat16 [default: bfloat16 where the processor has it]."

AsJson = Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")]


def run(
    data: Annotated[
        Path | None,
        typer.Argument(metavar="DATA", help="Folder of images, one sub-folder a class [default: digits, bundled]."),
    ] = None,
    features: Annotated[
        Path | None,
        typer.Option(help="Feature file (.npz) instead of images: X_train, y_train, X_test, y_test."),
    ] = None,
    backbone: Annotated[
        str | None,
        typer.Option(
            "--backbone", "-b", help="tiny, resnet50, densenet121, vgg19, timm:NAME, onnx:FILE [default: tiny]."
        ),
    ] = None,
    weights: Annotated[Path | None, typer.Option(help="File with the backbone's weights.")] = None,
    encoding: Annotated[
        str,
        typer.Option("--encoding", "-e", help="What is pruned: features, first, second, both, connections."),
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
            "[default: calibrated_loss,active; of a published search accuracy]."
        ),
    ] = None,
    ood: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SOURCE",
            help="Out-of-distribution images: a folder, a feature file, or class:NAME to hold a class out; repeatable.",
        ),
    ] = None,
    ood_score: Annotated[str, typer.Option(help="odin, msp, energy, maxlogit, mahalanobis, knn.")] = "odin",
    recipe: Annotated[str, typer.Option(help="How candidates are trained: fast, or paper.")] = "fast",
    epochs: Annotated[int | None, typer.Option(help="Change the recipe's number of epochs.")] = None,
    seeds: Annotated[int | None, typer.Option(help="Seeds that fitness is averaged over [default: 1].")] = None,
    precision: Annotated[str | None, typer.Option(help=PRECISION)] = None,
    device: Annotated[str, typer.Option(help="Train on cpu, cuda, cuda:1, or auto.")] = "cpu",
    algorithm: Annotated[
        str | None,
        typer.Option(
            "--algorithm",
            "-a",
            help="guided; as published: genetic for one objective, nsga2, spea2 for several; nsga3; random "
            "[default: guided; with --protocol paper, or settings of the others, as published].",
        ),
    ] = None,
    population: Annotated[int | None, typer.Option(help="Individuals [default: 30].")] = None,
    selection: Annotated[str | None, typer.Option(help="nam, roulette [default: nam].")] = None,
    crossover: Annotated[str | None, typer.Option(help="uniform, one-point [default: uniform].")] = None,
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
    protocol: Annotated[str, typer.Option(help="nested, or paper (fitness on the test part).")] = "nested",
    folds: Annotated[
        int | None, typer.Option(help="Inner folds that fitness is averaged over [default: guided 3, others 1].")
    ] = None,
    held_out: Annotated[int, typer.Option(help="Published fold whose test part is kept for the report.")] = 0,
    seed: Annotated[int, typer.Option(help="Of splits, search and training.")] = 0,
    runs: Annotated[
        int | None, typer.Option(min=1, help="Searches, with seeds from --seed on and the same splits.")
    ] = None,
    report_seeds: Annotated[int, typer.Option(help="Trainings behind each figure of the result.")] = 5,
    batch: Annotated[int, typer.Option(help="Candidates trained and committed at a time.")] = 10,
    skip_broken: Annotated[bool, typer.Option("--skip-broken", help="Leave unreadable images out.")] = False,
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
    """
    from evoprune.heads import default_head
    from evoprune.training import resolve_device
    from evoprune.workflow import GUIDED_FOLDS, UNLIMITED, default_algorithm, make_config

    if data is not None and features is not None:
        raise ConfigError(f"both images ({data}) and features ({features}) are given; give one of them")
    if features is not None and (backbone is not None or weights is not None):
        raise ConfigError("a feature file needs no backbone; leave --backbone and --weights out")
    settings: dict[str, Any] = {
        "population": population,
        "selection": selection,
        "crossover": crossover,
        "mutation_probability": mutation,
        "initial_density": None if initial_density is None else _range(initial_density),
    }
    settings = {key: value for key, value in settings.items() if value is not None}
    names = None if objectives is None else [name.strip() for name in objectives.split(",") if name.strip()]
    if algorithm is None:
        as_published = bool(settings) or "paper" in (protocol, recipe)
        algorithm = default_algorithm(names or ["accuracy"]) if as_published else "guided"
    guided = algorithm == "guided"
    if names is None:
        names = ["calibrated_loss", "active"] if guided else ["accuracy"]
    if folds is None:
        folds = GUIDED_FOLDS if guided and protocol == "nested" else 1
    limit = None if seconds is None else duration(seconds, "--time")
    config = make_config(
        **data_source(data, features, backbone, weights),
        skip_broken=skip_broken,
        head=default_head(encoding).hidden if head is None else numbers(head, int, "--head"),
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
        evaluations=(200 if limit is None else UNLIMITED) if evaluations is None else evaluations,
        seconds=limit,
        batch=batch,
    )
    folder = output or RUNS / default_name(config)
    if runs is None:
        start(config, folder, as_json=json)
    else:
        start_several([_of_seed(config, seed + number) for number in range(runs)], folder, as_json=json)


def resume(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="Run folder.")],
    evaluations: Annotated[
        int | None, typer.Option("--evaluations", "-n", help="New total, to extend a finished run.")
    ] = None,
    json: AsJson = False,
) -> None:
    """Continue a run that was interrupted, with the settings it has."""
    from evoprune.workflow import RunFolder, make_config, read_plan

    plan = read_plan(folder)
    configs = [RunFolder(folder).existing_config()] if plan is None else plan
    if evaluations is not None:
        configs = [make_config(**{**dict(config), "evaluations": evaluations}) for config in configs]
    if plan is None:
        start(configs[0], folder, as_json=json)
    else:
        start_several(configs, folder, as_json=json)


def start(config: RunConfig, output: Path, *, as_json: bool) -> None:
    """Run a configuration with progress, then print its result."""
    from evoprune.report import result_table

    summary = conduct(config, output, output).summary()
    if as_json:
        print_json(summary)
    else:
        OUT.print(result_table(summary, ascii_only=OUT.options.ascii_only))
        if not SETTINGS.quiet:
            tell(f"Run folder: {output}")


def start_several(configs: Sequence[RunConfig], output: Path, *, as_json: bool) -> None:
    """Run configurations that differ in their seeds one after the other, then print what they give together."""
    from evoprune.report import front_table, runs_table
    from evoprune.workflow import RunFolder, merge, write_plan

    write_plan(output, configs)
    folders, summaries = [], []
    for number, config in enumerate(configs, start=1):
        folders.append(output / f"seed-{config.seed}")
        say(f"run {number} of {len(configs)}, seed {config.seed}")
        summaries.append(conduct(config, folders[-1], output).summary())
    merged = None
    if len(configs[0].objectives) > 1:
        merged = merge([RunFolder(folder) for folder in folders], output / "merged")
    if as_json:
        print_json({"run": str(output), "runs": summaries, "merged": merged})
        return
    ascii_only = OUT.options.ascii_only
    OUT.print(runs_table(summaries, str(output), ascii_only=ascii_only))
    if merged is not None:
        OUT.print()
        OUT.print(front_table(merged, ascii_only=ascii_only))
    if not SETTINGS.quiet:
        tell(f"Run folders: {output}")


def conduct(config: RunConfig, folder: Path, resumable: Path) -> Result:
    """Run a configuration with progress.

    Args:
        config: what to run.
        folder: of the run.
        resumable: what `evoprune resume` is told to continue with.
    """
    from evoprune.cli._progress import CountProgress, SearchProgress
    from evoprune.objectives import get_objectives
    from evoprune.study import Interrupted
    from evoprune.workflow import Listeners, RunFolder, execute

    extraction, report = CountProgress("features", "image"), CountProgress("report", "training")
    search = SearchProgress(get_objectives(config.objectives)[0], config.seconds)
    resume_with = f"continue with: evoprune resume {shlex.quote(str(resumable))}"

    with Interrupt() as interrupt:

        def on_report(done: int, total: int) -> None:
            interrupt.leave_search()
            report(done, total)

        listeners = Listeners(extraction, warn, _describe, (search,), interrupt.should_stop, on_report)
        try:
            return execute(config, RunFolder(folder), listeners)
        except Interrupted as error:
            raise Interrupted(f"{error}; {resume_with}") from None
        except KeyboardInterrupt:
            raise Interrupted(f"interrupted; every finished evaluation is stored; {resume_with}") from None
        finally:
            for progress in (extraction, search, report):
                progress.stop()


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


def _of_seed(config: RunConfig, seed: int) -> RunConfig:
    """The configuration with another seed and the same splits."""
    from evoprune.workflow import make_config

    return make_config(**{**dict(config), "seed": seed, "split_seed": config.data_seed})


def changed_recipe(name: str, device: str = "cpu", **changes: int | str | None) -> dict[str, Any]:
    """The settings of a named recipe with some of them changed; its name then says so."""
    from evoprune.training import get_recipe

    recipe = get_recipe(name, device).model_dump()
    changed = {key: value for key, value in changes.items() if value is not None and value != recipe[key]}
    if changed.keys() - {"precision", "seeds"}:
        changed["name"] = f"{name}, changed"
    return {**recipe, **changed}


def default_name(config: RunConfig) -> str:
    """Name of the run folder: that of the data."""
    path = Path(config.data)
    # The root of a disk has no name.
    return (path.stem if config.kind == "features" else path.name) or "run"


def describe(features: Features) -> str:
    """What the features are, in one line."""
    first = features.divisions[0]
    parts = [f"{len(first.train)} train", f"{len(first.test)} test"]
    if first.validation is not None:
        parts.insert(1, f"{len(first.validation)} validation")
    folds = f", {len(features.divisions)} folds" if len(features.divisions) > 1 else ""
    network = "" if features.backbone is None else f" of {Path(features.backbone.name).name}"
    return (
        f"{features.name}: {count(len(features.y), 'row')} ({', '.join(parts)}{folds}), "
        f"{features.classes} classes, {count(features.width, 'feature')}{network}"
    )


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


def _describe(study: Study) -> None:
    say(describe(study.features))
    say(study.partition.description)
    for outliers in study.features.ood:
        say(
            f"out of distribution: {outliers.name}, {count(len(outliers.X), 'row')} "
            f"({len(outliers.search)} for the search, {len(outliers.report)} for the report)"
        )
    if broken := study.features.broken:
        warn(f"{count(len(broken), 'unreadable image')} left out: {', '.join(str(b.path) for b in broken)}")
    if study.config.algorithm == "guided" and study.encoding.name == "features":
        say("the search is guided by trained gates, which takes some seconds before the first evaluation")


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(run)
    app.command()(resume)
