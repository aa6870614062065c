"""How much of what is left a worker gets at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evoprune._types import BoolArray, FloatArray

_BASE = 0.1
"""What any candidate costs, as a share of what the full one costs; the rest grows with its active share."""

_PARTS = 2
"""A worker gets half of its share of what is left: the parts grow smaller, so that all end at about the same time
(guided self-scheduling: Polychronopoulos and Kuck, IEEE Transactions on Computers C-36, 1987)."""

_MEMORY = 0.5
"""Weight of the newest measurement of a worker's speed."""

_LATE = 2.0
"""A worker that has taken so many times longer than foreseen is no longer counted on."""


def costs(genomes: BoolArray) -> FloatArray:
    """What genomes `[P, L]` will about cost `[P]`; the full one costs 1.1."""
    return np.asarray(_BASE + genomes.mean(axis=1), dtype=np.float64)


@dataclass
class Pace:
    """How fast a worker is, and until when it is busy.

    Attributes:
        speed: cost a second; before the first measurement a guess, by its processors.
        measured: whether it is more than a guess.
        began: when its work began, or None where it has none.
        cost: of that work.
    """

    speed: float
    measured: bool = False
    began: float | None = None
    cost: float = 0.0

    def learn(self, seconds: float) -> None:
        """Its work is done, and has taken so long."""
        found = self.cost / max(seconds, 1e-6)
        self.speed = _MEMORY * found + (1 - _MEMORY) * self.speed if self.measured else found
        self.measured, self.began, self.cost = True, None, 0.0

    def left(self, now: float) -> float:
        """Seconds for which it is still busy, infinite where it is long overdue."""
        if self.began is None:
            return 0.0
        foreseen, spent = self.cost / self.speed, now - self.began
        return float("inf") if spent > _LATE * foreseen else max(0.0, foreseen - spent)


def chunk_size(waiting: Sequence[float], worker: Pace, others: Sequence[Pace], grain: int, now: float) -> int:
    """How many of the candidates that wait a worker should take; 0 where another one will be done with them sooner.

    Args:
        waiting: costs of the candidates, in the order in which they are given out.
        worker: who asks.
        others: everybody else.
        grain: candidates that keep it busy, the fewest it takes.
        now: the time.
    """
    least = sum(waiting[:grain])
    alone = least / worker.speed
    # Speeds that were guessed say nothing of who is faster.
    if worker.measured and any(other.measured and other.left(now) + least / other.speed < alone for other in others):
        return 0
    share = worker.speed / (worker.speed + sum(other.speed for other in others))
    target, taken = sum(waiting) * share / _PARTS, 0.0
    for number, cost in enumerate(waiting):
        if number >= grain and taken + cost > target:
            return number
        taken += cost
    return len(waiting)
