"""What a candidate is judged by. Each objective has a name, a direction and bounds."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from evoprune._types import BoolArray, Float32Array, IntArray
from evoprune.errors import ConfigError
from evoprune.training import TrainedCandidate


@dataclass(frozen=True)
class Evaluated:
    """One trained candidate as the objectives see it.

    Attributes:
        genome: its bits `[L]`.
        trained: heads and logits by fold and seed.
        labels: class numbers of each fold's evaluation rows, `[n]` each.
    """

    genome: BoolArray
    trained: TrainedCandidate
    labels: tuple[IntArray, ...]


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
    """

    name: str
    title: str
    maximize: bool
    lower: float
    upper: float
    compute: Callable[[Evaluated], float]


def _mean_over_folds(candidate: Evaluated, score: Callable[[Float32Array, IntArray], float]) -> float:
    """Mean over folds of the mean over seeds."""
    return float(
        np.mean(
            [
                np.mean([score(logits, labels) for logits in fold])
                for fold, labels in zip(candidate.trained.logits, candidate.labels, strict=True)
            ]
        )
    )


def accuracy_score(logits: Float32Array, labels: IntArray) -> float:
    """Share of rows `[N, C]` whose largest logit is at the label; of equal logits the first counts."""
    if not np.isfinite(logits).all():
        return float("nan")
    return float(np.mean(logits.argmax(axis=1) == labels))


def cross_entropy(logits: Float32Array, labels: IntArray) -> float:
    """Mean negative log-likelihood of the labels under the softmax of logits `[N, C]`, natural log."""
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    likelihood = shifted[np.arange(len(labels)), labels] - np.log(np.exp(shifted).sum(axis=1))
    return float(-likelihood.mean())


OBJECTIVES = {
    objective.name: objective
    for objective in (
        Objective("accuracy", "accuracy", True, 0.0, 1.0, lambda c: _mean_over_folds(c, accuracy_score)),
        Objective("loss", "cross entropy", False, 0.0, np.inf, lambda c: _mean_over_folds(c, cross_entropy)),
        Objective("active", "active share", False, 0.0, 1.0, lambda c: float(c.genome.mean())),
        Objective("parameters", "parameters", False, 0.0, np.inf, lambda c: float(c.trained.heads[0][0].parameters)),
        Objective("flops", "multiply-adds", False, 0.0, np.inf, lambda c: float(c.trained.heads[0][0].multiply_adds)),
    )
}


def get_objectives(names: Sequence[str]) -> tuple[Objective, ...]:
    """The objectives of some names, in their order.

    Raises:
        ConfigError: none, an unknown or a repeated name.
    """
    if not names:
        raise ConfigError(f"no objective is given; choose among {', '.join(OBJECTIVES)}")
    for name in names:
        if name not in OBJECTIVES:
            near = difflib.get_close_matches(name, OBJECTIVES, n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise ConfigError(f"objective {name!r} is unknown; {hint}choose among {', '.join(OBJECTIVES)}")
    if len(set(names)) < len(names):
        raise ConfigError(f"objectives {', '.join(names)} name one twice; give each once")
    return tuple(OBJECTIVES[name] for name in names)
