"""After the search: heads retrained with seeds of their own, measured, and made into a model."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np

from evoprune._types import BoolArray, Float32Array, FloatArray, IntArray
from evoprune.data import Fold, Partition
from evoprune.features import Features
from evoprune.model import Model
from evoprune.objectives import Objective, get_objectives
from evoprune.problem import Examined, Problem
from evoprune.training import Recipe, TrainingSet, can_soften, groups_of, patient_recipe, shifted, soften
from evoprune.workflow._config import RunConfig
from evoprune.workflow._extras import exposed_rows, extra_rows
from evoprune.workflow._result import DENSE, Scores, Solution

logger = logging.getLogger(__name__)

SEEDS_A_RUN = 10_000
"""Training seeds that belong to one seed of a run; runs of different seeds share none."""

_FIRST_REPORT_SEED = 5_000

_FIRST_TEACHER_SEED = 8_000
"""First of the training seeds of the heads that give soft targets."""


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
        self._by_labels = problem if partition.protocol == "paper" else self._problem_of_the_report()
        self._predicted: dict[tuple[str, bool], IntArray] = {}

    def _problem_of_the_report(self) -> Problem:
        """The same problem on the test part: the one place that reads it."""
        folds = self.partition.report
        extra = extra_rows(self.features, folds, "report", protocol=self.partition.protocol, seed=self.config.data_seed)
        data = TrainingSet(self.features.X, self.features.y, self.features.classes, folds, extra)
        return self.problem.on(data, self.config.recipe, seed=0)

    @property
    def soft(self) -> bool:
        """Whether the heads of the front are trained by soft targets for the report."""
        return self.config.soft_targets and self.partition.protocol == "nested" and can_soften(self._by_labels.data)

    @cached_property
    def report(self) -> Problem:
        """What heads of the front are reported and built by: the problem on the test part, with the run's targets.

        Under the `paper` protocol that of the search.
        """
        if not self.soft:
            return self._by_labels
        logger.info("report: heads with everything on are trained for soft targets")
        return self._by_labels.on(self.softened(self._by_labels.data), self.recipe)

    @property
    def recipe(self) -> Recipe:
        """What heads of the front are reported and built by."""
        return patient_recipe(self.config.recipe) if self.soft else self.config.recipe

    @property
    def training(self) -> dict[str, str]:
        """How heads of the front are trained, in words: what is kept of them is of no use where it is another."""
        if not self.soft:
            return {"targets": "labels"}
        recipe = self.recipe
        return {
            "targets": "soft",
            "training": f"{recipe.epochs} epochs, up to {recipe.groups} groups, {self.exposed} outliers",
        }

    def softened(self, data: TrainingSet) -> TrainingSet:
        """A training set of one fold with soft targets, and with out-of-distribution images to be unsure of."""
        config = self.config
        seed = config.seed * SEEDS_A_RUN + _FIRST_TEACHER_SEED
        outliers = self._exposed(data.folds[0])
        return soften(data, self.problem.encoding.head, config.recipe, seed, outliers=outliers, device=config.device)

    def groups(self, genome: BoolArray) -> int:
        """Groups of hidden units that are trained apart in the head of a genome `[L]`."""
        return len(groups_of(self.problem.encoding.decode(genome), self.recipe.groups))

    @cached_property
    def exposed(self) -> int:
        """Number of out-of-distribution images that heads of the front are trained to be unsure of."""
        rows = self._exposed(self.partition.report[0]) if self.soft else None
        return 0 if rows is None else len(rows)

    def _exposed(self, fold: Fold) -> Float32Array | None:
        return exposed_rows(self.features, fold, ood_score=self.config.ood_score, seed=self.config.data_seed)

    def measure(
        self, solutions: Sequence[Solution], on_progress: Callable[[int, int], None] | None = None
    ) -> list[Scores]:
        """Scores of some solutions; the dense head is trained by labels, all others by what the run says.

        Validation figures are of trainings by labels, as fitness is.

        Args:
            solutions: whose `values` are what the search saw.
            on_progress: called with the number of trainings done and their total.
        """
        by_labels = [s for s in solutions if s.id == DENSE or not self.soft]
        others = [s for s in solutions if s.id != DENSE and self.soft]
        first, total = self.trainings(len(by_labels)), self.trainings(len(solutions))
        scores = self._measured(by_labels, self._by_labels, shifted(on_progress, 0, total))
        if others:
            scores |= self._measured(others, self.report, shifted(on_progress, first, total))
        return [scores[solution.id] for solution in solutions]

    def _measured(
        self, solutions: Sequence[Solution], report: Problem, on_progress: Callable[[int, int], None] | None
    ) -> dict[int, Scores]:
        """Scores of some solutions by their numbers, of one problem on the test part."""
        if not solutions:
            return {}
        genomes = np.stack([solution.genome for solution in solutions])
        total, heard = self.trainings(len(solutions)), None
        validated = None
        if report is not self.problem:
            first = len(genomes) * len(self.problem.data.folds) * len(self._seeds)
            validated = self.problem.examine(genomes, self._seeds, shifted(on_progress, 0, total), self.measured)
            heard = shifted(on_progress, first, total)
        tested = report.examine(genomes, self._seeds, heard or on_progress, self.measured, predictions=True)
        for solution, test in zip(solutions, tested, strict=True):
            if test.predictions is not None:
                self._predicted[genome_digest(solution.genome), report is self._by_labels] = test.predictions
        return {
            solution.id: self._scores(solution, validation.values, test)
            for solution, validation, test in zip(solutions, validated or tested, tested, strict=True)
        }

    def gaps(self, genomes: BoolArray) -> FloatArray:
        """Validation minus test accuracy of each genome `[P, L]`, of one training by labels, first report seed."""
        first, accuracy = self._seeds[:1], get_objectives(("accuracy",))
        both = self.problem, self._by_labels
        validation, test = (problem.measure(genomes, first, objectives=accuracy) for problem in both)
        return np.asarray((validation - test)[:, 0, 0], dtype=np.float64)

    def test_accuracy_by_labels(self, genome: BoolArray) -> float:
        """Mean test accuracy over the report seeds of a genome `[L]` that is trained by labels, soft targets or not."""
        values = self._by_labels.measure(genome[None], self._seeds, objectives=get_objectives(("accuracy",)))
        return float(values.mean())

    def predictions(self, genome: BoolArray, *, dense: bool = False) -> IntArray:
        """Class numbers `[S, N]` that a genome's heads predict for the rows of the report, a line a report seed.

        The rows of several folds follow each other. Those that `measure` has trained are not trained again.

        Args:
            genome: bits `[L]`.
            dense: trained as the dense head is, by labels, and not as a head of the front.
        """
        report = self._by_labels if dense else self.report
        key = genome_digest(genome), report is self._by_labels
        if key not in self._predicted:
            (found,) = report.examine(genome[None], self._seeds, predictions=True)
            if found.predictions is None:
                raise RuntimeError("predictions were asked for and are not there")
            self._predicted[key] = found.predictions
        return self._predicted[key]

    def training_seeds(self, count: int) -> range:
        """The first `count` training seeds of the report; no search uses them."""
        return range(self._seeds.start, self._seeds.start + count)

    def trainings(self, solutions: int) -> int:
        """Number of trainings that measuring so many solutions takes."""
        folds = len(self.partition.search) + (0 if self._by_labels is self.problem else len(self.partition.report))
        return solutions * folds * len(self._seeds)

    def build(self, genome: BoolArray) -> Model:
        """The model of a genome `[L]`: trained on all rows that are not test rows, with the first report seed."""
        (trained,) = self.report.train(genome[None], self._seeds[:1])
        about = {
            "data": self.features.name,
            "protocol": self.config.protocol,
            "encoding": self.config.encoding,
            "recipe": self.config.recipe.name,
            **self.training,
            "seed": self.config.seed,
            "genome": genome_digest(genome),
        }
        return Model(trained.heads[0][0], self.features.class_names, self.features.backbone, about)

    def _scores(self, solution: Solution, validation: FloatArray, test: Examined) -> Scores:
        return Scores(
            solution.values,
            *self._spread(validation),
            *self._spread(test.values),
            seeds=len(self._seeds),
            active_neurons=solution.active_neurons,
            active_share=solution.active_share,
            parameters=test.parameters,
            multiply_adds=test.multiply_adds,
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


def _measured(names: Sequence[str], features: Features) -> tuple[Objective, ...]:
    """What is measured for the report: accuracy, the objectives, and the detection of outliers where there are any."""
    detection = ("ood", "ood_aupr", "ood_fpr95") if features.ood else ()
    return get_objectives(tuple(dict.fromkeys(("accuracy", *names, *detection))))


def genome_digest(genome: BoolArray) -> str:
    """SHA-256 of a genome `[L]`, hexadecimal."""
    return hashlib.sha256(np.packbits(genome).tobytes()).hexdigest()
