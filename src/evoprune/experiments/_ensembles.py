"""`ensembles`: do members of a front vote better than the best of them, and than as many heads that nothing chose?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from evoprune._types import BoolArray
from evoprune.errors import ConfigError
from evoprune.experiments._columns import NO_FIGURES, about_task, distinct, file_name, json_value, protocol_of
from evoprune.experiments._ensemble_tables import contender_tables, draw_windows, overall, window_table
from evoprune.experiments._experiment import Settings
from evoprune.experiments._markdown import escaped
from evoprune.experiments._tasks import Row, Task
from evoprune.features import Features
from evoprune.heads import Vote
from evoprune.search import merge_fronts
from evoprune.workflow import ENSEMBLE_METHODS, EnsembleContest, RunConfig, Study, make_config

_VOTES: tuple[Vote, ...] = ("majority", "soft")

_RUNS = 3
"""Searches whose fronts are merged, in each repetition (the paper: 10); windows of one front hold a member or two."""

_REPETITIONS = 2
"""Trainings behind each figure of a repetition."""


class Ensembles:
    """Every way to choose who votes, on a merged front a seed."""

    name = "ensembles"
    title = "Ensembles of front members"

    def tasks(self, configs: Mapping[str, RunConfig], settings: Settings) -> list[Task]:
        """One task for each data set and seed.

        Raises:
            ConfigError: a wanted method is no way to choose who votes.
        """
        methods = settings.methods or tuple(ENSEMBLE_METHODS)
        for method in methods:
            if method not in ENSEMBLE_METHODS:
                raise ConfigError(
                    f"method {method!r} does not choose an ensemble; choose among {', '.join(ENSEMBLE_METHODS)}"
                )
        return [
            Task(
                f"{dataset}/{seed}",
                config,
                let_vote,
                {
                    "dataset": dataset,
                    "seed": seed,
                    "evaluations": settings.evaluations,
                    "methods": list(methods),
                    "runs": _RUNS,
                    "repetitions": _REPETITIONS,
                },
            )
            for dataset, config in configs.items()
            for seed in range(settings.seeds)
        ]

    def write(self, rows: Sequence[Row], failed: Mapping[str, str], settings: Settings, folder: Path) -> str:
        """Each data set's ensembles beside what they have to be better than, its windows, and all of them compared."""
        del failed
        if not rows:
            return NO_FIGURES
        protocol = protocol_of(rows)
        parts = [
            "Members of a front are trained anew; who votes is chosen on the validation part "
            + ("(which the paper protocol takes from the test part). " if protocol == "paper" else "alone. ")
            + "All figures are of the test part: mean and standard deviation over seeds, each with its own validation "
            f"part, a front merged of {_RUNS} searches, and {_REPETITIONS} trainings of every head. In hindsight: the "
            "member that is best on the test part, with which the papers compare. As many not pruned, as many random "
            "masks: of the members' number and sizes, with the same vote.",
            "",
        ]
        for number, dataset in enumerate(distinct(rows, "dataset"), start=1):
            own = [row for row in rows if row["dataset"] == dataset]
            stem = f"windows-{file_name(number, dataset)}.png"
            draw_windows(folder / stem, dataset, own, settings.seeds, protocol)
            parts += [
                f"## {escaped(dataset)}",
                "",
                *contender_tables(own, settings.seeds, protocol),
                f"![Ensembles by window]({stem})",
                "",
                *window_table(own, dataset, settings.seeds, protocol),
            ]
        return "\n".join([*parts, "## All data sets", "", *overall(rows, settings.seeds)])


def let_vote(features: Features, config: RunConfig, arguments: Mapping[str, Any]) -> list[Row]:
    """Ensembles of the merged front of some searches.

    Args:
        features: of the data set, with out-of-distribution rows where these are an objective.
        config: settings of recipe, head, encoding and protocol.
        arguments: `dataset`, `seed`, `evaluations` of each search, `runs`, `methods` and `repetitions`.

    Returns:
        Rows of three kinds. `contender`: an ensemble (`method`, `vote`) or what it is compared with. `window`: the
        majority vote of the members within two quantiles, and the best of them. `member`: one of these members.
        Figures are means over the repetitions, on the test part.
    """
    study, front = _merged_front(features, config, arguments)
    contest = EnsembleContest(study, front, arguments["repetitions"])
    selections = [contest.select(method, vote) for method in arguments["methods"] for vote in _VOTES]
    controls = contest.controls(selections)
    about = {**about_task(arguments, config), "front": len(front)}
    rows: list[Row] = []
    for selection in selections:
        for contender in contest.contenders(selection, controls):
            figures = {name: json_value(values.mean()) for name, values in contender.figures.items()}
            rows.append(
                {
                    **about,
                    "kind": "contender",
                    "method": selection.method,
                    "vote": selection.vote,
                    "window": None if selection.window is None else _quantiles(selection.window),
                    "contender": contender.name,
                    "heads": contender.heads,
                    **figures,
                    "parameters": contender.parameters,
                    "multiply_adds": contender.multiply_adds,
                }
            )
    for by in ("accuracy", *(("ood",) if features.ood else ())):
        for window in contest.windows(by, "majority"):
            place = {**about, "by": by, "window": _quantiles(window.quantiles), "heads": len(window.members)}
            figures = {
                "ensemble": json_value(window.ensemble.mean()),
                "best_in_hindsight": json_value(window.hindsight.mean()),
                "best_member": json_value(window.best.mean()),
            }
            rows.append({**place, "kind": "window", "vote": "majority", **figures})
            rows += [{**place, "kind": "member", "alone": json_value(value)} for value in window.alone]
    return rows


def _merged_front(features: Features, config: RunConfig, arguments: Mapping[str, Any]) -> tuple[Study, BoolArray]:
    """The genomes `[P, L]` that no other of several searches dominates, each once, and the study of the first."""
    settings = {
        "objectives": ("accuracy", "active", *(("ood",) if features.ood else ())),
        "algorithm": "nsga2",
        "evaluations": arguments["evaluations"],
        "split_seed": arguments["seed"],
        # Members are trained anew for the contest.
        "report_seeds": 1,
    }
    first = arguments["seed"] * arguments["runs"]
    studies = [
        Study.from_config(features, make_config(**{**dict(config), **settings, "seed": seed}))
        for seed in range(first, first + arguments["runs"])
    ]
    fronts = [study.run_locked().front for study in studies]
    values = [np.array([list(member.values.values()) for member in front]) for front in fronts]
    runs, rows = merge_fronts(values, studies[0].problem.maximize)
    genomes = np.stack([fronts[run][row].genome for run, row in zip(runs, rows, strict=True)])
    _, kept = np.unique(genomes, axis=0, return_index=True)
    return studies[0], genomes[np.sort(kept)]


def _quantiles(window: tuple[int, int]) -> str:
    return f"{window[0]}-{window[1]}"
