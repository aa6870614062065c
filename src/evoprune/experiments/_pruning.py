"""`pruning`: the papers' main table: the evolved head against pruning methods at the sparsity that it reached."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from evoprune._types import FloatArray
from evoprune.analysis import compare_all
from evoprune.baselines import BASELINES, get_baseline
from evoprune.experiments._columns import by_seed
from evoprune.experiments._contest import SEARCHES, compete
from evoprune.experiments._experiment import Settings
from evoprune.experiments._markdown import COMPARISON_HEADER, comparison_lines, escaped, percent, table
from evoprune.experiments._published import PRUNING
from evoprune.experiments._sparsity import ALWAYS_DENSE, methods_of, titled
from evoprune.experiments._tasks import Row, Task
from evoprune.features import Features
from evoprune.heads import default_head
from evoprune.report import Strip, write_strips
from evoprune.workflow import RunConfig

_ENCODINGS = ("first", "second", "both", "features")
_EVALUATIONS_OF_BOTH = 1.5
"""The published search of both layers has 300 evaluations where the others have 200."""


class Pruning:
    """One evolved head for each data set, encoding and seed, and every other method at its sparsity."""

    name = "pruning"
    title = "The evolved head against pruning at the same sparsity"

    def tasks(self, configs: Mapping[str, RunConfig], settings: Settings) -> list[Task]:
        """One task for each data set, encoding and seed: the methods need the sparsity that the search reached."""
        return [
            Task(
                f"{dataset}/{encoding}/{seed}",
                config.model_copy(update={"encoding": encoding, "head": default_head(encoding).hidden}),
                prune,
                {
                    "dataset": dataset,
                    "seed": seed,
                    "methods": _methods(encoding, settings.methods),
                    "evaluations": round(settings.evaluations * (_EVALUATIONS_OF_BOTH if encoding == "both" else 1)),
                },
            )
            for dataset, config in configs.items()
            for encoding in settings.encodings or _ENCODINGS
            for seed in range(settings.seeds)
        ]

    def write(self, rows: Sequence[Row], failed: Mapping[str, str], settings: Settings, folder: Path) -> str:
        """A table for each data set, the published figures where it is one of theirs, and tests over all."""
        del failed
        if not rows:
            return "No figures."
        datasets = list(dict.fromkeys(str(row["dataset"]) for row in rows))
        encodings = list(dict.fromkeys(str(row["encoding"]) for row in rows))
        methods = list(dict.fromkeys(str(row["method"]) for row in rows))
        paper = rows[0]["protocol"] == "paper"
        label = "test accuracy, % (paper)" if paper else "test accuracy, %"
        strips = []
        for dataset in datasets:
            series = {
                encoding: 100 * np.stack([_seeds(rows, settings, dataset, encoding, m) for m in methods])
                for encoding in encodings
            }
            strips.append(Strip(dataset, "test accuracy, % ↑", tuple(map(titled, methods)), series))
        write_strips(folder / "pruning.png", strips, self.title, protocol=str(rows[0]["protocol"]), columns=1)
        parts = ["![Test accuracy by method](pruning.png)", ""]
        for dataset in datasets:
            lines = [
                [
                    "active, %",
                    *(percent(_column(rows, settings, dataset, e, "genetic", "active_share")) for e in encodings),
                ],
                *(
                    [
                        escaped(titled(m)),
                        *(percent(_column(rows, settings, dataset, e, m, "test_accuracy")) for e in encodings),
                    ]
                    for m in methods
                ),
            ]
            if paper:
                reported = [percent(_column(rows, settings, dataset, e, "genetic", "fitness")) for e in encodings]
                lines.insert(1, ["genetic algorithm, its own fitness, as published (paper)", *reported])
            parts += [f"## {escaped(dataset)}", "", table([label, *encodings], lines), "", *_beside(dataset)]
        parts += ["## All data sets", "", *_compared(rows, datasets, encodings, methods, settings)]
        return "\n".join(parts)


def prune(features: Features, config: RunConfig, arguments: Mapping[str, Any]) -> list[Row]:
    """Rows of the evolved head and of every other method at its sparsity.

    Args:
        features: of the data set.
        config: settings of recipe, head and encoding.
        arguments: `dataset`, `seed`, `methods` and `evaluations`; `about` holds more to say in each row.
    """
    common = {key: arguments[key] for key in ("dataset", "seed", "evaluations")} | {"trainings": 1}
    (evolved,) = compete(features, config, {**common, "method": "genetic", "shares": [1.0]})
    found = [evolved]
    for method in arguments["methods"]:
        if method != "genetic":
            shares = [1.0 if method in ALWAYS_DENSE else evolved["active_share"]]
            try:
                found += compete(features, config, {**common, "method": method, "shares": shares})
            except Exception as error:
                # A defect of one method must not take the others' figures with it; its cell says that it failed.
                about = {"dataset": arguments["dataset"], "encoding": config.encoding, "seed": arguments["seed"]}
                found.append({**about, "method": method, "error": str(error) or type(error).__name__})
    return [{**row, "protocol": config.protocol, **arguments.get("about", {})} for row in found]


def _methods(encoding: str, wanted: Sequence[str] | None) -> list[str]:
    """Those of the wanted methods that serve an encoding, without the search that all are compared with.

    Raises:
        ConfigError: a name is unknown.
    """
    for name in wanted or ():
        if name not in SEARCHES:
            get_baseline(name)
    serving = [name for name in methods_of(encoding, None) if name not in SEARCHES]
    return serving if wanted is None else [name for name in wanted if name in serving]


def _column(rows: Sequence[Row], settings: Settings, dataset: str, encoding: str, method: str, name: str) -> FloatArray:
    """A figure of one cell `[seeds]`, NaN where a seed has none; empty where the method does not prune so."""
    if method in BASELINES and encoding not in BASELINES[method].encodings:
        return np.zeros(0)
    where = {"dataset": dataset, "encoding": encoding, "method": method}
    return by_seed(rows, name, settings.seeds, where)


def _seeds(rows: Sequence[Row], settings: Settings, dataset: str, encoding: str, method: str) -> FloatArray:
    """Test accuracies of one cell as a figure takes them: `[seeds]`, NaN where there are none."""
    found = _column(rows, settings, dataset, encoding, method, "test_accuracy")
    return found if len(found) else np.full(settings.seeds, np.nan)


def _beside(dataset: str) -> list[str]:
    """The published figures of this data set."""
    published = PRUNING.get(dataset.upper())
    if published is None:
        return []
    evolved = [f"evolved, {name} (accuracy / % active)" for name in _ENCODINGS]
    lines = [["weight pruning", published["weight pruning"]], ["polynomial decay", published["polynomial decay"]]]
    lines += [["neuron pruning", published["neuron pruning"]]]
    lines += [[title, published[name]] for title, name in zip(evolved, _ENCODINGS, strict=True)]
    return ["Published (paper protocol, another extractor):", "", table(["method", "accuracy"], lines), ""]


def _compared(
    rows: Sequence[Row], datasets: Sequence[str], encodings: Sequence[str], methods: Sequence[str], settings: Settings
) -> list[str]:
    """The evolved head against each method over data sets and encodings, means over seeds."""
    places = [(d, e) for d in datasets for e in encodings]
    values: dict[str, FloatArray] = {}
    for method in methods:
        serves = method not in BASELINES or set(encodings) & set(BASELINES[method].encodings)
        if serves:
            columns = [_column(rows, settings, d, e, method, "test_accuracy") for d, e in places]
            values[titled(method)] = np.array([c.mean() if len(c) else np.nan for c in columns])
    if len(values) < 2:
        return []
    return [
        f"The evolved head against each method at its sparsity: pairs are means over {settings.seeds} seed(s) of a "
        "data set and an encoding. Encodings of one data set are not independent of each other: read p as a guide.",
        "",
        table(COMPARISON_HEADER, comparison_lines(compare_all(values, titled("genetic")))),
    ]
