"""`guided`: what each part of the guided search is worth, how soon it is there, and its fronts of three objectives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from evoprune._types import FloatArray
from evoprune.errors import ConfigError
from evoprune.experiments._columns import NO_FIGURES, distinct, protocol_of, times
from evoprune.experiments._contest import SEARCHES, Ground, Variant, evaluated, searched
from evoprune.experiments._experiment import Settings
from evoprune.experiments._markdown import escaped, percent, table
from evoprune.experiments._tasks import Row, Task
from evoprune.features import Features
from evoprune.search import hypervolume_trace, non_dominated
from evoprune.workflow import RunConfig, random_mask

PARTS = {
    "complete": "complete",
    "prior": "without the prior",
    "recombination": "without gated recombination",
    "gates": "without either",
    "correction": "without the correction",
    "folds": "one validation part, not three folds",
}
"""What is switched off, one at a time, and prior and recombination together: each makes up for the other."""

_RANDOM_STREAM = 7
"""Keeps the draw of the control's masks apart from others with the same seed."""

REACH_EVALUATIONS = 2_000
"""Evaluations of the published NSGA-II that the guided search is to be as good as."""


class Guided:
    """The guided search, taken apart."""

    name = "guided"
    title = "The guided search, part by part"

    def tasks(self, configs: Mapping[str, RunConfig], settings: Settings) -> list[Task]:
        """For each data set and seed a task for each part; fronts where there are outliers; one long search a set.

        Raises:
            ConfigError: methods are given, or features are not what is pruned.
        """
        if settings.methods is not None:
            raise ConfigError("experiment 'guided' compares the parts of one search; leave --methods out")
        found = []
        for dataset, config in configs.items():
            if config.encoding != "features":
                raise ConfigError(f"experiment 'guided' prunes features, not {config.encoding!r}; leave --encoding out")
            common = {"dataset": dataset, "evaluations": settings.evaluations}
            for seed in range(settings.seeds):
                own = {**common, "seed": seed, "trainings": settings.trainings}
                for part in PARTS:
                    arguments = {**own, "part": part, "shares": list(settings.shares)}
                    found.append(Task(f"{dataset}/{part}/{seed}", config, without_a_part, arguments))
                if config.ood:
                    found.append(Task(f"{dataset}/front/{seed}", config, front_of_three, own))
            found.append(Task(f"{dataset}/reach", config, reached, {**common, "seed": 0}))
        return found

    def write(self, rows: Sequence[Row], failed: Mapping[str, str], settings: Settings, folder: Path) -> str:
        """Tables of the parts and of the evaluations needed."""
        del failed, folder
        if not rows:
            return NO_FIGURES
        protocol = protocol_of(rows)
        parts = [row for row in rows if row["kind"] == "part"]
        datasets = distinct(rows, "dataset")
        lines = []
        for part, title in PARTS.items():
            cells = [_budgeted(parts, dataset, part, settings) for dataset in datasets]
            lines.append([title, *(percent(cell) for cell in cells), percent(np.concatenate(cells))])
        reach = [
            [escaped(row["dataset"]), str(row["published_evaluations"]), _number(row["guided_evaluations"])]
            for row in rows
            if row["kind"] == "reach"
        ]
        return "\n".join(
            [
                "Budgeted accuracy: test accuracy of the member that the search picks within each share of active "
                f"features, mean over the shares, %; protocol {protocol}, heads trained {times(settings.trainings)}.",
                "",
                table(["search", *map(escaped, datasets), "all"], lines),
                "",
                "Evaluations until the search's hypervolume (calibrated cross entropy, active share) is that of the "
                "published NSGA-II at the end, on the same problem:",
                "",
                table(["data set", "NSGA-II", "guided"], reach),
            ]
        )


def without_a_part(features: Features, config: RunConfig, arguments: Mapping[str, Any]) -> list[Row]:
    """Rows of the guided search with one part switched off, one a share.

    Args:
        features: of the data set.
        config: settings of recipe, head and encoding.
        arguments: `dataset`, `part`, `seed`, `shares`, `evaluations` and `trainings`.
    """
    ground = Ground.of(features, config, int(arguments["seed"]), int(arguments["trainings"]))
    part, whole = str(arguments["part"]), Variant.of("guided", config)
    variant = {
        "complete": whole,
        "prior": replace(whole, options=whole.options.model_copy(update={"prior": False})),
        "recombination": replace(whole, options=whole.options.model_copy(update={"recombination": False})),
        "gates": replace(whole, options=whole.options.model_copy(update={"prior": False, "recombination": False})),
        "correction": replace(whole, corrected=False),
        "folds": replace(whole, folds=1),
    }[part]
    rows = searched(ground, variant, [float(s) for s in arguments["shares"]], int(arguments["evaluations"]))
    return [{"kind": "part", **_about(arguments, config), "part": part, **row} for row in rows]


def front_of_three(features: Features, config: RunConfig, arguments: Mapping[str, Any]) -> list[Row]:
    """Members of the guided search's front of loss, active share and OOD AUROC, retrained and read on the test part.

    By labels; as a run trains them (`soft_`: soft targets, and unsure of out-of-distribution images of the search);
    and, the control, random masks of the same sizes trained so (`random_`).

    Args:
        features: of the data set, with out-of-distribution rows.
        config: settings of recipe, head and encoding.
        arguments: `dataset`, `seed`, `evaluations` and `trainings`.
    """
    ground = Ground.of(features, config, int(arguments["seed"]), int(arguments["trainings"]))
    objectives = (*SEARCHES["guided"], "ood")
    genomes, values = evaluated(ground, Variant.of("guided", config), objectives, int(arguments["evaluations"]))
    members = genomes[non_dominated(values, (False, False, True))]
    rng = np.random.default_rng([_RANDOM_STREAM, ground.seed])
    alike = np.stack([random_mask(member, ground.encoding, rng) for member in members])
    by_labels = list(zip(*ground.retrained(members, ground.parts.report), strict=True))
    softly = ground.softly(np.concatenate([members, alike]), exposed=True)
    rows: list[Row] = []
    for number, member in enumerate(members):
        row = {"kind": "front", **_about(arguments, config), "active_share": float(member.mean())}
        found = {"": by_labels[number]}
        if softly is not None:
            found |= {"soft_": softly[number], "random_": softly[len(members) + number]}
        for name, (accuracy, heads) in found.items():
            row |= {f"{name}test_accuracy": accuracy, f"{name}test_auroc": ground.detection(heads)}
        rows.append(row)
    return rows


def reached(features: Features, config: RunConfig, arguments: Mapping[str, Any]) -> list[Row]:
    """How many evaluations the guided search needs for what the published NSGA-II has at the end.

    Args:
        features: of the data set.
        config: settings of recipe, head and encoding.
        arguments: `dataset`, `seed` and `evaluations`.
    """
    ground = Ground.of(features, config, int(arguments["seed"]))
    objectives = SEARCHES["guided"]
    # The same values for both: no correction, and the same folds.
    ours = replace(Variant.of("guided", config), corrected=False)
    published = Variant("nsga2", config.search, ours.folds)
    reference = np.array([np.log(features.classes), 1.0])
    goal = _trace(ground, published, objectives, REACH_EVALUATIONS, reference)[-1]
    trace = _trace(ground, ours, objectives, int(arguments["evaluations"]), reference)
    enough = np.flatnonzero(trace >= goal)
    return [
        {
            "kind": "reach",
            **_about(arguments, config),
            "published_evaluations": REACH_EVALUATIONS,
            "published_hypervolume": float(goal),
            "guided_evaluations": int(enough[0]) + 1 if len(enough) else None,
            "guided_hypervolume": float(trace[-1]),
        }
    ]


def _trace(
    ground: Ground, variant: Variant, objectives: Sequence[str], evaluations: int, reference: FloatArray
) -> FloatArray:
    _, values = evaluated(ground, variant, objectives, evaluations)
    return hypervolume_trace(values, (False, False), reference)


def _about(arguments: Mapping[str, Any], config: RunConfig) -> Row:
    return {"dataset": arguments["dataset"], "protocol": config.protocol, "seed": int(arguments["seed"])}


def _budgeted(rows: Sequence[Row], dataset: str, part: str, settings: Settings) -> FloatArray:
    """Mean test accuracy over the shares, by seed `[seeds]`."""
    found = []
    for seed in range(settings.seeds):
        own = [
            row["test_accuracy"] for row in rows if (row["dataset"], row["part"], row["seed"]) == (dataset, part, seed)
        ]
        if len(own) == len(settings.shares):
            found.append(float(np.mean(own)))
    return np.array(found)


def _number(value: int | None) -> str:
    return "not reached" if value is None else str(value)
