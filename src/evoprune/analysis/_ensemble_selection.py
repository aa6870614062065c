"""Which members of a front vote: chosen on validation rows, by the quality of the vote."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evoprune._types import FloatArray, IntArray
from evoprune.analysis._ensemble import WINDOWS, Panel, window_members
from evoprune.heads import VOTES, Vote, ballots, counted_shares, log_shares

PICKS = 30
"""Members that the greedy selection picks at most, repeated ones included."""

DIVERSE_SHARE = 0.5
"""Share of the candidates, the most different ones, that the diversity-aware selection chooses from (its rho)."""


def quality(panels: Sequence[Panel], members: IntArray, vote: Vote) -> tuple[float, float]:
    """How good an ensemble is: accuracy, and negative cross entropy (natural log) to decide between equal ones.

    Means over panels; more is better in both.

    Args:
        panels: of validation rows.
        members: who votes `[K]`, which may repeat.
        vote: `soft` or `majority`.
    """
    found = [_quality(VOTES[vote](panel.probabilities[members], None), panel.labels) for panel in panels]
    return _mean(found)


def best_window(panels: Sequence[Panel], values: FloatArray, vote: Vote) -> tuple[tuple[int, int], IntArray]:
    """The published window whose members vote best, and these members; of equal windows the first.

    Args:
        panels: of validation rows.
        values: accuracy of each member `[P]` there.
        vote: `soft` or `majority`.
    """
    found = {window: window_members(values, window) for window in WINDOWS}
    # Of few members none may lie within a window; the highest always lies between 0 and 100 %.
    held = {window: members for window, members in found.items() if len(members)} or {
        (0, 100): window_members(values, (0, 100))
    }
    best = max(held, key=lambda window: quality(panels, held[window], vote))
    return best, held[best]


def greedy_members(panels: Sequence[Panel], vote: Vote, picks: int = PICKS) -> IntArray:
    """Forward selection with replacement (Caruana et al. 2004, Ensemble selection from libraries of models, ICML).

    Each step adds the member with which the vote is best (`quality`), which may be one that votes already; of equal
    ones the first. Of all steps the best ensemble is taken, and of equally good ones the smallest.

    Args:
        panels: of validation rows.
        vote: `soft` or `majority`.
        picks: steps.

    Returns:
        Members in the order of their picks `[K]`, repeated where a member was picked again.
    """
    tallies = [_Tally.none(panel) for panel in panels]
    chosen: list[int] = []
    best: tuple[tuple[float, float], int] | None = None
    for _ in range(picks):
        qualities = [_mean([t.quality_with(member, vote) for t in tallies]) for member in range(len(panels[0]))]
        pick = max(range(len(qualities)), key=lambda member: qualities[member])
        for tally in tallies:
            tally.add(pick)
        chosen.append(pick)
        if best is None or qualities[pick] > best[0]:
            best = qualities[pick], len(chosen)
    return np.array(chosen[: 0 if best is None else best[1]], dtype=np.int64)


def diverse_members(panels: Sequence[Panel], vote: Vote, share: float = DIVERSE_SHARE) -> IntArray:
    """Diversity regularised ensemble pruning (DREP: Li, Yu and Zhou 2012, ECML PKDD).

    Starts with the best member. Each step looks only at the candidates that agree least with the present vote, a share
    of all that are left, and takes the one with which the vote is best; it ends where none makes it better. Agreement
    is the share of rows of the same class, as for two classes in the source; errors that are equal are told apart by
    the cross entropy (`quality`).

    Args:
        panels: of validation rows.
        vote: `soft` or `majority`.
        share: rho, over 0 up to 1; 1 asks for no diversity.

    Returns:
        Members in the order of their picks `[K]`, each once.
    """
    tallies = [_Tally.none(panel) for panel in panels]
    left, chosen = list(range(len(panels[0]))), []
    best = (-np.inf, -np.inf)
    candidates = left
    while candidates:
        qualities = {member: _mean([t.quality_with(member, vote) for t in tallies]) for member in candidates}
        pick = max(candidates, key=lambda member: qualities[member])
        if not qualities[pick] > best:
            break
        best = qualities[pick]
        for tally in tallies:
            tally.add(pick)
        chosen.append(pick)
        left.remove(pick)
        agreement = {member: float(np.mean([t.agreement(member, vote) for t in tallies])) for member in left}
        # Sorting is stable: of equally different ones the first.
        candidates = sorted(sorted(left, key=lambda member: agreement[member])[: int(np.ceil(share * len(left)))])
    return np.array(chosen, dtype=np.int64)


@dataclass(eq=False)
class _Tally:
    """The sums of a vote on one panel, so that one more member costs one addition."""

    panel: Panel
    cast: FloatArray
    counted: FloatArray
    summed: FloatArray
    voters: int

    @classmethod
    def none(cls, panel: Panel) -> _Tally:
        empty = np.zeros(panel.probabilities.shape[1:])
        return cls(panel, ballots(panel.probabilities), empty, empty, 0)

    def add(self, member: int) -> None:
        self.counted = self.counted + self.cast[member]
        self.summed = self.summed + self.panel.probabilities[member]
        self.voters += 1

    def quality_with(self, member: int, vote: Vote) -> tuple[float, float]:
        counted, summed = self.counted + self.cast[member], self.summed + self.panel.probabilities[member]
        return _quality(_shares(counted, summed, self.voters + 1, vote), self.panel.labels)

    def agreement(self, member: int, vote: Vote) -> float:
        said = _shares(self.counted, self.summed, self.voters, vote).argmax(axis=1)
        return float(np.mean(self.panel.probabilities[member].argmax(axis=1) == said))


def _shares(counted: FloatArray, summed: FloatArray, voters: int, vote: Vote) -> FloatArray:
    return summed / voters if vote == "soft" else counted_shares(counted, summed, voters)


def _quality(shares: FloatArray, labels: IntArray) -> tuple[float, float]:
    likelihood = log_shares(shares)[np.arange(len(labels)), labels].astype(np.float64)
    return float(np.mean(shares.argmax(axis=1) == labels)), float(likelihood.mean())


def _mean(qualities: Sequence[tuple[float, float]]) -> tuple[float, float]:
    accuracy, likelihood = np.mean(qualities, axis=0).tolist()
    return accuracy, likelihood
