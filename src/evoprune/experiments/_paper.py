"""`paper`: all tables of both papers, under both protocols, with the published figures beside them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from evoprune._types import FloatArray
from evoprune.experiments._cka import CKA
from evoprune.experiments._classes import Classes
from evoprune.experiments._columns import by_seed
from evoprune.experiments._convergence import Convergence
from evoprune.experiments._experiment import Experiment, Settings
from evoprune.experiments._fronts import Fronts
from evoprune.experiments._initial_density import InitialDensity
from evoprune.experiments._markdown import escaped, percent, table
from evoprune.experiments._pruning import Pruning
from evoprune.experiments._tasks import Compute, Row, Task
from evoprune.features import Features
from evoprune.workflow import RunConfig

PARTS: tuple[Experiment, ...] = (Pruning(), Convergence(), InitialDensity(), Classes(), CKA(), Fronts())
"""In the order of the papers."""

_PROTOCOLS = ("paper", "nested")

_PRUNING_METHODS = (
    "dense",
    "dense_dropout",
    "fixed_grid",
    "random",
    "weight_pruning",
    "neuron_pruning_in",
    "neuron_pruning_out",
    "polynomial_decay",
)
"""What the papers compare with, and the control that they lack."""


class Paper:
    """Every other experiment of the papers twice: as published, and on images that nothing was chosen with."""

    name = "paper"
    title = "The tables of both papers, by protocol"

    def tasks(self, configs: Mapping[str, RunConfig], settings: Settings) -> list[Task]:
        """The tasks of all parts under both protocols."""
        found = []
        for protocol in _PROTOCOLS:
            own = {name: config.model_copy(update={"protocol": protocol}) for name, config in configs.items()}
            for part in PARTS:
                mark = {"experiment": part.name, "protocol": protocol}
                found += [
                    Task(
                        f"{protocol}/{part.name}/{task.id}",
                        task.config,
                        partial(marked, task.compute, mark),
                        task.arguments,
                    )
                    for task in part.tasks(own, _settings_of(part, settings))
                ]
        return found

    def write(self, rows: Sequence[Row], failed: Mapping[str, str], settings: Settings, folder: Path) -> str:
        """First what the protocol makes of the evolved heads, then each part under both protocols."""
        parts = ["## What the protocol makes of it", "", *_selection_effect(rows, settings), ""]
        for part in PARTS:
            for protocol in _PROTOCOLS:
                own = [r for r in rows if (r["experiment"], r["protocol"]) == (part.name, protocol)]
                prefix = f"{protocol}/{part.name}/"
                reasons = {name.removeprefix(prefix): why for name, why in failed.items() if name.startswith(prefix)}
                inner = folder / protocol / part.name
                inner.mkdir(parents=True, exist_ok=True)
                body = part.write(own, reasons, _settings_of(part, settings), inner)
                parts += [f"## {part.title} (protocol {protocol})", "", _lowered(body, prefix), ""]
        return "\n".join(parts)


def marked(
    compute: Compute, mark: Mapping[str, str], features: Features, config: RunConfig, arguments: Mapping[str, Any]
) -> list[Row]:
    """The rows of a part's task, with the part and the protocol in each."""
    return [{**row, **mark} for row in compute(features, config, arguments)]


def _settings_of(part: Experiment, settings: Settings) -> Settings:
    """Methods are those of the pruning tables: by default the papers' own and the control."""
    return replace(settings, methods=(settings.methods or _PRUNING_METHODS) if part.name == Pruning.name else None)


def _selection_effect(rows: Sequence[Row], settings: Settings) -> list[str]:
    """The evolved heads' accuracy as published and honestly measured, and what they gain over the dense head."""
    own = [row for row in rows if row["experiment"] == Pruning.name]

    def column(dataset: str, encoding: str, method: str, protocol: str, name: str) -> FloatArray:
        where = {"dataset": dataset, "encoding": encoding, "method": method, "protocol": protocol}
        return by_seed(own, name, settings.seeds, where)

    lines = []
    for dataset in dict.fromkeys(str(row["dataset"]) for row in own):
        for encoding in dict.fromkeys(str(row["encoding"]) for row in own):
            lines.append(
                [
                    f"{escaped(dataset)}, {encoding}",
                    percent(column(dataset, encoding, "genetic", "paper", "fitness")),
                    percent(column(dataset, encoding, "genetic", "paper", "test_accuracy")),
                    percent(column(dataset, encoding, "genetic", "nested", "test_accuracy")),
                    percent(column(dataset, encoding, "dense", "nested", "test_accuracy")),
                    percent(column(dataset, encoding, "random", "nested", "test_accuracy")),
                ]
            )
    header = [
        "test accuracy, %",
        "evolved, its own fitness (paper)",
        "the same heads, other training seed (paper)",
        "evolved (nested)",
        "not pruned (nested)",
        "random mask of the same size (nested)",
    ]
    return [
        "The first column is what the papers report: the accuracy by which the head was chosen, on the test images. "
        "The second trains the same heads with a seed that the search did not use, the third chooses without the test "
        "images.",
        "",
        table(header, lines) if lines else "No figures.",
    ]


def _lowered(body: str, prefix: str) -> str:
    """A part's report with its headings one level lower, and its figures found from the folder above."""
    lowered = re.sub(r"^(#+) ", r"#\1 ", body, flags=re.MULTILINE)
    return re.sub(r"\]\((?![a-z]+:)([^)]+\.png)\)", rf"]({prefix}\1)", lowered)
