"""What a verbose fit prints."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from evoprune._types import BoolArray, FloatArray
from evoprune.objectives import Objective
from evoprune.study import Evaluation, Progress


class Printed:
    """Prints a line after each batch of evaluations: how far the search is, and the best value so far.

    Args:
        name: of the estimator.
        objective: that is printed.
    """

    def __init__(self, name: str, objective: Objective) -> None:
        self._name = name
        self._objective = objective
        self._best: float | None = None

    def on_start(self, earlier: Sequence[Evaluation], budget: int) -> None:
        """Print where a continued search begins."""
        for evaluation in earlier:
            self._consider(float(evaluation.values[0]))
        if earlier:
            print(f"[{self._name}] continues after {len(earlier)} of {budget} evaluations")

    def on_training(self, done: float, budget: int) -> None:
        """Nothing: batches are short."""

    def on_evaluations(self, genomes: BoolArray, values: FloatArray, progress: Progress) -> None:
        """Print a line."""
        for value in values[:, 0]:
            self._consider(float(value))
        best = "" if self._best is None else f", best {self._objective.title} {self._best:.4g}"
        print(f"[{self._name}] {progress.evaluations} of {progress.budget} evaluations{best}, {progress.seconds:.1f} s")

    def _consider(self, value: float) -> None:
        if np.isfinite(value):
            chosen = max if self._objective.maximize else min
            self._best = value if self._best is None else chosen(self._best, value)
