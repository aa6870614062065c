"""Several runs of one search, merged into one front."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from evoprune._files import read_sealed, sealed_json, withdraw, write_atomic
from evoprune._types import BoolArray, FloatArray
from evoprune.errors import ConfigError, StorageError
from evoprune.objectives import Objective, get_objectives
from evoprune.report import (
    FrontData,
    write_attainment_bands,
    write_front,
    write_hypervolume_curve,
)
from evoprune.search import attainment, attainment_surface, hypervolume, hypervolume_trace, merge_fronts
from evoprune.study import Store
from evoprune.workflow._config import RunConfig
from evoprune.workflow._kinds import MERGED, require_room
from evoprune.workflow._run_files import write_front_figures
from evoprune.workflow._run_folder import RunFolder
from evoprune.workflow._status import read_status

_MAY_DIFFER = {"seed", "split_seed", "algorithm", "search", "evaluations", "batch", "report_seeds", "data"}
"""Settings in which runs may differ and still measure the same thing; of the data, the digest is compared."""


@dataclass(frozen=True)
class _Run:
    """One finished run.

    Attributes:
        folder: where it lies.
        config: its settings.
        summary: its result as JSON object.
        genomes: of all complete evaluations `[E, L]`.
        values: their objective values `[E, M]`.
        ids: their numbers `[E]`.
    """

    folder: RunFolder
    config: RunConfig
    summary: dict[str, Any]
    genomes: BoolArray
    values: FloatArray
    ids: list[int]


def merge(folders: Sequence[RunFolder], output: Path) -> dict[str, Any]:
    """The super Pareto front of several runs (MO-EvoPruneDeepTL): what no member of any run dominates.

    Fronts are compared in the values that the searches saw, as each run's own front is. Writes
    `merged.json`, `front.csv` and figures.

    Args:
        folders: of finished runs with the same data, backbone, head, encoding and objectives.
        output: folder to write into.

    Returns:
        The merged front as JSON object, as `Result.summary` with the `run` of each member and the
        share of runs that attain it (`attained`); `dense` holds means over the trainings of all runs.

    Raises:
        ConfigError: the runs do not measure the same thing, have one objective, or are copies of each other;
            or the output holds something else.
        StorageError: a run is missing, unfinished or damaged, or the output cannot be written.
    """
    require_room(output, MERGED)
    runs = [_read(folder) for folder in folders]
    _require_comparable(runs)
    objectives = get_objectives(runs[0].config.objectives)
    maximize = tuple(objective.maximize for objective in objectives)
    fronts = [run.values for run in runs]
    numbers, rows = merge_fronts(fronts, maximize)
    points = np.stack([fronts[n][r] for n, r in zip(numbers, rows, strict=True)])
    # From the best of the first objective on, as a run's own front.
    order = np.argsort(-points[:, 0] if maximize[0] else points[:, 0], kind="stable")
    numbers, rows, points = numbers[order], rows[order], points[order]
    attained = attainment(fronts, points, maximize)
    members = [
        {"run": str(runs[n].folder.path), "attained": float(share), **_member(runs[n], runs[n].ids[r])}
        for n, r, share in zip(numbers, rows, attained, strict=True)
    ]
    reference = _worst_reference(runs, objectives)
    summary = {
        "run": str(output),
        "protocol": runs[0].config.protocol,
        "encoding": runs[0].config.encoding,
        "objectives": runs[0].summary["objectives"],
        "hypervolume": {
            "reference": dict(zip(runs[0].config.objectives, reference.tolist(), strict=True)),
            "search": hypervolume(points, maximize, reference),
            "test": hypervolume(_figures(members, objectives, "test"), maximize, reference),
        },
        "dense": _dense(runs),
        "same_folds": len({run.summary.get("folds_digest") for run in runs}) == 1,
        "runs": [
            {
                "run": str(run.folder.path),
                "seed": run.config.seed,
                "evaluations": len(run.ids),
                "hypervolume": hypervolume(run.values, maximize, reference),
            }
            for run in runs
        ],
        "front": members,
    }
    _write(
        output, summary, runs, objectives, np.stack([runs[n].genomes[r] for n, r in zip(numbers, rows, strict=True)])
    )
    return summary


def read_merged(folder: Path) -> dict[str, Any] | None:
    """The merged front in a folder, or None where it holds none.

    Raises:
        StorageError: it is damaged.
    """
    path = folder / MERGED
    if not path.is_file():
        return None
    try:
        summary = read_sealed(path.read_text(encoding="utf-8"))
        _ = summary["front"][0]["test"], summary["objectives"], summary["protocol"], summary["runs"]
    except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
        raise StorageError(f"{path} is damaged ({error!r}); make it again with `evoprune merge`") from error
    return {**summary, "run": str(folder)}


def _read(folder: RunFolder) -> _Run:
    status = read_status(folder)
    if status.summary is None:
        raise StorageError(
            f"{folder.path} has {status.evaluations} of {status.budget} evaluations and no result yet; "
            "finish it first: evoprune resume"
        )
    store = Store(folder.store)
    try:
        complete = [e for e in store.evaluations() if e.state == "complete"]
    finally:
        store.close()
    return _Run(
        folder,
        folder.existing_config(),
        status.summary,
        np.stack([e.genome for e in complete]),
        np.stack([e.values for e in complete]),
        [e.id for e in complete],
    )


def _require_comparable(runs: Sequence[_Run]) -> None:
    first = runs[0]
    paths = [run.folder.path.resolve() for run in runs]
    if len(set(paths)) < len(paths):
        raise ConfigError("a run is named twice; name each once")
    if len(first.config.objectives) == 1:
        raise ConfigError(
            f"{first.folder.path} has one objective ({first.config.objectives[0]}) and no front; "
            "merge runs with two or more"
        )
    for number, run in enumerate(runs[1:], start=1):
        twin = next((r for r in runs[:number] if r.config.identity() == run.config.identity()), None)
        if twin is not None:
            raise ConfigError(
                f"{run.folder.path} has the same settings and seed as {twin.folder.path}, so it adds nothing; "
                "leave one out"
            )
        ours, theirs = (_settings(r.config) for r in (first, run))
        different = [f"{k}: {ours[k]!r} -> {theirs[k]!r}" for k in ours if ours[k] != theirs[k]]
        if first.summary.get("data_digest") != run.summary.get("data_digest"):
            different.append("other features or divisions of the data")
        if different:
            raise ConfigError(
                f"{run.folder.path} cannot be merged with {first.folder.path} ({'; '.join(different)}); "
                "merge runs that differ only in seed and algorithm (`evoprune run ... --runs N` makes such runs)"
            )


def _settings(config: RunConfig) -> dict[str, Any]:
    """What two runs that are merged have in common; initial weights go with the seed."""
    recipe = config.recipe.model_copy(update={"initial_seed": None})
    alike = config.model_copy(update={"recipe": recipe}).model_dump(mode="json")
    return {k: v for k, v in alike.items() if k not in _MAY_DIFFER}


def _member(run: _Run, number: int) -> dict[str, Any]:
    """The scores of a member of a run's own front, which every member of the merged front is."""
    found: dict[str, Any] = next(member for member in run.summary["front"] if member["id"] == number)
    return found


def _dense(runs: Sequence[_Run]) -> dict[str, Any]:
    """The head that is not pruned: its trainings in all runs taken together, as far as each run's figures tell."""
    heads = [run.summary["dense"] for run in runs]
    found: dict[str, Any] = {**heads[0], "seeds": sum(head["seeds"] for head in heads)}
    found["values"] = {name: _pooled(heads, "values", name)[0] for name in heads[0]["values"]}
    for part in ("validation", "test"):
        pooled = {name: _pooled(heads, part, name) for name in heads[0][part]}
        found[part] = {name: mean for name, (mean, _) in pooled.items()}
        found[f"{part}_std"] = {name: std for name, (_, std) in pooled.items()}
        found[f"{part}_accuracy"], found[f"{part}_accuracy_std"] = pooled["accuracy"]
    return found


def _pooled(heads: Sequence[dict[str, Any]], part: str, name: str) -> tuple[float | None, float | None]:
    """Mean and standard deviation (n - 1) over all trainings, of those of each run; None where a run has none."""
    means = np.array([head[part][name] for head in heads], dtype=np.float64)
    stds = np.array([head.get(f"{part}_std", {}).get(name, 0.0) for head in heads], dtype=np.float64)
    counts = np.array([head["seeds"] for head in heads])
    mean = float((counts * means).sum() / counts.sum())
    squares = float((((counts - 1) * stds**2) + counts * (means - mean) ** 2).sum())
    std = float(np.sqrt(squares / max(1, counts.sum() - 1)))
    return (mean, std) if np.isfinite([mean, std]).all() else (None, None)


def _worst_reference(runs: Sequence[_Run], objectives: Sequence[Objective]) -> FloatArray:
    """A reference point for all runs: of theirs, the worst in each objective."""
    points = np.array([[run.summary["hypervolume"]["reference"][o.name] for o in objectives] for run in runs])
    worst: FloatArray = np.where([o.maximize for o in objectives], points.min(axis=0), points.max(axis=0))
    return worst


def _figures(members: Sequence[dict[str, Any]], objectives: Sequence[Objective], part: str) -> FloatArray:
    """Means `[P, M]` of a part; NaN where there are none."""
    return np.array([[member[part].get(o.name) for o in objectives] for member in members], dtype=np.float64)


def _write(
    output: Path,
    summary: dict[str, Any],
    runs: Sequence[_Run],
    objectives: Sequence[Objective],
    genomes: BoolArray,
) -> None:
    figures = output / "figures"
    maximize = tuple(o.maximize for o in objectives)
    members = summary["front"]
    front = FrontData(
        names=tuple(o.name for o in objectives),
        titles=tuple(o.title for o in objectives),
        maximize=maximize,
        values=_figures(members, objectives, "values"),
        validation=_figures(members, objectives, "validation"),
        test=_figures(members, objectives, "test"),
        genomes=genomes,
        ids=np.array([member["id"] for member in members]),
        dense=_figures([summary["dense"]], objectives, "test")[0],
        dense_validation=_figures([summary["dense"]], objectives, "validation")[0],
        protocol=summary["protocol"],
        chosen=None,
        everything=np.concatenate([run.values for run in runs]),
    )
    withdraw(output / MERGED)
    write_front(output / "front.csv", summary)
    write_front_figures(figures, front)
    reference = summary["hypervolume"]["reference"]
    point = np.array(list(reference.values()))
    write_hypervolume_curve(
        figures / "hypervolume.png",
        [np.arange(1, len(run.values) + 1) for run in runs],
        [hypervolume_trace(run.values, maximize, point) for run in runs],
        point,
        list(reference),
        protocol=summary["protocol"],
    )
    if len(objectives) == 2 and len(runs) > 1:
        fronts = [run.values for run in runs]
        best, median, worst = (attainment_surface(fronts, maximize, share) for share in (1 / len(runs), 0.5, 1.0))
        write_attainment_bands(
            figures / "attainment.png",
            best,
            median,
            worst,
            objectives,
            runs=len(runs),
            protocol=summary["protocol"],
        )
    # Last: a folder with this file is complete.
    write_atomic(output / MERGED, sealed_json(summary))
