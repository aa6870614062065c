"""`extractors`: feature selection with several networks as extractors of the same data sets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from evoprune.errors import ConfigError
from evoprune.experiments._columns import by_seed, distinct
from evoprune.experiments._experiment import Settings
from evoprune.experiments._markdown import escaped, percent, table
from evoprune.experiments._pruning import prune
from evoprune.experiments._published import EXTRACTORS
from evoprune.experiments._sparsity import methods_of, titled
from evoprune.experiments._tasks import Row, Task
from evoprune.report import Strip, write_strips
from evoprune.workflow import RunConfig

_FEW = ("dense", "random", "anova", "gates_iterative")
"""Compared where nothing else is asked for: the control, the cheapest and the strongest of the others."""


_DRAWN = 5
"""Methods that a figure has looks for; the table has them all."""


class Extractors:
    """The evolved selection of features, and others at its size, for each data set and network."""

    name = "extractors"
    title = "Feature selection with several extractors"

    def tasks(self, configs: Mapping[str, RunConfig], settings: Settings) -> list[Task]:
        """One task for each data set, network and seed."""
        if any(config.kind == "features" for config in configs.values()):
            raise ConfigError("experiment 'extractors' compares networks, and a feature file has none; give images")
        datasets = _short([config.data for config in configs.values()])
        networks = _short([config.backbone or "" for config in configs.values()])
        methods = [m for m in methods_of("features", settings.methods or _FEW) if m not in ("genetic", "nsga2")]
        return [
            Task(
                f"{label}/{seed}",
                config.model_copy(update={"encoding": "features"}),
                prune,
                {
                    "dataset": datasets[config.data],
                    "about": {"extractor": networks[config.backbone or ""]},
                    "seed": seed,
                    "methods": methods,
                    "evaluations": settings.evaluations,
                },
            )
            for label, config in configs.items()
            for seed in range(settings.seeds)
        ]

    def write(self, rows: Sequence[Row], failed: Mapping[str, str], settings: Settings, folder: Path) -> str:
        """A table for each data set: methods against extractors; and the published figures."""
        del failed
        if not rows:
            return "No figures."
        extractors = list(dict.fromkeys(str(row["extractor"]) for row in rows))
        methods = list(dict.fromkeys(str(row["method"]) for row in rows))
        paper = rows[0]["protocol"] == "paper"
        parts = ["![Test accuracy by extractor](extractors.png)", ""]
        write_strips(
            folder / "extractors.png",
            [_strip(rows, settings, dataset, extractors, methods) for dataset in distinct(rows, "dataset")],
            self.title,
            protocol=str(rows[0]["protocol"]),
            columns=1,
        )
        for dataset in distinct(rows, "dataset"):

            def cell(method: str, extractor: str, name: str, dataset: str = dataset) -> str:
                where = {"dataset": dataset, "method": method, "extractor": extractor}
                return percent(by_seed(rows, name, settings.seeds, where))

            lines = [["active, %", *(cell("genetic", e, "active_share") for e in extractors)]]
            lines += [[escaped(titled(m)), *(cell(m, e, "test_accuracy") for e in extractors)] for m in methods]
            label = "test accuracy, % (paper)" if paper else "test accuracy, %"
            parts += [f"## {escaped(dataset)}", "", table([label, *map(escaped, extractors)], lines), ""]
        header = ["published (paper protocol)", *next(iter(EXTRACTORS.values()))]
        lines = [[name, *figures.values()] for name, figures in EXTRACTORS.items()]
        return "\n".join([*parts, "## Published", "", table(header, lines)])


def _strip(
    rows: Sequence[Row], settings: Settings, dataset: str, extractors: Sequence[str], methods: Sequence[str]
) -> Strip:
    """One panel: extractors side by side, for as many methods as can be told apart."""
    series = {
        titled(method): 100
        * np.stack(
            [
                by_seed(rows, "test_accuracy", settings.seeds, {"dataset": dataset, "extractor": e, "method": method})
                for e in extractors
            ]
        )
        for method in methods[:_DRAWN]
    }
    return Strip(dataset, "test accuracy, % ↑", tuple(extractors), series)


def _short(paths: Sequence[str]) -> dict[str, str]:
    """Short names of paths, by path; with a number where two would have the same."""
    names: dict[str, str] = {}
    for path in dict.fromkeys(paths):
        name = Path(path).name
        taken = sum(Path(other).name == name for other in names)
        names[path] = f"{name}-{taken + 1}" if taken else name
    return names
