"""The one function that search calls: genomes in, objective values out."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from evoprune._types import BoolArray, FloatArray
from evoprune.errors import ConfigError
from evoprune.heads import Encoding
from evoprune.objectives import Evaluated, Objective, get_ood_score
from evoprune.problem._needs import check_needs
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
    ) -> None:
        self.data = data
        self.encoding = encoding
        self.recipe = recipe
        self.objectives = tuple(objectives)
        self.ood_score = get_ood_score(ood_score).name
        self.trainer = Trainer(data, encoding.head, recipe, device)
        self.seeds = tuple(range(seed, seed + recipe.seeds))
        check_needs(self.objectives, data)

    @property
    def length(self) -> int:
        """L, bits of a genome."""
        return self.encoding.length

    @property
    def maximize(self) -> tuple[bool, ...]:
        """Direction of each objective."""
        return tuple(objective.maximize for objective in self.objectives)

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
        # Refused now rather than after the training.
        measured = self._chosen(objectives)
        return self.values(genomes, self.train(genomes, seeds, on_progress), measured)

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
        if genomes.dtype != np.bool_ or genomes.ndim != 2 or genomes.shape[1] != self.length:
            raise ConfigError(
                f"genomes of shape {genomes.shape} and type {genomes.dtype} do not fit this problem, "
                f"which takes [P, {self.length}] of type bool"
            )
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

    def _chosen(self, objectives: Sequence[Objective] | None) -> tuple[Objective, ...]:
        """What to measure, once it is sure that the data serve it."""
        if objectives is None:
            return self.objectives
        check_needs(objectives, self.data)
        return tuple(objectives)
