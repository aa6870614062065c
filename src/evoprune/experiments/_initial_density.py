"""`initial-density`: where the search ends, by the share of ones that it starts from (EvoPruneDeepTL)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from evoprune.experiments._columns import NO_FIGURES, about_task, by_seed, comparison, distinct, measured, protocol_of
from evoprune.experiments._contest import Ground
from evoprune.experiments._evolve import evolve, outcome
from evoprune.experiments._experiment import Settings
from evoprune.experiments._markdown import escaped, percent, table
from evoprune.experiments._tasks import Row, Task
from evoprune.features import Features
from evoprune.report import Strip, write_strips
from evoprune.workflow import RunConfig, make_config

_STARTS = {
    "0.3": (0.3, 0.3),
    "0.4": (0.4, 0.4),
    "0.5": (0.5, 0.5),
    "0.6": (0.6, 0.6),
    "0.7": (0.7, 0.7),
    "U(.3, .7)": (0.3, 0.7),
    "U(0, 1)": (0.0, 1.0),
}
"""The published ways to draw the share of ones of an initial individual."""

_DEFAULT = "U(0, 1)"

_PUBLISHED = {
    "PLANTS": {
        "0.3": (47.5, 30),
        "0.4": (46.3, 40),
        "0.5": (47.0, 51),
        "0.6": (46.5, 60),
        "0.7": (47.0, 69),
        "U(.3, .7)": (47.4, 54),
    },
    "CATARACT": {
        "0.3": (73.7, 30),
        "0.4": (74.0, 40),
        "0.5": (74.0, 51),
        "0.6": (73.7, 60),
        "0.7": (73.9, 67),
        "U(.3, .7)": (73.7, 48),
    },
}
"""Final accuracy and active share in percent, by data set of the paper (protocol `paper`)."""


class InitialDensity:
    """The published genetic algorithm from initial individuals of different density."""

    name = "initial-density"
    title = "Where the search ends, by the density it starts from"

    def tasks(self, configs: Mapping[str, RunConfig], settings: Settings) -> list[Task]:
        """One task for each data set, start and seed."""
        return [
            Task(
                f"{dataset}/{start}/{seed}",
                config,
                start_from,
                {"dataset": dataset, "start": start, "seed": seed, "evaluations": settings.evaluations},
            )
            for dataset, config in configs.items()
            for start in _STARTS
            for seed in range(settings.seeds)
        ]

    def write(self, rows: Sequence[Row], failed: Mapping[str, str], settings: Settings, folder: Path) -> str:
        """Fitness, test accuracy and density at the end, as figure and tables."""
        del failed
        if not rows:
            return NO_FIGURES
        protocol, datasets = protocol_of(rows), distinct(rows, "dataset")

        def strip(dataset: str, title: str, measure: str, column: str) -> Strip:
            values = [by_seed(rows, column, settings.seeds, {"dataset": dataset, "start": start}) for start in _STARTS]
            return Strip(f"{dataset}: {title}", measure, tuple(_STARTS), {"genetic algorithm": 100 * np.stack(values)})

        strips = [
            panel
            for dataset in datasets
            for panel in (
                strip(dataset, "where the density ends", "active share of the best, %", "active_share"),
                strip(dataset, "what it is worth", "test accuracy, % ↑", "test_accuracy"),
            )
        ]
        write_strips(folder / "initial-density.png", strips, "By the density of initial individuals", protocol=protocol)
        parts = ["![Final density and accuracy](initial-density.png)", ""]
        for dataset in datasets:
            parts += [f"## {escaped(dataset)}", "", _table(rows, dataset, settings, protocol), ""]
        values = {
            start: np.concatenate(
                [
                    by_seed(rows, "test_accuracy", settings.seeds, {"dataset": dataset, "start": start})
                    for dataset in datasets
                ]
            )
            for start in _STARTS
        }
        parts += ["## Test accuracy", "", *comparison(values, _DEFAULT)]
        parts += ["## Published (protocol paper: selected on the test part)", "", _published()]
        return "\n".join(parts)


def start_from(features: Features, config: RunConfig, arguments: Mapping[str, Any]) -> list[Row]:
    """The row of one search.

    Args:
        features: of the data set.
        config: settings of recipe, head, encoding and protocol.
        arguments: `dataset`, `start`, `seed` and `evaluations`.
    """
    start = str(arguments["start"])
    options = {**dict(config.search), "initial_density": _STARTS[start]}
    ground = Ground.of(features, make_config(**{**dict(config), "search": options}), int(arguments["seed"]))
    found = evolve(ground, int(arguments["evaluations"]))
    about = about_task(arguments, config, {"start": start})
    return [{**about, **outcome(ground, found)}]


def _table(rows: Sequence[Row], dataset: str, settings: Settings, protocol: str) -> str:
    columns = ("fitness", "test_accuracy", "active_share")
    lines = [
        [
            start,
            *(
                percent(by_seed(rows, column, settings.seeds, {"dataset": dataset, "start": start}))
                for column in columns
            ),
        ]
        for start in _STARTS
    ]
    dense = percent(by_seed(rows, "dense_test_accuracy", settings.seeds, {"dataset": dataset}))
    accuracies = [measured(title, protocol) for title in ("final fitness, %", "test accuracy, %")]
    header = ["start", *accuracies, "final density, %"]
    return table(header, [*lines, ["not pruned", "", dense, "100.0"]])


def _published() -> str:
    lines = []
    for start in _STARTS:
        cells = [figures.get(start) for figures in _PUBLISHED.values()]
        lines.append([start, *("-" if cell is None else f"{cell[0]:.1f} / {cell[1]}" for cell in cells)])
    return table(["accuracy, % / final density, %", *(f"{name} (paper)" for name in _PUBLISHED)], lines)
