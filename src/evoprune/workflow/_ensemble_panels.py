"""What trained heads say, alone and as an ensemble, on the rows of a problem."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from evoprune._types import BoolArray, FloatArray, IntArray
from evoprune.analysis import Panel, outlier_vote
from evoprune.heads import VOTES, CompactHead, Vote, log_shares, probabilities_of
from evoprune.objectives import Evaluated, accuracy_score, auroc, calibration_error
from evoprune.problem import Problem
from evoprune.training import TrainedCandidate

MEASURES = ("accuracy", "calibration", "ood")
"""What is said of an ensemble: test accuracy, expected calibration error, AUROC of out-of-distribution detection."""


@dataclass(frozen=True, eq=False)
class Chorus:
    """P heads, each trained once.

    Attributes:
        panels: what they say on the rows of each fold.
        heads: those of the first fold.
    """

    panels: tuple[Panel, ...]
    heads: tuple[CompactHead, ...]

    def figures(self, members: IntArray, vote: Vote) -> dict[str, float]:
        """Measures of an ensemble of some heads `[K]` (which may repeat), means over folds; NaN where one is not there.

        Args:
            members: who votes.
            vote: `soft` or `majority`.
        """
        found = [_figures(panel.of(members), vote) for panel in self.panels]
        return {name: float(np.mean([of[name] for of in found])) for name in MEASURES}

    @cached_property
    def alone(self) -> dict[str, FloatArray]:
        """Measures of each head by itself, by name `[P]`, means over folds."""
        return by_name([self.figures(np.array([p]), "soft") for p in range(len(self.heads))])

    def finite(self) -> BoolArray:
        """Which heads `[P]` have finite probabilities and outlier scores everywhere: a diverged training has not."""
        found = np.ones(len(self.heads), dtype=np.bool_)
        for panel in self.panels:
            for values in (panel.probabilities, panel.inside, panel.outside):
                if values is not None:
                    found &= np.isfinite(values).reshape(len(values), -1).all(axis=1)
        return found


def train_choruses(
    problem: Problem, genomes: BoolArray, seeds: Sequence[int], on_progress: Callable[[int, int], None] | None = None
) -> list[Chorus]:
    """Train genomes `[P, L]` with each of some seeds; one chorus a seed.

    Args:
        problem: on whose folds they are trained and heard.
        genomes: P heads.
        seeds: of training.
        on_progress: called with the trainings done and their total.
    """
    trained = problem.train(genomes, seeds, on_progress)
    return [
        chorus(problem, genomes, [candidate.with_seed(index) for candidate in trained]) for index in range(len(seeds))
    ]


def train_seeds(
    problem: Problem, genome: BoolArray, seeds: Sequence[int], on_progress: Callable[[int, int], None] | None = None
) -> Chorus:
    """One genome `[L]` trained with several seeds, as the heads of one chorus; else as `train_choruses`."""
    (trained,) = problem.train(genome[None], seeds, on_progress)
    return chorus(problem, [genome] * len(seeds), [trained.with_seed(index) for index in range(len(seeds))])


def chorus(problem: Problem, genomes: Sequence[BoolArray] | BoolArray, trained: Sequence[TrainedCandidate]) -> Chorus:
    """The chorus of some candidates, each trained with one seed."""
    heard = [
        Evaluated(genome, candidate, problem.data, problem.ood_score)
        for genome, candidate in zip(genomes, trained, strict=True)
    ]
    scored = "ood" in problem.data.extra
    panels = []
    for number, fold in enumerate(problem.data.folds):
        logits = np.stack([candidate.logits[number][0] for candidate in trained])
        scores = [[of.ood_scores[number][part][0] for of in heard] for part in (0, 1)] if scored else None
        panels.append(
            Panel(
                probabilities_of(logits),
                problem.data.y[fold.evaluate],
                None if scores is None else np.stack(scores[0]),
                None if scores is None else np.stack(scores[1]),
            )
        )
    return Chorus(tuple(panels), tuple(candidate.heads[0][0] for candidate in trained))


def by_name(figures: Sequence[Mapping[str, float]]) -> dict[str, FloatArray]:
    """Measures by name, `[S]` each, of S times the same measures."""
    return {name: np.array([of[name] for of in figures]) for name in MEASURES}


def _figures(panel: Panel, vote: Vote) -> dict[str, float]:
    logits = log_shares(VOTES[vote](panel.probabilities, None))
    detected = np.nan
    if panel.inside is not None and panel.outside is not None:
        detected = float(auroc(*outlier_vote(panel.inside, panel.outside, vote)))
    return {
        "accuracy": accuracy_score(logits, panel.labels),
        "calibration": calibration_error(logits, panel.labels),
        "ood": detected,
    }
