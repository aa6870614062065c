"""An ensemble of a finished run's front: chosen, compared, written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from evoprune._files import sealed_json, withdraw, write_atomic
from evoprune._types import BoolArray, FloatArray
from evoprune.backbones import cost
from evoprune.errors import BackboneError, ConfigError, StorageError
from evoprune.heads import Vote
from evoprune.model import Model
from evoprune.report import WindowPanel, write_ensemble_tables, write_ensemble_windows
from evoprune.study import Store
from evoprune.workflow._conclusion import data_digest
from evoprune.workflow._ensemble_contest import ENSEMBLE_METHODS, Contender, EnsembleContest, Selection, Window
from evoprune.workflow._ensemble_panels import MEASURES
from evoprune.workflow._kinds import ENSEMBLE, described
from evoprune.workflow._merge import read_merged
from evoprune.workflow._rejection import with_threshold
from evoprune.workflow._run import make_study
from evoprune.workflow._run_folder import RunFolder
from evoprune.workflow._status import read_status
from evoprune.workflow._study import Study

_SHOWN = {"accuracy": ("test accuracy, %", 100.0), "ood": ("test OOD AUROC", 1.0)}
"""What the axis of a measure says, and in what unit."""

OnProgress = Callable[[str, int, int], None]
"""Hears what is trained, the trainings done and their total."""


@dataclass(frozen=True, eq=False)
class _Front:
    """The front of a run, or of merged runs.

    Attributes:
        home: the run whose rows and recipe the members are trained with.
        data_digest: SHA-256 of its rows when it was searched.
        members: their entries in the summary.
        genomes: theirs `[P, L]`.
    """

    home: RunFolder
    data_digest: str
    members: list[dict[str, Any]]
    genomes: BoolArray


def make_ensemble(
    folder: Path,
    method: str = "windows",
    vote: Vote | None = None,
    *,
    repetitions: int | None = None,
    output: Path | None = None,
    on_progress: OnProgress | None = None,
) -> dict[str, Any]:
    """Make an ensemble of the front of a run or of merged runs, and measure it beside what it has to be better than.

    Who votes is chosen on validation; the test part is only read. The same call gives the same result. Writes
    `ensemble.csv`, `windows.csv`, `ensemble.md`, `windows.png`, the model and `ensemble.json`.

    Args:
        folder: of a finished run with several objectives, or of merged runs.
        method: `windows`, `all`, `greedy` or `diverse`.
        vote: `soft` or `majority`; None for `majority` with `windows`, as published, and `soft` otherwise.
        repetitions: number of trainings behind each figure; None for that of the run's report.
        output: folder to write into; `ensemble` within the run's by default.
        on_progress: called with `members` or `controls`, the trainings done and their total.

    Returns:
        The ensemble and its contenders as JSON object.

    Raises:
        ConfigError: the run has no front or one of fewer than two members, or its features come from Python; the
            method is unknown; or the output holds something else.
        StorageError: the run is missing, unfinished, damaged, or its data have changed; the output cannot be written.
    """
    if method not in ENSEMBLE_METHODS:
        raise ConfigError(f"method {method!r} is unknown; choose among {', '.join(ENSEMBLE_METHODS)}")
    output = folder / "ensemble" if output is None else output
    if (held := described(output)) is not None:
        raise ConfigError(f"{held}; give another --output folder for the ensemble")
    front = _read_front(folder)
    study = make_study(front.home)
    if front.data_digest != data_digest(study.features):
        raise StorageError(f"the data of {folder} are no longer those of its search; put them back, or run it again")
    seeds = study.config.report_seeds if repetitions is None else repetitions
    contest = EnsembleContest(study, front.genomes, seeds, _stage(on_progress, "members"))
    selection = contest.select(method, vote)
    contenders = contest.contenders(selection, contest.controls([selection], _stage(on_progress, "controls")))
    # The published figure is of majority votes, whatever else is chosen.
    shown: Vote = selection.vote if method == "windows" else "majority"
    windows = [
        window
        for by in ("accuracy", *(("ood",) if study.features.ood else ()))
        for window in contest.windows(by, shown)
    ]
    summary = {
        "run": str(folder),
        "output": str(output),
        "protocol": study.config.protocol,
        "encoding": study.config.encoding,
        "method": method,
        "chosen_by": ENSEMBLE_METHODS[method],
        "vote": selection.vote,
        "window": None if selection.window is None else list(selection.window),
        "repetitions": seeds,
        "front": len(front.members),
        "members": _members(front, contest, selection),
        "contenders": [_of_contender(contender) for contender in contenders],
        "windows_vote": shown,
        "windows": [_of_window(window, front) for window in windows],
        "cost": _cost(study, contenders),
    }
    withdraw(output / ENSEMBLE)
    write_ensemble_tables(output, summary)
    _draw(output / "windows.png", study, windows, contenders, shown)
    model = _model(study, contest, selection, summary)
    numbers, votes = np.unique(selection.members, return_counts=True)
    voters = [(front.genomes[row], int(count)) for row, count in zip(numbers, votes, strict=True)]
    with_threshold(study.conclusion.scorer, model, voters).save(output / "model")
    # Last: by this an export finds the run, wherever the ensemble lies.
    kept = {name: value for name, value in summary.items() if name != "output"}
    write_atomic(output / ENSEMBLE, sealed_json({**kept, "run": str(folder.resolve())}))
    return summary


def _read_front(folder: Path) -> _Front:
    merged = read_merged(folder)
    if merged is None:
        home = RunFolder(folder)
        summary = _finished(home)
        members = [{"home": home, **member} for member in summary["front"]]
    else:
        # Runs that were merged share rows, recipe and encoding; those of the first serve for all.
        home = RunFolder(merged["front"][0]["run"])
        summary = _finished(home)
        members = [{"home": RunFolder(member["run"]), **member} for member in merged["front"]]
    known = {path: _genomes(run) for path, run in {member["home"].path: member["home"] for member in members}.items()}
    genomes = np.stack([known[member["home"].path][member["id"]] for member in members])
    # Several runs may have found the same genome, whose heads are the same.
    _, kept = np.unique(genomes, axis=0, return_index=True)
    kept.sort()
    if len(kept) < 2:
        raise ConfigError(
            f"the front of {folder} has {len(kept)} member, and an ensemble takes two or more; "
            "search with, say, --objectives accuracy,active"
        )
    return _Front(home, str(summary.get("data_digest")), [members[row] for row in kept], genomes[kept])


def _finished(folder: RunFolder) -> dict[str, Any]:
    """The result of a run as JSON object."""
    status = read_status(folder)
    if status.summary is None:
        raise StorageError(
            f"{folder.path} has {status.evaluations} of {status.budget} evaluations and no result yet; "
            "finish it first: evoprune resume"
        )
    return status.summary


def _genomes(folder: RunFolder) -> dict[int, BoolArray]:
    """Genomes of all evaluations of a run, by their numbers."""
    store = Store(folder.store)
    try:
        return {evaluation.id: evaluation.genome for evaluation in store.evaluations()}
    finally:
        store.close()


def _stage(on_progress: OnProgress | None, name: str) -> Callable[[int, int], None] | None:
    return None if on_progress is None else lambda done, total: on_progress(name, done, total)


def _name(member: dict[str, Any]) -> str:
    """What a member is called: the number of its evaluation, within merged runs with the run's name."""
    return f"{Path(member['run']).name}/{member['id']}" if "run" in member else str(member["id"])


def _members(front: _Front, contest: EnsembleContest, selection: Selection) -> list[dict[str, Any]]:
    """Who votes, from the one with most votes on."""
    validated = contest.validated("accuracy")
    tested = np.mean([one.alone["accuracy"] for one in contest.test], axis=0)
    numbers, votes = np.unique(selection.members, return_counts=True)
    return [
        {
            "id": _name(front.members[row]),
            "votes": int(count),
            "active_neurons": int(front.genomes[row].sum()),
            "active_share": float(front.genomes[row].mean()),
            "validation_accuracy": _figure(validated[row]),
            "test_accuracy": _figure(tested[row]),
        }
        for count, row in sorted(zip(votes.tolist(), numbers.tolist(), strict=True), key=lambda pair: -pair[0])
    ]


def _of_contender(contender: Contender) -> dict[str, Any]:
    found: dict[str, Any] = {"name": contender.name, "title": contender.title, "heads": contender.heads}
    for measure in MEASURES:
        found |= _spread(measure, contender.figures[measure])
    found |= {"parameters": contender.parameters, "multiply_adds": contender.multiply_adds}
    by_repetition = {measure: [_figure(value) for value in contender.figures[measure]] for measure in MEASURES}
    return {**found, "hindsight": contender.hindsight, "by_repetition": by_repetition}


def _of_window(window: Window, front: _Front) -> dict[str, Any]:
    return {
        "by": window.by,
        "quantiles": list(window.quantiles),
        "members": [_name(front.members[row]) for row in window.members],
        **_spread("ensemble", window.ensemble),
        **_spread("hindsight", window.hindsight),
        **_spread("best", window.best),
        "alone": [_figure(value) for value in window.alone],
    }


def _spread(name: str, values: FloatArray) -> dict[str, float | None]:
    """Mean and standard deviation (n - 1; 0 for one repetition), None where there are none."""
    std = float(values.std(ddof=1)) if len(values) > 1 else 0.0
    return {name: _figure(values.mean()), f"{name}_std": _figure(std)}


def _figure(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _cost(study: Study, contenders: Sequence[Contender]) -> dict[str, Any]:
    """What the ensemble costs an image, beside one and as many heads that are not pruned; shares 0..1 and more."""
    by_name = {contender.name: contender for contender in contenders}
    own, one, many = (by_name[name].multiply_adds for name in ("ensemble", "dense", "dense_ensemble"))
    found: dict[str, Any] = {
        "backbone_passes": 1,
        "heads": by_name["ensemble"].heads,
        "multiply_adds_of_one_not_pruned": own / one,
        "multiply_adds_of_as_many_not_pruned": own / many,
    }
    network = study.features.backbone
    try:
        backbone = None if network is None else cost(network).multiply_adds
    except BackboneError:
        # Its features are cached; that the network itself is gone is no reason to give no figures.
        backbone = None
    if backbone is None:
        return {**found, "backbone_multiply_adds": None}
    networks = by_name["ensemble"].heads * (backbone + one)
    return {
        **found,
        "backbone_multiply_adds": backbone,
        "heads_share": own / (backbone + own),
        "of_as_many_networks": (backbone + own) / networks,
    }


def _draw(path: Path, study: Study, windows: Sequence[Window], contenders: Sequence[Contender], vote: Vote) -> None:
    (dense,) = (contender for contender in contenders if contender.name == "dense")
    panels = []
    for by, (title, scale) in _SHOWN.items():
        own = [window for window in windows if window.by == by]
        if own:
            panels.append(
                WindowPanel(
                    f"by {title.partition(',')[0].removeprefix('test ')} on validation",
                    f"{title} ↑",
                    tuple(window.quantiles for window in own),
                    tuple(scale * window.alone for window in own),
                    scale * np.stack([window.hindsight for window in own]),
                    scale * np.stack([window.ensemble for window in own]),
                    scale * float(dense.figures[by].mean()),
                )
            )
    name = f"{vote} vote of the members between two quantiles of the front"
    write_ensemble_windows(path, panels, f"{name[0].upper()}{name[1:]}", protocol=study.config.protocol)


def _model(study: Study, contest: EnsembleContest, selection: Selection, summary: dict[str, Any]) -> Model:
    about = {
        "data": study.features.name,
        "protocol": study.config.protocol,
        "encoding": study.config.encoding,
        "recipe": study.config.recipe.name,
        "seed": study.config.seed,
        "ensemble": {
            "method": selection.method,
            "vote": selection.vote,
            "members": {member["id"]: member["votes"] for member in summary["members"]},
        },
    }
    return Model(contest.head(selection), study.features.class_names, study.features.backbone, about)
