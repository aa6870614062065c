"""`convergence`: best fitness over evaluations, run by run (EvoPruneDeepTL, convergence curves)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from evoprune._types import FloatArray
from evoprune.errors import ConfigError
from evoprune.experiments._columns import (
    NO_FIGURES,
    about_task,
    by_seed,
    comparison,
    distinct,
    json_value,
    measured,
    protocol_of,
)
from evoprune.experiments._contest import SEARCHES, Ground
from evoprune.experiments._evolve import evolve, outcome
from evoprune.experiments._experiment import Settings, tasks_of_searches
from evoprune.experiments._markdown import escaped, percent, table
from evoprune.experiments._tasks import Row, Task
from evoprune.features import Features
from evoprune.report import best_so_far, write_run_convergence
from evoprune.workflow import RunConfig

_OBJECTIVES = {"genetic": SEARCHES["genetic"], "nsga2": SEARCHES["nsga2"], "random": ("accuracy",)}
"""Searches, with the objectives they are run with; accuracy is the first of each."""

_TITLES = {
    "genetic": "genetic algorithm (published)",
    "nsga2": "NSGA-II (published), its accuracy",
    "random": "random search",
}

_MARKS = (30, 50, 100, 150, 200)
"""Numbers of evaluations at which the table is read."""


class Convergence:
    """How the best fitness grows with the number of evaluations, and what it is worth in the end."""

    name = "convergence"
    title = "Best fitness over evaluations"

    def tasks(self, configs: Mapping[str, RunConfig], settings: Settings) -> list[Task]:
        """One task for each data set, search and seed.

        Raises:
            ConfigError: a wanted method is no search.
        """
        methods = tuple(_OBJECTIVES) if settings.methods is None else settings.methods
        for method in methods:
            if method not in _OBJECTIVES:
                raise ConfigError(f"method {method!r} is no search; choose among {', '.join(_OBJECTIVES)}")
        return tasks_of_searches(converge, configs, methods, settings)

    def write(self, rows: Sequence[Row], failed: Mapping[str, str], settings: Settings, folder: Path) -> str:
        """The curves as figure, and the fitness at some numbers of evaluations as tables."""
        del failed
        if not rows:
            return NO_FIGURES
        protocol, datasets, methods = protocol_of(rows), distinct(rows, "dataset"), distinct(rows, "method")
        curves = {dataset: {m: _curves(rows, dataset, m, settings.seeds) for m in methods} for dataset in datasets}
        dense = {dataset: _mean(_dense(rows, "dense_validation_accuracy", dataset, settings)) for dataset in datasets}
        write_run_convergence(
            folder / "convergence.png",
            {
                dataset: {_TITLES[m]: runs for m, runs in by_method.items() if runs}
                for dataset, by_method in curves.items()
            },
            {dataset: value for dataset, value in dense.items() if np.isfinite(value)},
            protocol=protocol,
        )
        where = "test part (paper protocol)" if protocol == "paper" else "validation part"
        parts = [
            "![Best fitness over evaluations](convergence.png)",
            "",
            f"Fitness is the accuracy on the {where}, as the search saw it; `retrained` is the best genome on the same "
            "rows, trained once more with a seed that no search used: the difference is what was selected by chance.",
            "",
        ]
        for dataset in datasets:
            parts += [f"## {escaped(dataset)}", "", _table(rows, curves[dataset], dataset, settings, protocol), ""]
        if len(methods) > 1:
            values = {
                _TITLES[m]: np.concatenate([_column(rows, "test_accuracy", d, m, settings) for d in datasets])
                for m in methods
            }
            parts += ["## Test accuracy of the final best", "", *comparison(values, _TITLES[methods[0]])]
        return "\n".join(parts)


def converge(features: Features, config: RunConfig, arguments: Mapping[str, Any]) -> list[Row]:
    """Rows of one search.

    Args:
        features: of the data set.
        config: settings of recipe, head, encoding and protocol.
        arguments: `dataset`, `method`, `seed` and `evaluations`.

    Returns:
        One row an evaluation, with the best fitness so far; the last one also says what the best is worth.
    """
    ground, method = Ground.of(features, config, int(arguments["seed"])), str(arguments["method"])
    found = evolve(ground, int(arguments["evaluations"]), algorithm=method, objectives=_OBJECTIVES[method])
    about = about_task(arguments, config, {"method": method})
    best = best_so_far(found.fitness, maximize=True)
    rows: list[Row] = [
        {**about, "evaluation": number, "evaluated_fitness": json_value(fitness), "best_fitness": json_value(so_far)}
        for number, (fitness, so_far) in enumerate(zip(found.fitness, best, strict=True), start=1)
    ]
    rows[-1] |= outcome(ground, found)
    return rows


def _curves(rows: Sequence[Row], dataset: str, method: str, seeds: int) -> list[FloatArray]:
    """Best fitness so far of each run that there is `[E]`."""
    runs: dict[int, list[float]] = {}
    for row in rows:
        if (row["dataset"], row["method"]) == (dataset, method) and row["seed"] < seeds:
            runs.setdefault(row["seed"], []).append(np.nan if row["best_fitness"] is None else row["best_fitness"])
    return [np.array(run) for _, run in sorted(runs.items())]


def _column(rows: Sequence[Row], column: str, dataset: str, method: str, settings: Settings) -> FloatArray:
    return by_seed(rows, column, settings.seeds, {"dataset": dataset, "method": method})


def _dense(rows: Sequence[Row], column: str, dataset: str, settings: Settings) -> FloatArray:
    """The full head's figures `[seeds]`; they are the same beside every search."""
    return by_seed(rows, column, settings.seeds, {"dataset": dataset})


def _mean(values: FloatArray) -> float:
    found = values[np.isfinite(values)]
    return float(found.mean()) if len(found) else np.nan


def _table(
    rows: Sequence[Row],
    curves: Mapping[str, Sequence[FloatArray]],
    dataset: str,
    settings: Settings,
    protocol: str,
) -> str:
    marks = sorted({*(mark for mark in _MARKS if mark < settings.evaluations), settings.evaluations})
    test = measured("test accuracy, %", protocol)
    fitness, retrained = (measured(title, protocol) for title in ("best fitness, %", "retrained, %"))
    header = [fitness, *(f"at {mark}" for mark in marks), retrained, test, "active, %"]
    lines = [
        [
            escaped(_TITLES[method]),
            *(percent(_at(runs, mark, settings.seeds)) for mark in marks),
            *(
                percent(_column(rows, column, dataset, method, settings))
                for column in ("validation_accuracy", "test_accuracy", "active_share")
            ),
        ]
        for method, runs in curves.items()
    ]
    dense = [
        percent(_dense(rows, column, dataset, settings))
        for column in ("dense_validation_accuracy", "dense_test_accuracy")
    ]
    return table(header, [*lines, ["not pruned", *("" for _ in marks), *dense, "100.0"]])


def _at(runs: Sequence[FloatArray], mark: int, seeds: int) -> FloatArray:
    """Best fitness `[seeds]` of the first `mark` evaluations; a run that ended before stays where it ended."""
    return np.array([*(run[min(mark, len(run)) - 1] for run in runs), *(np.nan for _ in range(seeds - len(runs)))])
