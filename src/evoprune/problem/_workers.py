"""Who measures candidates: this process, or workers elsewhere."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from evoprune._types import BoolArray, FloatArray
from evoprune.objectives import Objective
from evoprune.problem._examined import Examined

if TYPE_CHECKING:
    from evoprune.problem._problem import Problem

AT_A_TIME = 10
"""Candidates that are committed at a time, unless told otherwise: few enough to lose little, enough for all threads."""


class Stream(Protocol):
    """Genomes under way: given in one by one, and taken out as they are done."""

    @property
    def capacity(self) -> int:
        """How many under way keep everybody busy."""

    def submit(self, genome: BoolArray) -> None:
        """Begin with a genome `[L]`."""

    def collect(self) -> tuple[BoolArray, FloatArray]:
        """Wait for the next that is done: its genome `[L]` and values `[M]`."""


class Workers(Protocol):
    """Other processes that measure candidates of a problem as it would itself."""

    @property
    def active(self) -> bool:
        """Whether they are to be asked now; if not, the problem measures here."""

    def at_a_time(self, problem: Problem) -> int:
        """Candidates that keep all of them busy with a problem."""

    def examine(
        self,
        problem: Problem,
        genomes: BoolArray,
        seeds: Sequence[int],
        on_progress: Callable[[int, int], None] | None,
        objectives: Sequence[Objective],
        predictions: bool,
    ) -> list[Examined]:
        """See `Problem.examine`."""

    def stream(self, problem: Problem) -> Stream:
        """See `Problem.stream`."""


class HereStream:
    """A stream with one at a time, in this process.

    Args:
        evaluate: genomes `[1, L]` to values `[1, M]`.
    """

    capacity = 1

    def __init__(self, evaluate: Callable[[BoolArray], FloatArray]) -> None:
        self._evaluate = evaluate
        self._waiting: deque[BoolArray] = deque()

    def submit(self, genome: BoolArray) -> None:
        """Put a genome `[L]` in the queue."""
        self._waiting.append(genome)

    def collect(self) -> tuple[BoolArray, FloatArray]:
        """Evaluate the first of the queue: genome `[L]` and values `[M]`."""
        genome = self._waiting.popleft()
        return genome, self._evaluate(genome[None])[0]
