"""What an objective sees, and what an objective is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from evoprune._types import BoolArray, Float32Array, FloatArray, IntArray
from evoprune.objectives._ood_detector import fit_detector, get_ood_score
from evoprune.training import TrainedCandidate, TrainingSet

OOD = "ood"
"""Name of the extra rows that hold out-of-distribution images."""


@dataclass(frozen=True, eq=False)
class Evaluated:
    """One trained candidate as the objectives see it.

    Attributes:
        genome: its bits `[L]`.
        trained: heads and logits by fold and seed.
        data: what it was trained and evaluated on.
        ood_score: how outlying an image is, by its name in `OOD_SCORES`.
    """

    genome: BoolArray
    trained: TrainedCandidate
    data: TrainingSet
    ood_score: str = "odin"

    @property
    def labels(self) -> tuple[IntArray, ...]:
        """Class numbers of each fold's evaluation rows, `[n]` each."""
        return tuple(self.data.y[fold.evaluate] for fold in self.data.folds)

    @cached_property
    def ood_scores(self) -> tuple[tuple[FloatArray, FloatArray], ...]:
        """Outlier scores of each fold's evaluation rows `[seeds, n]` and out-of-distribution rows `[seeds, m]`.

        Higher means more outlying; NaN where the training diverged. Computed once, for
        several objectives are made of them.

        Raises:
            ConfigError: the score's name is unknown.
        """
        of_logits = get_ood_score(self.ood_score).of_logits
        if of_logits is None:
            return tuple(self._feature_scores(number) for number in range(len(self.data.folds)))
        return tuple(
            (of_logits(np.stack(inside)), of_logits(np.stack(outside)))
            for inside, outside in zip(self.trained.logits, self.trained.extra[OOD], strict=True)
        )

    def _feature_scores(self, number: int) -> tuple[FloatArray, FloatArray]:
        """As `ood_scores`, of one fold, with a detector fitted to its training rows for each head."""
        X, fold = self.data.X, self.data.folds[number]
        outside = self.data.extra[OOD][number]
        detectors = [
            fit_detector(self.ood_score, head, X[fold.train], self.data.y[fold.train])
            for head in self.trained.heads[number]
        ]
        return (
            np.stack([detector.score(X[fold.evaluate]) for detector in detectors]),
            np.stack([detector.score(outside) for detector in detectors]),
        )


@dataclass(frozen=True)
class Objective:
    """One objective.

    Attributes:
        name: what the user types.
        title: what tables and figures show.
        maximize: True where more is better.
        lower: smallest possible value.
        upper: largest possible value (may be infinite).
        compute: from an evaluated candidate to its value, in its natural sign.
        needs: names of the training set's extra rows that it is computed from.
    """

    name: str
    title: str
    maximize: bool
    lower: float
    upper: float
    compute: Callable[[Evaluated], float]
    needs: tuple[str, ...] = ()


def mean_over_folds(candidate: Evaluated, score: Callable[[Float32Array, IntArray], float]) -> float:
    """Mean over folds of the mean over seeds of a score of logits `[n, C]` and labels `[n]`."""
    return float(
        np.mean(
            [
                np.mean([score(logits, labels) for logits in fold])
                for fold, labels in zip(candidate.trained.logits, candidate.labels, strict=True)
            ]
        )
    )
