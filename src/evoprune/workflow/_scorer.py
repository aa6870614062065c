"""After the search: heads retrained with seeds of their own, measured, and made into a model."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from evoprune._types import BoolArray
from evoprune.data import Fold, Partition
from evoprune.features import Features
from evoprune.model import Model
from evoprune.objectives import accuracy_score
from evoprune.problem import Problem
from evoprune.training import TrainedCandidate, Trainer, TrainingSet
from evoprune.workflow._config import RunConfig
from evoprune.workflow._result import Scores, Solution, spread

SEEDS_A_RUN = 10_000
"""Training seeds that belong to one seed of a run; runs of different seeds share none."""

_FIRST_REPORT_SEED = 5_000


class Scorer:
    """Retrains the dense and the chosen head, on rows and with seeds that the search did not use.

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

    def measure(
        self, best: Solution, on_progress: Callable[[int, int], None] | None = None
    ) -> tuple[Scores, Scores, Model]:
        """Scores of the dense head, scores of the chosen head, and the chosen model.

        Args:
            best: the chosen solution.
            on_progress: called with the number of trainings done and their total.
        """
        genomes = (self.problem.encoding.dense_genome(), best.genome)
        parts = [self.partition.search]
        if self.partition.protocol == "nested":
            # The one place that reads the test part.
            parts.append(self.partition.report)
        counts = [len(genomes) * len(folds) * len(self._seeds) for folds in parts]
        structures = [self.problem.encoding.decode(genome) for genome in genomes]
        trained = [
            self._trainer(folds).train(
                structures, self._seeds, _shifted(on_progress, sum(counts[:number]), sum(counts))
            )
            for number, folds in enumerate(parts)
        ]
        validation, report = trained[0], trained[-1]
        names = self.config.objectives
        dense_values = dict(zip(names, map(float, self.problem.evaluate(genomes[0][None])[0]), strict=True))
        dense, chosen = (
            self._scores(genome, values, on_validation, on_test)
            for genome, values, on_validation, on_test in zip(
                genomes, (dense_values, best.values), validation, report, strict=True
            )
        )
        return dense, chosen, self._model(report[1])

    def build(self, genome: BoolArray) -> Model:
        """The model of a genome `[L]`: trained on all rows that are not test rows, with the first report seed."""
        trainer = self._trainer(self.partition.report[:1])
        (trained,) = trainer.train([self.problem.encoding.decode(genome)], self._seeds[:1])
        return self._model(trained)

    def _trainer(self, folds: tuple[Fold, ...]) -> Trainer:
        """What trains on some folds; the search's own has its folds prepared already."""
        if folds is self.partition.search:
            return self.problem.trainer
        data = TrainingSet(self.features.X, self.features.y, self.features.classes, folds)
        return Trainer(data, self.problem.encoding.head, self.config.recipe)

    def _scores(
        self, genome: BoolArray, values: dict[str, float], validation: TrainedCandidate, report: TrainedCandidate
    ) -> Scores:
        validation_mean, validation_std = spread(self._accuracies(validation, self.partition.search))
        test_mean, test_std = spread(self._accuracies(report, self.partition.report))
        head = report.heads[0][0]
        return Scores(
            values=values,
            validation_accuracy=validation_mean,
            validation_accuracy_std=validation_std,
            test_accuracy=test_mean,
            test_accuracy_std=test_std,
            seeds=len(self._seeds),
            active_neurons=int(genome.sum()),
            active_share=float(genome.mean()),
            parameters=head.parameters,
            multiply_adds=head.multiply_adds,
        )

    def _accuracies(self, trained: TrainedCandidate, folds: tuple[Fold, ...]) -> list[float]:
        """Accuracy of each seed, mean over folds."""
        labels = [self.features.y[fold.evaluate] for fold in folds]
        by_fold = [
            [accuracy_score(logits, y) for logits in by_seed] for by_seed, y in zip(trained.logits, labels, strict=True)
        ]
        return [float(mean) for mean in np.mean(by_fold, axis=0)]

    def _model(self, trained: TrainedCandidate) -> Model:
        about = {
            "data": self.features.name,
            "protocol": self.config.protocol,
            "encoding": self.config.encoding,
            "recipe": self.config.recipe.name,
            "seed": self.config.seed,
        }
        return Model(trained.heads[0][0], self.features.class_names, self.features.backbone, about)


def _shifted(
    on_progress: Callable[[int, int], None] | None, before: int, total: int
) -> Callable[[int, int], None] | None:
    """The progress of one part of the trainings, told as progress of all of them."""
    return None if on_progress is None else lambda done, _: on_progress(before + done, total)
