"""`sparsity`: test accuracy over active share, for every method: who wins where."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np

from evoprune._types import BoolArray, FloatArray
from evoprune.analysis import cliques, compare_all, critical_difference, friedman
from evoprune.baselines import BASELINES
from evoprune.errors import ConfigError
from evoprune.experiments._columns import measured, protocol_of, times
from evoprune.experiments._contest import SEARCHES, compete
from evoprune.experiments._experiment import Settings
from evoprune.experiments._markdown import COMPARISON_HEADER, comparison_lines, escaped, percent, table
from evoprune.experiments._tasks import Row, Task
from evoprune.report import SparsityCurve, write_critical_difference, write_sparsity
from evoprune.workflow import RunConfig

ALWAYS_DENSE = {"dense", "dense_dropout"}
"""Baselines that switch nothing off, and so have one share."""

TOGETHER = ("polynomial_decay", "polynomial_lottery")
"""Methods that begin with the same pruning, which takes most of their time."""


FINER = (0.2, 0.35, 0.75)
"""Shares within which the choice of the guided search is read besides, where no others are asked for: to say from which
size on it is as good as all features. They are in no curve and no mean."""


class Sparsity:
    """Every method at every share, on the same rows, retrained by the same recipe."""

    name = "sparsity"
    title = "Test accuracy over active share"

    def tasks(self, configs: Mapping[str, RunConfig], settings: Settings) -> list[Task]:
        """One task for each data set, seed and method; methods of `TOGETHER` are one task."""
        return [
            Task(
                f"{dataset}/{method}/{seed}",
                config,
                compete,
                {
                    "dataset": dataset,
                    "method": method,
                    "seed": seed,
                    "shares": _shares_of(method, settings),
                    "trainings": settings.trainings,
                    **({"evaluations": settings.evaluations} if method in SEARCHES else {}),
                },
            )
            for dataset, config in configs.items()
            for seed in range(settings.seeds)
            for method in _grouped(methods_of(config.encoding, settings.methods))
        ]

    def write(self, rows: Sequence[Row], failed: Mapping[str, str], settings: Settings, folder: Path) -> str:
        """The curves as figure and tables, and the methods compared by their mean over all shares."""
        if not rows:
            return "No figures."
        protocol = protocol_of(rows)
        datasets = list(dict.fromkeys(str(row["dataset"]) for row in rows))
        methods = [m for m in dict.fromkeys(str(row["method"]) for row in rows) if m not in ALWAYS_DENSE]
        cells = {dataset: {m: grid(rows, dataset, m, settings) for m in methods} for dataset in datasets}
        dense = {dataset: _dense(rows, dataset, settings) for dataset in datasets}
        if not methods:
            return "\n".join(f"{escaped(name)}, not pruned: {percent(values)} %." for name, values in dense.items())
        known = {name: (float(np.mean(v)), float(np.std(v, ddof=1))) for name, v in dense.items() if len(v) > 1}
        write_sparsity(
            folder / "sparsity.png",
            {
                dataset: {titled(m): _curve(cell, settings) for m, cell in by_method.items()}
                for dataset, by_method in cells.items()
            },
            known,
            protocol=protocol,
            emphasised=[titled(m) for m in methods if m in SEARCHES],
        )
        parts = ["![Test accuracy over active share](sparsity.png)", ""]
        parts += [f"Each head is trained {times(settings.trainings)}; a figure of one seed is the mean of these.", ""]
        for dataset in datasets:
            broken = {method for method in methods if any(_is_of(name, dataset, method) for name in failed)}
            shown = _table(cells[dataset], dense[dataset], settings, protocol, broken)
            parts += [f"## {escaped(dataset)}", "", shown, ""]
        parts += ["## All data sets", "", *_overall(cells, settings, folder, protocol)]
        return "\n".join(parts)


def _shares_of(method: str, settings: Settings) -> list[float]:
    if method in ALWAYS_DENSE:
        return [1.0]
    if method == "guided" and settings.shares == Settings.shares:
        return sorted({*settings.shares, *FINER})
    return list(settings.shares)


def _grouped(methods: Sequence[str]) -> list[str]:
    """The methods with those of `TOGETHER` joined by `+`, where more than one is wanted."""
    first, joined = [m for m in methods if m in TOGETHER][:1], "+".join(m for m in methods if m in TOGETHER)
    return [joined if [m] == first else m for m in methods if m not in TOGETHER or [m] == first]


def _is_of(task: str, dataset: str, method: str) -> bool:
    """Whether a task, by its name, is of a data set and a method."""
    of, methods, _ = task.rsplit("/", 2)
    return of == dataset and method in methods.split("+")


def methods_of(encoding: str, wanted: Sequence[str] | None) -> list[str]:
    """The methods that serve an encoding: searches first, then baselines in the order of their table.

    Raises:
        ConfigError: a wanted one is unknown or does not serve it.
    """
    serving = [*SEARCHES, *(name for name, b in BASELINES.items() if encoding in b.encodings)]
    if wanted is None:
        return serving
    for name in wanted:
        if name not in SEARCHES and name not in BASELINES:
            near = difflib.get_close_matches(name, serving, n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise ConfigError(f"method {name!r} is unknown; {hint}choose among {', '.join(serving)}")
        if name not in serving:
            raise ConfigError(f"method {name!r} does not prune {encoding!r}; those that do are {', '.join(serving)}")
    return list(wanted)


def titled(method: str) -> str:
    """What tables and figures call a method."""
    return {"guided": "guided search", "genetic": "genetic algorithm (published)", "nsga2": "NSGA-II (published)"}.get(
        method, BASELINES[method].title if method in BASELINES else method
    )


def grid(rows: Sequence[Row], dataset: str, method: str, settings: Settings) -> FloatArray:
    """Test accuracy of a method `[seeds, shares]`, NaN where there is none."""
    values = np.full((settings.seeds, len(settings.shares)), np.nan)
    for row in rows:
        if (row["dataset"], row["method"]) == (dataset, method) and row["share"] in settings.shares:
            values[row["seed"], settings.shares.index(row["share"])] = row["test_accuracy"]
    return values


def _dense(rows: Sequence[Row], dataset: str, settings: Settings) -> FloatArray:
    found = [r for r in rows if r["dataset"] == dataset and r["method"] == "dense"]
    return np.array([row["test_accuracy"] for row in found if row["seed"] < settings.seeds])


def _curve(cell: FloatArray, settings: Settings) -> SparsityCurve:
    there = np.isfinite(cell).sum(axis=0)
    filled = np.where(np.isfinite(cell), cell, 0.0)
    mean = np.where(there > 0, filled.sum(axis=0) / np.maximum(there, 1), np.nan)
    squares = np.where(np.isfinite(cell), (cell - mean) ** 2, 0.0).sum(axis=0)
    std = np.where(there > 1, np.sqrt(squares / np.maximum(there - 1, 1)), np.nan)
    return SparsityCurve(np.array(settings.shares), mean, std, settings.seeds)


def _table(
    by_method: Mapping[str, FloatArray], dense: FloatArray, settings: Settings, protocol: str, broken: Collection[str]
) -> str:
    header = [measured("test accuracy, %", protocol), *(f"{100 * share:g} %" for share in settings.shares)]
    lines = []
    for method, cell in by_method.items():
        none = "none" if method in SEARCHES and method not in broken else "failed"
        lines.append([escaped(titled(method)), *(percent(column, none=none) for column in cell.T)])
    parts = [table(header, lines), ""]
    if not np.isfinite([by_method[m] for m in by_method if m in SEARCHES]).all():
        parts.append("none, missing: a search is read at its best member within a share, and may have none so small.")
    if len(dense):
        parts.append(f"Dense head: {percent(dense)} %.")
    return "\n".join(parts)


def _overall(
    cells: Mapping[str, Mapping[str, FloatArray]], settings: Settings, folder: Path, protocol: str
) -> list[str]:
    """Mean over the shares that all reach, average ranks, and a search against each other method."""
    methods = list(next(iter(cells.values())))
    grids = {m: np.stack([by_method[m] for by_method in cells.values()]) for m in methods}
    common: BoolArray = np.asarray(np.isfinite(np.stack(list(grids.values()))).all(axis=(0, 1, 2)))
    if not common.any():
        return ["There is no share that every method reaches with every seed, and so no mean to compare."]
    # One figure for each data set and seed: the mean over shares.
    means = {m: grid[:, :, common].mean(axis=2).ravel() for m, grid in grids.items()}
    # A data set counts once in the ranks: its shares and seeds are not independent of each other.
    points = np.stack([grid[:, :, common].mean(axis=(1, 2)) for grid in grids.values()], axis=1)
    order = np.argsort([-np.mean(means[m]) for m in methods])
    ranked = len(methods) > 2
    ranks = friedman(points).average_ranks if ranked else np.full(len(methods), np.nan)
    reached = ", ".join(f"{100 * share:g}" for share, there in zip(settings.shares, common, strict=True) if there)
    lines = [
        [
            escaped(titled(methods[i])),
            percent(means[methods[i]]),
            "-" if np.isnan(ranks[i]) else f"{ranks[i]:.2f}",
        ]
        for i in order
    ]
    parts = [
        f"Mean over data sets, seeds and the shares that every method reaches ({reached} %, each counts the same); "
        "average rank over data sets.",
        "",
        table(["method", "mean, %", "average rank"], lines),
        "",
    ]
    if ranked and np.isfinite(ranks).all() and len(points) > 1:
        test = friedman(points)
        cd = critical_difference(len(methods), test.datasets)
        averages = {titled(m): float(r) for m, r in zip(methods, ranks, strict=True)}
        write_critical_difference(
            folder / "ranks.png",
            averages,
            cd,
            cliques(averages, cd),
            p=test.p,
            datasets=test.datasets,
            protocol=protocol,
        )
        parts += [
            f"Friedman test that all are alike on the {test.datasets} data sets: p = {test.p:.3g}; ranks differ "
            f"significantly from {cd:.2f} on (Nemenyi, 5 %).",
            "",
            "![Average ranks](ranks.png)",
            "",
        ]
    for search in [method for method in methods if method in SEARCHES and len(methods) > 1]:
        compared = compare_all({titled(m): values for m, values in means.items()}, titled(search))
        parts += [
            f"{titled(search)} against each other method, pair by pair over data sets and seeds (seeds of one data set "
            "are not independent of each other: read p as a guide):",
            "",
            table(COMPARISON_HEADER, comparison_lines(compared)),
            "",
        ]
    return parts
