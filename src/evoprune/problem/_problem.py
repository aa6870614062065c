"""The one function that search calls: genomes in, objective values out."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from evoprune._types import BoolArray, FloatArray, IntArray
from evoprune.errors import ConfigError
from evoprune.heads import Encoding
from evoprune.objectives import Evaluated, Objective, get_ood_score
from evoprune.problem._examined import Examined
from evoprune.problem._needs import check_needs
from evoprune.problem._workers import AT_A_TIME, HereStream, Stream, Workers
from evoprune.training import Recipe, TrainedCandidate, Trainer, TrainingSet


class Problem:
    """Features, head, recipe and objectives, joined: `evaluate(genomes) -> values`.

    A genome's values depend on the genome and on this problem alone, never on which
    genomes are evaluated with it.

    Args:
        data: features, labels, and the folds that fitness is averaged over.
        encoding: what the bits of a genome mean.
        recipe: how each candidate is trained.
        objectives: what is measured, in this order.
        seed: first of the `recipe.seeds` training seeds.
        ood_score: how outlying an image is, by its name in `OOD_SCORES`.
        device: that candidates are trained on, as `resolve_device` takes it.
        workers: who measures in place of this process, or None.

    Raises:
        ConfigError: an objective needs rows that the data do not have; or the score is unknown.
        DataError: the data's extra rows do not fit its features and folds.
    """

    def __init__(
        self,
        data: TrainingSet,
        encoding: Encoding,
        recipe: Recipe,
        objectives: Sequence[Objective],
        *,
        seed: int = 0,
        ood_score: str = "odin",
        device: str = "cpu",
        workers: Workers | None = None,
    ) -> None:
        self.data = data
        self.encoding = encoding
        self.recipe = recipe
        self.objectives = tuple(objectives)
        self.ood_score = get_ood_score(ood_score).name
        self.trainer = Trainer(data, encoding.head, recipe, device)
        self.seeds = tuple(range(seed, seed + recipe.seeds))
        self.workers = workers
        check_needs(self.objectives, data)

    def on(self, data: TrainingSet, recipe: Recipe | None = None, seed: int | None = None) -> Problem:
        """The same problem on other rows, measured by the same workers.

        Args:
            data: features, labels and folds.
            recipe: how each candidate is trained; as here by default.
            seed: first of the training seeds; as here by default.

        Raises:
            ConfigError, DataError: as for a new problem.
        """
        return Problem(
            data,
            self.encoding,
            recipe or self.recipe,
            self.objectives,
            seed=self.seeds[0] if seed is None else seed,
            ood_score=self.ood_score,
            device=str(self.trainer.device),
            workers=self.workers,
        )

    @property
    def length(self) -> int:
        """L, bits of a genome."""
        return self.encoding.length

    @property
    def maximize(self) -> tuple[bool, ...]:
        """Direction of each objective."""
        return tuple(objective.maximize for objective in self.objectives)

    @property
    def at_a_time(self) -> int:
        """Candidates that are measured and committed at a time, unless told otherwise."""
        workers = self._active_workers()
        return AT_A_TIME if workers is None else max(AT_A_TIME, workers.at_a_time(self))

    def stream(self) -> Stream:
        """Evaluates genomes that are given in one by one, as `evaluate` does; whichever is done comes out first."""
        workers = self._active_workers()
        return HereStream(self.evaluate) if workers is None else workers.stream(self)

    def evaluate(self, genomes: BoolArray, on_progress: Callable[[int, int], None] | None = None) -> FloatArray:
        """Objective values `[P, M]` of genomes `[P, L]`, in their natural sign; NaN where one cannot be had.

        They are means over this problem's training seeds.

        Raises:
            ConfigError: the genomes have another shape or type.
        """
        values: FloatArray = self.measure(genomes, self.seeds, on_progress).mean(axis=1)
        return values

    def measure(
        self,
        genomes: BoolArray,
        seeds: Sequence[int],
        on_progress: Callable[[int, int], None] | None = None,
        objectives: Sequence[Objective] | None = None,
    ) -> FloatArray:
        """Objective values `[P, S, M]` of genomes `[P, L]`, by training seed.

        Args:
            genomes: P candidates.
            seeds: S training seeds.
            on_progress: called with the number of trainings done and their total.
            objectives: what to measure; this problem's objectives by default.

        Raises:
            ConfigError: the genomes have another shape or type; or an objective needs rows
                that the data do not have.
        """
        examined = self.examine(genomes, seeds, on_progress, objectives)
        width = len(self.objectives if objectives is None else objectives)
        return np.array([e.values for e in examined]).reshape(len(genomes), len(seeds), width)

    def examine(
        self,
        genomes: BoolArray,
        seeds: Sequence[int],
        on_progress: Callable[[int, int], None] | None = None,
        objectives: Sequence[Objective] | None = None,
        *,
        predictions: bool = False,
    ) -> list[Examined]:
        """Train genomes `[P, L]` and judge them: the one place where work goes to other processes, if there are any.

        Args:
            genomes: P candidates.
            seeds: S training seeds.
            on_progress: called with the number of trainings done and their total.
            objectives: what to measure; this problem's objectives by default.
            predictions: whether to keep which classes were predicted.

        Raises:
            ConfigError: as for `measure`.
        """
        # Refused now rather than after the training.
        measured = self._chosen(objectives)
        self._check(genomes)
        workers = self._active_workers()
        if workers is not None:
            return workers.examine(self, genomes, seeds, on_progress, measured, predictions)
        trained = self.train(genomes, seeds, on_progress)
        return [
            Examined(values, _classes(candidate) if predictions else None, head.parameters, head.multiply_adds)
            for values, candidate, head in zip(
                self.values(genomes, trained, measured), trained, (t.heads[0][0] for t in trained), strict=True
            )
        ]

    def train(
        self,
        genomes: BoolArray,
        seeds: Sequence[int],
        on_progress: Callable[[int, int], None] | None = None,
    ) -> list[TrainedCandidate]:
        """Train genomes `[P, L]` on every fold with each of some seeds; P results in their order.

        Args:
            genomes: P candidates.
            seeds: of initial weights, batches and dropout.
            on_progress: called with the number of trainings done and their total.

        Raises:
            ConfigError: the genomes have another shape or type.
        """
        self._check(genomes)
        return self.trainer.train([self.encoding.decode(genome) for genome in genomes], seeds, on_progress)

    def values(
        self,
        genomes: BoolArray,
        trained: Sequence[TrainedCandidate],
        objectives: Sequence[Objective] | None = None,
    ) -> FloatArray:
        """Objective values `[P, S, M]` of trained candidates, by seed: each the mean over folds.

        In their natural sign; NaN where a value cannot be had.

        Args:
            genomes: P candidates `[P, L]`.
            trained: what `train` gave for them, with S seeds.
            objectives: what to measure; this problem's objectives by default.

        Raises:
            ConfigError: an objective needs rows that the data do not have.
        """
        measured = self._chosen(objectives)
        seeds = len(trained[0].epochs[0]) if trained else 0
        values = np.full((len(genomes), seeds, len(measured)), np.nan)
        for row, (genome, candidate) in enumerate(zip(genomes, trained, strict=True)):
            for seed in range(seeds):
                evaluated = Evaluated(genome, candidate.with_seed(seed), self.data, self.ood_score)
                values[row, seed] = [objective.compute(evaluated) for objective in measured]
        return values

    def _check(self, genomes: BoolArray) -> None:
        """Refuse what are no genomes of this problem.

        Raises:
            ConfigError: they have another shape or type.
        """
        if genomes.dtype != np.bool_ or genomes.ndim != 2 or genomes.shape[1] != self.length:
            raise ConfigError(
                f"genomes of shape {genomes.shape} and type {genomes.dtype} do not fit this problem, "
                f"which takes [P, {self.length}] of type bool"
            )

    def _active_workers(self) -> Workers | None:
        return self.workers if self.workers is not None and self.workers.active else None

    def _chosen(self, objectives: Sequence[Objective] | None) -> tuple[Objective, ...]:
        """What to measure, once it is sure that the data serve it."""
        if objectives is None:
            return self.objectives
        check_needs(objectives, self.data)
        return tuple(objectives)


def _classes(candidate: TrainedCandidate) -> IntArray:
    """Predicted classes `[S, N]` of a trained candidate on the evaluation rows of all folds."""
    by_seed = zip(*candidate.logits, strict=True)
    return np.stack([np.concatenate([logits.argmax(axis=1) for logits in folds]) for folds in by_seed])
