"""What an objective sees, and what an objective is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, TypeAlias

import numpy as np

from evoprune._large import take
from evoprune._types import BoolArray, Float32Array, FloatArray, IntArray
from evoprune.errors import ConfigError
from evoprune.objectives._ood_detector import fit_detector, get_ood_score
from evoprune.training import TrainedCandidate, TrainingSet

Task: TypeAlias = Literal["classification", "regression"]

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

    @property
    def values(self) -> tuple[Float32Array | FloatArray, ...]:
        """What each fold's evaluation rows have to be predicted as in a regression, `[n, C]` each.

        Raises:
            ConfigError: these rows have classes.
        """
        targets = self.data.targets
        if targets is None or self.data.loss != "squared":
            raise ConfigError("these rows have classes, and no values to predict; judge them by their labels")
        return tuple(targets[fold.evaluate] for fold in self.data.folds)

    @property
    def weights(self) -> tuple[FloatArray | None, ...]:
        """What each fold's evaluation rows count in scores, `[n]` each; None where all count alike."""
        weights = self.data.evaluation_weights
        return tuple(None if weights is None else weights[fold.evaluate] for fold in self.data.folds)

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
            fit_detector(self.ood_score, head, take(X, fold.train), self.data.y[fold.train])
            for head in self.trained.heads[number]
        ]
        return (
            np.stack([detector.score(take(X, fold.evaluate)) for detector in detectors]),
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
        task: what data it can judge; None for any.
    """

    name: str
    title: str
    maximize: bool
    lower: float
    upper: float
    compute: Callable[[Evaluated], float]
    needs: tuple[str, ...] = ()
    task: Task | None = None


def mean_over_folds(candidate: Evaluated, score: Callable[[Float32Array, IntArray, FloatArray | None], float]) -> float:
    """Mean over folds of the mean over seeds of a score of logits `[n, C]`, labels `[n]` and weights `[n]` or None."""
    return _mean(
        [score(logits, labels, weights) for logits in fold]
        for fold, labels, weights in zip(candidate.trained.logits, candidate.labels, candidate.weights, strict=True)
    )


def mean_over_values(
    candidate: Evaluated, score: Callable[[Float32Array, Float32Array | FloatArray, FloatArray | None], float]
) -> float:
    """Mean over folds of the mean over seeds of a score of outputs and values `[n, C]` and weights `[n]` or None."""
    return _mean(
        [score(outputs, values, weights) for outputs in fold]
        for fold, values, weights in zip(candidate.trained.logits, candidate.values, candidate.weights, strict=True)
    )


def _mean(scores: Iterable[Sequence[float]]) -> float:
    return float(np.mean([np.mean(fold) for fold in scores]))
