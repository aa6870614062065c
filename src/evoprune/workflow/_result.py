"""What a study gives back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from evoprune._html import html_of
from evoprune._types import BoolArray, FloatArray
from evoprune.workflow._front import Front

if TYPE_CHECKING:
    from evoprune.model import Model
    from evoprune.objectives import Objective
    from evoprune.report import FrontData
    from evoprune.study import Evaluation


@dataclass(frozen=True)
class Scores:
    """Figures of one head, retrained with several seeds that the search did not use.

    The dictionaries hold the accuracy, the objectives of the search, and the quality of
    out-of-distribution detection where there are images for it.

    Attributes:
        values: objective values as the search saw them, by name.
        validation: means over seeds (and folds), on the rows that fitness is measured on.
        validation_std: standard deviations over seeds (n - 1; 0 for one seed).
        test: means over seeds on the test part, trained on all other rows.
        test_std: standard deviations over seeds.
        seeds: number of trainings behind each mean.
        active_neurons: number of 1-bits.
        active_share: their share of the genome, 0..1.
        parameters: weights and biases of the compact head.
        multiply_adds: of one image's pass through the compact head.
    """

    values: dict[str, float]
    validation: dict[str, float]
    validation_std: dict[str, float]
    test: dict[str, float]
    test_std: dict[str, float]
    seeds: int
    active_neurons: int
    active_share: float
    parameters: int
    multiply_adds: int

    @property
    def validation_accuracy(self) -> float:
        """Mean accuracy on the rows that fitness is measured on."""
        return self.validation["accuracy"]

    @property
    def validation_accuracy_std(self) -> float:
        """Its standard deviation over seeds."""
        return self.validation_std["accuracy"]

    @property
    def test_accuracy(self) -> float:
        """Mean accuracy on the test part."""
        return self.test["accuracy"]

    @property
    def test_accuracy_std(self) -> float:
        """Its standard deviation over seeds."""
        return self.test_std["accuracy"]

    def summary(self) -> dict[str, Any]:
        """The figures as one JSON object."""
        accuracies = {
            f"{part}_accuracy{kind}": getattr(self, f"{part}_accuracy{kind}")
            for part in ("validation", "test")
            for kind in ("", "_std")
        }
        finite: dict[str, Any] = _finite({**asdict(self), **accuracies})
        return finite


DENSE, DENSE_SOFT = 0, -1
"""Numbers of the heads that are not pruned: trained by labels, and by soft targets."""


@dataclass(frozen=True)
class Solution:
    """One genome of a study.

    Attributes:
        id: of its evaluation, from 1; `DENSE` for the dense head, which is no evaluation, and `DENSE_SOFT` for the
            dense head trained by soft targets.
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
        """Train this head on all rows that are not test rows, with the first report seed, and set its threshold."""
        if self._build is None:
            raise RuntimeError("this solution is not part of a study")
        return self._build(self.genome)


@dataclass(frozen=True)
class Hypervolume:
    """The hypervolume of a search's front, in the objectives' own units.

    Attributes:
        reference: value of each objective that counts as worthless.
        trace: hypervolume after each evaluation `[E]`.
        test: of the front members' means on the test part.
    """

    reference: dict[str, float]
    trace: FloatArray
    test: float

    def summary(self) -> dict[str, Any]:
        """As JSON object, with the last value of the trace."""
        return {"reference": self.reference, "search": float(self.trace[-1]), "test": self.test}


@dataclass(frozen=True)
class Overfitting:
    """How far the search has fitted the rows that it measured fitness on.

    Differences of accuracies, 0..1; a mask that nobody has chosen differs by chance and by the number of training
    rows alone, so that what the chosen one differs by more is what it gained by being chosen.

    Attributes:
        chosen: validation minus test accuracy of the chosen head.
        random: the same of random masks of its size, each trained once `[K]`.
    """

    chosen: float
    random: tuple[float, ...]

    def summary(self) -> dict[str, Any]:
        """As JSON object, of the random masks mean and standard deviation."""
        return {
            "chosen": self.chosen,
            "random": float(np.mean(self.random)),
            "random_std": float(np.std(self.random, ddof=1)),
            "random_masks": len(self.random),
        }


@dataclass(frozen=True)
class Result:
    """The outcome of a study.

    Attributes:
        run: the run's folder or name.
        protocol: `nested` or `paper`.
        encoding: what the bits of a genome mean.
        best: the chosen head: the one with the highest fitness, ties broken by fewer active neurons; of
            several objectives, the member of the front that was chosen, or the first objective's best.
        data_digest: SHA-256 of features, labels and divisions, hexadecimal.
        folds_digest: SHA-256 of the rows that fitness is measured on, hexadecimal.
        chosen_by: how it was chosen, in words.
        dense: the head that is not pruned, trained by labels.
        dense_soft: the same trained by soft targets, where the heads of the front are: what of their gain is the
            targets' and not the search's. Else None.
        exposed: number of out-of-distribution images that the heads of the front are trained to be unsure of.
        groups: of hidden units that are trained apart, in the chosen head (see `Recipe.groups`).
        dense_groups: the same in the head that is not pruned, where it is trained likewise.
        front: members of the non-dominated front, by the first objective from its best; with one
            objective, the best alone.
        hypervolume: of the front and how it grew, where there are several objectives.
        evaluations: number of evaluations, failed ones included.
        failed: number of failed evaluations.
        seconds: that the search took, what it thought about between evaluations included.
        history: every finished evaluation, in the order of asking.
        objectives: what was searched for.
        overfitting: of the search; None under the `paper` protocol, and where nothing is pruned.
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
    data_digest: str = ""
    folds_digest: str = ""
    chosen_by: str = ""
    hypervolume: Hypervolume | None = None
    overfitting: Overfitting | None = None
    dense_soft: Solution | None = None
    exposed: int = 0
    groups: int = 1
    dense_groups: int = 1
    broken: int = 0
    duplicates: int = 0

    def __post_init__(self) -> None:
        # So that a notebook shows the front by itself too.
        object.__setattr__(self, "front", Front(self.front, self.summary))

    def _repr_html_(self) -> str:
        """What a notebook shows: the table that a run ends with."""
        from evoprune.report import result_table  # noqa: PLC0415

        return html_of(result_table(self.summary()))

    def front_data(self) -> FrontData:
        """The front as the figures of `evoprune.report` take it; it needs two objectives."""
        from evoprune.workflow._run_files import front_data  # noqa: PLC0415

        return front_data(self)

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
            "data_digest": self.data_digest,
            "folds_digest": self.folds_digest,
            "chosen_by": self.chosen_by,
            "overfitting": None if self.overfitting is None else self.overfitting.summary(),
            "hypervolume": None if self.hypervolume is None else _finite(self.hypervolume.summary()),
            "dense": _scores(self.dense),
            "dense_soft": None if self.dense_soft is None else _scores(self.dense_soft),
            "exposed": self.exposed,
            "groups": self.groups,
            "dense_groups": self.dense_groups,
            "best": _scores(self.best),
            "front": [_scores(member) for member in self.front],
        }


def _scores(solution: Solution) -> dict[str, Any]:
    return {"id": solution.id, **({} if solution.scores is None else solution.scores.summary())}


def _finite(value: Any) -> Any:
    """The value for JSON, which has no NaN: None for a figure that a diverged training does not have."""
    if isinstance(value, dict):
        return {name: _finite(item) for name, item in value.items()}
    return None if isinstance(value, float) and not np.isfinite(value) else value
