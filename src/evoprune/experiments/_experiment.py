"""What an experiment is: tasks, and what is written of their rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from evoprune.experiments._tasks import Compute, Row, Task
from evoprune.workflow import RunConfig


@dataclass(frozen=True)
class Settings:
    """What all experiments share; each uses what it needs.

    Attributes:
        seeds: number of repetitions; each has its own validation part, selection and training.
        shares: wanted shares of active neurons, 0..1, ascending.
        methods: names to compare; None for all that apply.
        evaluations: budget of each search.
        encodings: what is pruned, for experiments that compare several encodings; None for the published ones.
        classes: how many classes are left out in turn, from the first on.
        trainings: how often `sparsity` and `guided` train each head, the dense one too; figures are means.
    """

    seeds: int = 5
    shares: tuple[float, ...] = (0.01, 0.02, 0.05, 0.10, 0.15, 0.25, 0.50, 1.0)
    methods: tuple[str, ...] | None = None
    evaluations: int = 200
    encodings: tuple[str, ...] | None = None
    classes: int = 6
    trainings: int = 3


class Experiment(Protocol):
    """One kind of comparison."""

    @property
    def name(self) -> str:
        """What the user types."""

    @property
    def title(self) -> str:
        """What it shows, in a line."""

    def tasks(self, configs: Mapping[str, RunConfig], settings: Settings) -> list[Task]:
        """All pieces of work.

        Args:
            configs: settings of each data set, by its short name.
            settings: what to compare.

        Raises:
            ConfigError: a setting does not go with this experiment.
        """

    def write(self, rows: Sequence[Row], failed: Mapping[str, str], settings: Settings, folder: Path) -> str:
        """Write figures into a folder, and return the text of the report in Markdown, without its heading.

        Args:
            rows: of all tasks that ended well.
            failed: reason by task, of those that did not.
            settings: what was compared.
            folder: of the experiment.
        """


def tasks_of_searches(
    compute: Compute, configs: Mapping[str, RunConfig], methods: Sequence[str], settings: Settings
) -> list[Task]:
    """One task for each data set, search and seed.

    Args:
        compute: what computes each; its arguments are `dataset`, `method`, `seed` and `evaluations`.
        configs: settings of each data set, by its short name.
        methods: names of the searches.
        settings: number of seeds, and budget of each search.
    """
    return [
        Task(
            f"{dataset}/{method}/{seed}",
            config,
            compute,
            {"dataset": dataset, "method": method, "seed": seed, "evaluations": settings.evaluations},
        )
        for dataset, config in configs.items()
        for method in methods
        for seed in range(settings.seeds)
    ]
