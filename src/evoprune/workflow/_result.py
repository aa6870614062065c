"""What a study gives back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from evoprune._types import BoolArray

if TYPE_CHECKING:
    from evoprune.model import Model
    from evoprune.objectives import Objective
    from evoprune.study import Evaluation


@dataclass(frozen=True)
class Scores:
    """Figures of one head, retrained with several seeds that the search did not use.

    Attributes:
        values: objective values as the search saw them, by name.
        validation_accuracy: mean over seeds (and folds), on the rows that fitness is measured on.
        validation_accuracy_std: standard deviation over seeds (n - 1).
        test_accuracy: mean over seeds on the test part, trained on all other rows.
        test_accuracy_std: standard deviation over seeds (n - 1).
        seeds: number of trainings behind each mean.
        active_neurons: number of 1-bits.
        active_share: their share of the genome, 0..1.
        parameters: weights and biases of the compact head.
        multiply_adds: of one image's pass through the compact head.
    """

    values: dict[str, float]
    validation_accuracy: float
    validation_accuracy_std: float
    test_accuracy: float
    test_accuracy_std: float
    seeds: int
    active_neurons: int
    active_share: float
    parameters: int
    multiply_adds: int


@dataclass(frozen=True)
class Solution:
    """One genome of a study.

    Attributes:
        id: of its evaluation, from 1; 0 for the dense head, which is no evaluation.
        genome: bits `[L]`.
        values: objective values by name, in their natural sign.
        scores: figures on data not used in the search, where they were measured.
    """

    id: int
    genome: BoolArray
    values: dict[str, float]
    scores: Scores | None = None
    _build: Callable[[BoolArray], Model] | None = field(default=None, repr=False, compare=False)

    def __repr__(self) -> str:
        return f"Solution(id={self.id}, values={self.values}, {self.active_neurons} of {self.genome.size} active)"

    @property
    def active_neurons(self) -> int:
        """Number of 1-bits."""
        return int(self.genome.sum())

    @property
    def active_share(self) -> float:
        """Share of 1-bits, 0..1."""
        return float(self.genome.mean())

    def build(self) -> Model:
        """Train this head on all rows that are not test rows, with the first report seed."""
        if self._build is None:
            raise RuntimeError("this solution is not part of a study")
        return self._build(self.genome)


@dataclass(frozen=True)
class Result:
    """The outcome of a study.

    Attributes:
        run: the run's folder or name.
        protocol: `nested` or `paper`.
        encoding: what the bits of a genome mean.
        best: the chosen head (highest fitness; of several objectives, of the front the first
            objective's best), ties broken by fewer active neurons.
        dense: the head that is not pruned.
        front: members of the non-dominated front; with one objective, the best alone.
        evaluations: number of evaluations, failed ones included.
        failed: number of failed evaluations.
        seconds: spent on evaluations.
        history: every finished evaluation, in the order of asking.
        objectives: what was searched for.
        broken: number of images left out because they cannot be read.
        duplicates: number of test images that also stand in the training part.
    """

    run: str
    protocol: str
    encoding: str
    best: Solution
    dense: Solution
    front: tuple[Solution, ...]
    evaluations: int
    failed: int
    seconds: float
    history: tuple[Evaluation, ...] = field(repr=False)
    objectives: tuple[Objective, ...] = field(repr=False)
    broken: int = 0
    duplicates: int = 0

    def summary(self) -> dict[str, Any]:
        """The result as one JSON object."""
        return {
            "run": self.run,
            "protocol": self.protocol,
            "encoding": self.encoding,
            "evaluations": self.evaluations,
            "failed": self.failed,
            "broken": self.broken,
            "duplicates": self.duplicates,
            "seconds": round(self.seconds, 3),
            "objectives": [{"name": o.name, "title": o.title, "maximize": o.maximize} for o in self.objectives],
            "dense": _scores(self.dense),
            "best": _scores(self.best),
            "front": [
                {
                    "id": s.id,
                    "active_neurons": s.active_neurons,
                    "active_share": s.active_share,
                    "values": s.values,
                }
                for s in self.front
            ],
        }


def _scores(solution: Solution) -> dict[str, Any]:
    scores = {} if solution.scores is None else asdict(solution.scores)
    return {"id": solution.id, **{name: _finite(value) for name, value in scores.items()}}


def _finite(value: Any) -> Any:
    """The value for JSON, which has no NaN: None for a figure that a diverged training does not have."""
    if isinstance(value, dict):
        return {name: _finite(item) for name, item in value.items()}
    return None if isinstance(value, float) and not np.isfinite(value) else value


def spread(values: list[float]) -> tuple[float, float]:
    """Mean and standard deviation (n - 1; 0 for one value)."""
    return float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
