"""The one function that search calls: genomes in, objective values out."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from evoprune._types import BoolArray, FloatArray
from evoprune.errors import ConfigError
from evoprune.heads import Encoding
from evoprune.objectives import Evaluated, Objective
from evoprune.training import Recipe, Trainer, TrainingSet


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
    """

    def __init__(
        self,
        data: TrainingSet,
        encoding: Encoding,
        recipe: Recipe,
        objectives: Sequence[Objective],
        *,
        seed: int = 0,
    ) -> None:
        self.data = data
        self.encoding = encoding
        self.recipe = recipe
        self.objectives = tuple(objectives)
        self.trainer = Trainer(data, encoding.head, recipe)
        self.seeds = tuple(range(seed, seed + recipe.seeds))

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

        Raises:
            ConfigError: the genomes have another shape or type.
        """
        if genomes.ndim != 2 or genomes.shape[1] != self.length:
            raise ConfigError(
                f"genomes of shape {genomes.shape} do not fit this problem, which takes [P, {self.length}]"
            )
        structures = [self.encoding.decode(genome) for genome in genomes]
        trained = self.trainer.train(structures, self.seeds, on_progress)
        labels = tuple(self.data.y[fold.evaluate] for fold in self.data.folds)
        values = np.full((len(genomes), len(self.objectives)), np.nan)
        for row, (genome, candidate) in enumerate(zip(genomes, trained, strict=True)):
            evaluated = Evaluated(genome, candidate, labels)
            values[row] = [objective.compute(evaluated) for objective in self.objectives]
        return values
