"""What runs on a worker: problems built once, and candidates measured by them."""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, Literal

from evoprune._types import BoolArray
from evoprune._version import __version__
from evoprune.errors import EvoPruneError
from evoprune.executors._blueprint import FeatureFile
from evoprune.executors._rounding import rounding
from evoprune.objectives import Objective
from evoprune.problem import Examined, Problem

_KEPT = 2
"""Problems that are kept with what they have prepared: those of the search and of the report."""


@dataclass(frozen=True)
class Job:
    """What candidates are to be measured by.

    Attributes:
        key: of the problem.
        blueprint: a reference to its blueprint, in a list so that it is fetched only where it is needed.
        features: their file, or a reference to them in a list.
        seeds: of the trainings.
        objectives: what to measure.
        predictions: whether to keep which classes were predicted.
    """

    key: str
    blueprint: list[Any]
    features: FeatureFile | list[Any]
    seeds: tuple[int, ...]
    objectives: tuple[Objective, ...]
    predictions: bool


@dataclass(frozen=True, eq=False)
class Done:
    """Candidates that were measured, and the seconds that it took."""

    examined: list[Examined]
    seconds: float


@dataclass(frozen=True)
class Refused:
    """The sentence by which candidates were refused; measured again they would be so again."""

    error: EvoPruneError


@dataclass(frozen=True)
class NoFile:
    """The file with the features is not on this machine."""


class Worker:
    """Measures candidates; runs as a Ray actor.

    Args:
        threads: trainings at a time.
    """

    def __init__(self, threads: int) -> None:
        import torch  # noqa: PLC0415

        torch.set_num_threads(threads)
        self._problems: OrderedDict[str, Problem] = OrderedDict()

    def introduce(self, precision: Literal["float32", "bfloat16"], device: str) -> tuple[str, str]:
        """The version of evoprune here, and how this machine rounds (see `rounding`)."""
        return __version__, rounding(precision, device)

    def examine(self, job: Job, genomes: BoolArray) -> Done | Refused | NoFile:
        """Measure genomes `[P, L]`."""
        began = time.perf_counter()
        try:
            problem = self._problem(job)
            if problem is None:
                return NoFile()
            examined = problem.examine(genomes, job.seeds, None, job.objectives, predictions=job.predictions)
        except EvoPruneError as error:
            logging.getLogger(__name__).info("refused: %s", error)
            return Refused(error)
        return Done(examined, time.perf_counter() - began)

    def _problem(self, job: Job) -> Problem | None:
        if job.key not in self._problems:
            import ray  # noqa: PLC0415

            X = job.features.open() if isinstance(job.features, FeatureFile) else ray.get(job.features[0])
            if X is None:
                return None
            self._problems[job.key] = ray.get(job.blueprint[0]).build(X)
            while len(self._problems) > _KEPT:
                self._problems.popitem(last=False)
        self._problems.move_to_end(job.key)
        return self._problems[job.key]
