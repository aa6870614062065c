"""`fronts`: several runs of a multi-objective search and their merged front (MO-EvoPruneDeepTL)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from evoprune._types import BoolArray
from evoprune.errors import ConfigError
from evoprune.experiments._columns import NO_FIGURES, about_task, distinct, file_name, json_value, protocol_of
from evoprune.experiments._experiment import Settings, tasks_of_searches
from evoprune.experiments._front_tables import accurate_table, neuron_table, range_table, relation_table, run_table
from evoprune.experiments._markdown import escaped
from evoprune.experiments._merged_front import MergedFront, packed
from evoprune.experiments._tasks import Row, Task
from evoprune.features import Features
from evoprune.report import (
    FrontData,
    write_front_3d,
    write_neuron_chord,
    write_pairwise_fronts,
    write_parallel_coordinates,
)
from evoprune.workflow import RunConfig, Solution, Study, make_config

_SEARCHES = {"nsga2": "NSGA-II", "spea2": "SPEA2", "nsga3": "NSGA-III"}
"""Searches for several objectives; the first is the published one, the second its published alternative."""

_REPORT_SEEDS = 3
"""Trainings behind each figure of a member on validation and test part."""


class Fronts:
    """Merged fronts: how far they reach, how their objectives go together, and which neurons they hold."""

    name = "fronts"
    title = "Merged fronts of several runs"

    def tasks(self, configs: Mapping[str, RunConfig], settings: Settings) -> list[Task]:
        """One task for each data set, search and seed.

        Raises:
            ConfigError: a wanted method is no search for several objectives.
        """
        methods = settings.methods or ("nsga2",)
        for method in methods:
            if method not in _SEARCHES:
                raise ConfigError(
                    f"method {method!r} does not search for several objectives; choose among {', '.join(_SEARCHES)}"
                )
        return tasks_of_searches(find_front, configs, methods, settings)

    def write(self, rows: Sequence[Row], failed: Mapping[str, str], settings: Settings, folder: Path) -> str:
        """Figures of each merged front, and tables of all of them beside the published ones."""
        del failed
        if not rows:
            return NO_FIGURES
        protocol, several = protocol_of(rows), len(distinct(rows, "method")) > 1
        fronts: dict[str, MergedFront] = {}
        figures: list[str] = []
        for dataset in distinct(rows, "dataset"):
            for method in distinct(rows, "method"):
                own = [row for row in rows if (row["dataset"], row["method"]) == (dataset, method)]
                if not own:
                    continue
                name = f"{dataset}, {_SEARCHES[method]}" if several else dataset
                fronts[name] = MergedFront.of(own, settings.seeds)
                stem = file_name(len(fronts), name)
                figures += [f"## {escaped(name)}", "", *_draw(fronts[name].data, folder, stem), ""]
        where = "test part (paper protocol)" if protocol == "paper" else "validation part"
        return "\n".join(
            [
                f"A merged front holds what no evaluation of any run dominates, by the values that the searches saw on "
                f"the {where}; all runs of a data set share their division of rows. Accuracy, active share and AUROC "
                "from 0 to 1. Published figures: fitness and AUROC on the test part (protocol paper), ResNet-50.",
                "",
                "## Ranges",
                "",
                range_table(fronts, protocol),
                "",
                "## The most accurate member",
                "",
                accurate_table(fronts, protocol),
                "",
                "## Each run",
                "",
                run_table(fronts, protocol),
                "",
                "## Relations between the objectives",
                "",
                "Spearman's rank correlation with its 95 % interval (bootstrap; members of a front are not "
                "independent, so read it as a guide). In a front of two objectives it is -1 or 1 by construction, as "
                "the one can only be had for the other.",
                "",
                relation_table(fronts),
                "",
                "## Neurons",
                "",
                neuron_table(fronts),
                "",
                *figures,
            ]
        )


def find_front(features: Features, config: RunConfig, arguments: Mapping[str, Any]) -> list[Row]:
    """The evaluations of one run.

    Seeds are those of `evoprune run --runs`: every run has its own search and trainings, and all share the division of
    the rows, without which their values could not be merged.

    Args:
        features: of the data set, with out-of-distribution rows where these are an objective.
        config: settings of recipe, head, encoding and protocol.
        arguments: `dataset`, `method`, `seed` and `evaluations`.

    Returns:
        One row an evaluation with the values that the search saw (`search_*`, natural sign); of members of the run's
        own front also those of retrained heads (`validation_*`, `test_*`) and the genome, its bits packed eight to a
        byte (hexadecimal). The row with the number 0 is the head that is not pruned.
    """
    objectives = ("accuracy", "active", *(("ood",) if features.ood else ()))
    settings = {
        "objectives": objectives,
        "algorithm": arguments["method"],
        "evaluations": arguments["evaluations"],
        "seed": arguments["seed"],
        "split_seed": config.data_seed,
        "report_seeds": _REPORT_SEEDS,
    }
    result = Study.from_config(features, make_config(**{**dict(config), **settings})).run_locked()
    about = about_task(arguments, config, {"method": arguments["method"]})
    members = {member.id: member for member in (result.dense, *result.front)}
    rows: list[Row] = [{**about, **_row(0, result.dense.genome, result.dense.values), **_figures(result.dense)}]
    for evaluation in result.history:
        values = dict(zip(objectives, evaluation.values.tolist(), strict=True))
        row = {**about, **_row(evaluation.id, evaluation.genome, values)}
        if evaluation.id in members:
            row |= {**_figures(members[evaluation.id]), "genome": packed(evaluation.genome)}
        rows.append(row)
    return rows


def _row(number: int, genome: BoolArray, values: Mapping[str, float]) -> Row:
    searched = {f"search_{name}": json_value(value) for name, value in values.items()}
    return {"id": number, "active_neurons": int(genome.sum()), "length": genome.size, **searched}


def _figures(member: Solution) -> Row:
    """What was measured of a member after the search."""
    if member.scores is None:
        return {}
    parts = {"validation": member.scores.validation, "test": member.scores.test}
    return {f"{part}_{name}": json_value(value) for part, values in parts.items() for name, value in values.items()}


def _draw(data: FrontData, folder: Path, stem: str) -> list[str]:
    """Write the figures of a front, and return the lines that show them."""
    figures = {
        "front": ("Pairs of objectives", write_pairwise_fronts),
        "parallel": ("All objectives", write_parallel_coordinates),
        "neurons": ("The most frequent neurons", write_neuron_chord),
    }
    if len(data.names) == 3:
        figures["front_3d"] = ("Three objectives", write_front_3d)
    for kind, (_, write) in figures.items():
        write(folder / f"{kind}-{stem}.png", data)
    return [f"![{title}]({kind}-{stem}.png)" for kind, (title, _) in figures.items()]
