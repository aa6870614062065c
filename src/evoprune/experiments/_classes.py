"""`classes`: evolved against not pruned with a class missing, and with one added step by step (EvoPruneDeepTL)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from evoprune._types import FloatArray
from evoprune.experiments._columns import NO_FIGURES, about_task, by_seed, comparison, distinct, measured, protocol_of
from evoprune.experiments._contest import Ground
from evoprune.experiments._evolve import evolve, outcome
from evoprune.experiments._experiment import Settings
from evoprune.experiments._markdown import escaped, percent, table
from evoprune.experiments._reduced import with_share_of_class, without_class
from evoprune.experiments._tasks import Compute, Row, Task
from evoprune.features import Features
from evoprune.report import Strip, write_strips
from evoprune.workflow import RunConfig

_SHARES = (0.2, 0.4, 0.6, 0.8, 1.0)
"""Of the training images of the class that is added."""

_GROWN = 0
"""Number of the class that is added."""

_KINDS = {
    "left out": "Test accuracy on the other classes, by the class that is left out",
    "added": "Test accuracy on all classes, by the share of the training images of one class that is used",
}

_PUBLISHED: dict[str, dict[str, tuple[float, float, float, float]]] = {
    "left out": {
        "sculpture": (94.2, 93.2, 94.7, 85.7),
        "painting": (95.9, 94.6, 96.1, 82.0),
        "iconography": (94.2, 92.0, 94.9, 83.5),
        "engraving": (97.9, 97.4, 97.9, 88.3),
        "drawings": (99.4, 98.9, 99.6, 94.4),
    },
    "added": {
        "20 %": (94.4, 93.1, 94.5, 82.6),
        "40 %": (94.5, 92.9, 95.0, 82.6),
        "60 %": (94.6, 93.1, 95.4, 83.9),
        "80 %": (94.7, 92.7, 95.3, 83.9),
        "100 %": (95.3, 93.9, 95.8, 93.9),
    },
}
"""PAINTING, protocol `paper`: both layers evolved and full, feature selection evolved and full, in percent."""


class Classes:
    """The published search on data sets that lack a class, or most of one, beside the head that is not pruned."""

    name = "classes"
    title = "Evolved against not pruned, with a class missing and with a class added"

    def tasks(self, configs: Mapping[str, RunConfig], settings: Settings) -> list[Task]:
        """One task for each data set, class or share, and seed.

        How many classes a data set has is known when it is read; the task of a class that it does not have gives no
        rows.
        """

        def task(dataset: str, config: RunConfig, case: str, compute: Compute, detail: Row, seed: int) -> Task:
            arguments = {"dataset": dataset, "seed": seed, "evaluations": settings.evaluations, **detail}
            return Task(f"{dataset}/{case}/{seed}", config, compute, arguments)

        cases: list[tuple[str, Compute, Row]] = [
            *((f"without-{number}", leave_out, {"class": number}) for number in range(settings.classes)),
            *((f"added-{100 * share:.0f}", add, {"share": share}) for share in _SHARES),
        ]
        return [
            task(dataset, config, *case, seed)
            for dataset, config in configs.items()
            for case in cases
            for seed in range(settings.seeds)
        ]

    def write(self, rows: Sequence[Row], failed: Mapping[str, str], settings: Settings, folder: Path) -> str:
        """Evolved and not pruned side by side, as figure and tables, and compared over all cases."""
        del failed
        if not rows:
            return NO_FIGURES
        protocol, datasets, seeds = protocol_of(rows), distinct(rows, "dataset"), settings.seeds
        strips, sections = [], []
        values: dict[str, list[FloatArray]] = {"evolved": [], "not pruned": []}
        for dataset in datasets:
            sections += [f"## {escaped(dataset)}", ""]
            for kind, heading in _KINDS.items():
                own = [row for row in rows if (row["dataset"], row["kind"]) == (dataset, kind)]
                cases = distinct(own, "case")
                if not cases:
                    continue
                evolved, dense, active = (
                    np.stack([by_seed(own, column, seeds, {"case": case}) for case in cases])
                    for column in ("test_accuracy", "dense_test_accuracy", "active_share")
                )
                values["evolved"].append(evolved.ravel())
                values["not pruned"].append(dense.ravel())
                series = {"evolved": 100 * evolved, "not pruned": 100 * dense}
                strips.append(Strip(f"{dataset}: {_panel(own, kind)}", "test accuracy, % ↑", tuple(cases), series))
                sections += [
                    f"{heading}{_named(own, kind)}.",
                    "",
                    _table(kind, cases, (evolved, dense, active), protocol),
                    "",
                ]
        write_strips(folder / "classes.png", strips, "Evolved against not pruned", protocol=protocol, columns=1)
        compared = comparison({name: np.concatenate(columns) for name, columns in values.items()}, "evolved")
        return "\n".join(
            [
                "![Evolved against not pruned](classes.png)",
                "",
                *sections,
                "## All cases",
                "",
                *compared,
                "## Published (PAINTING, protocol paper: selected on the test part)",
                "",
                *_published(),
            ]
        )


def leave_out(features: Features, config: RunConfig, arguments: Mapping[str, Any]) -> list[Row]:
    """The row of a search without one class; none where the data set has no class of that number.

    Args:
        features: of the data set.
        config: settings of recipe, head, encoding and protocol.
        arguments: `dataset`, `class` (its number), `seed` and `evaluations`.

    Raises:
        ConfigError: fewer than two classes are left.
    """
    number = int(arguments["class"])
    if number >= features.classes:
        return []
    name = features.class_names[number]
    return _compared(
        without_class(features, name), config, arguments, {"kind": "left out", "case": name, "class": name}
    )


def add(features: Features, config: RunConfig, arguments: Mapping[str, Any]) -> list[Row]:
    """The row of a search with a share of the first class's training images.

    Args:
        features: of the data set.
        config: settings of recipe, head, encoding and protocol.
        arguments: `dataset`, `share`, `seed` and `evaluations`.
    """
    share, name = float(arguments["share"]), features.class_names[_GROWN]
    reduced = with_share_of_class(features, name, share, int(arguments["seed"]))
    return _compared(reduced, config, arguments, {"kind": "added", "case": f"{100 * share:.0f} %", "class": name})


def _compared(features: Features, config: RunConfig, arguments: Mapping[str, Any], case: Row) -> list[Row]:
    ground = Ground.of(features, config, int(arguments["seed"]))
    found = evolve(ground, int(arguments["evaluations"]))
    about = about_task(arguments, config, case)
    return [{**about, **outcome(ground, found)}]


def _named(rows: Sequence[Row], kind: str) -> str:
    return f": {escaped(str(rows[0]['class']))}" if kind == "added" else ""


def _panel(rows: Sequence[Row], kind: str) -> str:
    return "class left out" if kind == "left out" else f"share of the training images of {rows[0]['class']}"


def _table(kind: str, cases: Sequence[str], values: tuple[FloatArray, FloatArray, FloatArray], protocol: str) -> str:
    """One line a case, of accuracies `[cases, seeds]`, evolved and not pruned, and active shares."""
    header = [
        "class" if kind == "left out" else "share",
        measured("evolved, %", protocol),
        measured("not pruned, %", protocol),
        "difference, points",
        "active, %",
    ]
    lines = [
        [escaped(case), percent(ours), percent(theirs), percent(ours - theirs), percent(share)]
        for case, ours, theirs, share in zip(cases, *values, strict=True)
    ]
    return table(header, lines)


def _published() -> list[str]:
    header = ["both layers, evolved, %", "both layers, full, %", "features, evolved, %", "features, full, %"]
    lines: list[str] = []
    for kind, figures in _PUBLISHED.items():
        cells = [[case, *(f"{value:.1f}" for value in values)] for case, values in figures.items()]
        lines += [table([f"class {kind}", *header], cells), ""]
    return lines
