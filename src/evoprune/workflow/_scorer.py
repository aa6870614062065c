"""After the search: heads retrained with seeds of their own, measured, and made into a model."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

import numpy as np

from evoprune._types import BoolArray, FloatArray, IntArray
from evoprune.data import Partition
from evoprune.features import Features
from evoprune.heads import CompactHead
from evoprune.model import Model
from evoprune.objectives import Objective, get_objectives
from evoprune.problem import Problem
from evoprune.training import TrainedCandidate, TrainingSet
from evoprune.workflow._config import RunConfig
from evoprune.workflow._extras import extra_rows
from evoprune.workflow._result import Scores, Solution

SEEDS_A_RUN = 10_000
"""Training seeds that belong to one seed of a run; runs of different seeds share none."""

_FIRST_REPORT_SEED = 5_000


class Scorer:
    """Retrains heads on rows and with seeds that the search did not use.

    Args:
        features: of the study.
        partition: which rows are for the search and which for the report.
        problem: what the search evaluated.
        config: the run's settings.
    """

    def __init__(self, features: Features, partition: Partition, problem: Problem, config: RunConfig) -> None:
        self.features = features
        self.partition = partition
        self.problem = problem
        self.config = config
        first = config.seed * SEEDS_A_RUN + _FIRST_REPORT_SEED
        self._seeds = range(first, first + config.report_seeds)
        self.measured = _measured(config.objectives, features)
        self._report = problem if partition.protocol == "paper" else self._problem_of_the_report()
        self._predicted: dict[str, IntArray] = {}

    def _problem_of_the_report(self) -> Problem:
        """The same problem on the test part: the one place that reads it."""
        folds = self.partition.report
        extra = extra_rows(self.features, folds, "report", protocol=self.partition.protocol, seed=self.config.data_seed)
        return Problem(
            TrainingSet(self.features.X, self.features.y, self.features.classes, folds, extra),
            self.problem.encoding,
            self.config.recipe,
            self.problem.objectives,
            ood_score=self.config.ood_score,
            device=self.config.device,
        )

    @property
    def _both(self) -> tuple[Problem, Problem]:
        return self.problem, self._report

    def measure(
        self, solutions: Sequence[Solution], on_progress: Callable[[int, int], None] | None = None
    ) -> list[Scores]:
        """Scores of some solutions.

        Args:
            solutions: whose `values` are what the search saw.
            on_progress: called with the number of trainings done and their total.
        """
        genomes = np.stack([solution.genome for solution in solutions])
        problems = self._both[:1] if self._report is self.problem else self._both
        counts = [len(genomes) * len(problem.data.folds) * len(self._seeds) for problem in problems]
        trained = [
            problem.train(genomes, self._seeds, shifted(on_progress, sum(counts[:number]), sum(counts)))
            for number, problem in enumerate(problems)
        ]
        values = [
            problem.values(genomes, candidates, self.measured)
            for problem, candidates in zip(problems, trained, strict=True)
        ]
        for solution, candidate in zip(solutions, trained[-1], strict=True):
            self._predicted[genome_digest(solution.genome)] = _classes(candidate)
        return [
            self._scores(solution, values[0][row], values[-1][row], trained[-1][row].heads[0][0])
            for row, solution in enumerate(solutions)
        ]

    def gaps(self, genomes: BoolArray) -> FloatArray:
        """Validation minus test accuracy of each genome `[P, L]`, of one training with the first report seed."""
        first, accuracy = self._seeds[:1], get_objectives(("accuracy",))
        validation, test = (problem.measure(genomes, first, objectives=accuracy) for problem in self._both)
        return np.asarray((validation - test)[:, 0, 0], dtype=np.float64)

    def predictions(self, genome: BoolArray) -> IntArray:
        """Class numbers `[S, N]` that a genome's heads predict for the rows of the report, a line a report seed.

        The rows of several folds follow each other. Those that `measure` has trained are not trained again.
        """
        digest = genome_digest(genome)
        if digest not in self._predicted:
            (candidate,) = self._report.train(genome[None], self._seeds)
            self._predicted[digest] = _classes(candidate)
        return self._predicted[digest]

    @property
    def report(self) -> Problem:
        """The problem on the test part; under the `paper` protocol that of the search."""
        return self._report

    def training_seeds(self, count: int) -> range:
        """The first `count` training seeds of the report; no search uses them."""
        return range(self._seeds.start, self._seeds.start + count)

    def trainings(self, solutions: int) -> int:
        """Number of trainings that measuring so many solutions takes."""
        folds = len(self.partition.search) + (0 if self._report is self.problem else len(self.partition.report))
        return solutions * folds * len(self._seeds)

    def build(self, genome: BoolArray) -> Model:
        """The model of a genome `[L]`: trained on all rows that are not test rows, with the first report seed."""
        (trained,) = self._report.train(genome[None], self._seeds[:1])
        about = {
            "data": self.features.name,
            "protocol": self.config.protocol,
            "encoding": self.config.encoding,
            "recipe": self.config.recipe.name,
            "seed": self.config.seed,
            "genome": genome_digest(genome),
        }
        return Model(trained.heads[0][0], self.features.class_names, self.features.backbone, about)

    def _scores(self, solution: Solution, validation: FloatArray, test: FloatArray, head: CompactHead) -> Scores:
        return Scores(
            solution.values,
            *self._spread(validation),
            *self._spread(test),
            seeds=len(self._seeds),
            active_neurons=solution.active_neurons,
            active_share=solution.active_share,
            parameters=head.parameters,
            multiply_adds=head.multiply_adds,
        )

    def _spread(self, values: FloatArray) -> tuple[dict[str, float], dict[str, float]]:
        """Means and standard deviations by objective, of values `[S, M]`."""
        names = [objective.name for objective in self.measured]
        spread = values.std(axis=0, ddof=1) if len(values) > 1 else np.zeros(values.shape[1])
        # What does not vary has no spread; in floating point it may seem to have one.
        spread = np.where((values == values[0]).all(axis=0), 0.0, spread)
        return dict(zip(names, values.mean(axis=0).tolist(), strict=True)), dict(
            zip(names, spread.tolist(), strict=True)
        )


def _classes(candidate: TrainedCandidate) -> IntArray:
    """Predicted classes `[S, N]` of a trained candidate on the evaluation rows of all folds."""
    by_seed = zip(*candidate.logits, strict=True)
    return np.stack([np.concatenate([logits.argmax(axis=1) for logits in folds]) for folds in by_seed])


def _measured(names: Sequence[str], features: Features) -> tuple[Objective, ...]:
    """What is measured for the report: accuracy, the objectives, and the detection of outliers where there are any."""
    detection = ("ood", "ood_aupr", "ood_fpr95") if features.ood else ()
    return get_objectives(tuple(dict.fromkeys(("accuracy", *names, *detection))))


def genome_digest(genome: BoolArray) -> str:
    """SHA-256 of a genome `[L]`, hexadecimal."""
    return hashlib.sha256(np.packbits(genome).tobytes()).hexdigest()


def shifted(
    on_progress: Callable[[int, int], None] | None, before: int, total: int
) -> Callable[[int, int], None] | None:
    """The progress of one part of the trainings, told as progress of all of them."""
    return None if on_progress is None else lambda done, _: on_progress(before + done, total)
