"""Ensembles of a front's members: chosen on validation, measured on the test part."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from evoprune._types import BoolArray, FloatArray, IntArray
from evoprune.analysis import WINDOWS, best_window, diverse_members, greedy_members, window_members
from evoprune.errors import ConfigError
from evoprune.heads import EnsembleHead, Vote
from evoprune.training import shifted
from evoprune.workflow._ensemble_controls import Controls, train_controls
from evoprune.workflow._ensemble_panels import Chorus, by_name, train_choruses
from evoprune.workflow._study import Study

ENSEMBLE_METHODS = {
    "windows": "the published window over the front whose vote is best on validation",
    "all": "all members of the front",
    "greedy": "greedy forward selection with replacement on validation (Caruana et al. 2004)",
    "diverse": "diversity regularised selection on validation (DREP, Li et al. 2012)",
}
"""Ways to choose who votes, and what tables call them."""


def default_vote(method: str) -> Vote:
    """The vote that goes with a method: `majority` with the published windows, as published; `soft` with all others."""
    return "majority" if method == "windows" else "soft"


@dataclass(frozen=True, eq=False)
class Selection:
    """Who votes, and how.

    Attributes:
        method: one of `ENSEMBLE_METHODS`.
        vote: `soft` or `majority`.
        members: rows of the front `[K]`; one that was picked twice stands twice.
        window: quantiles in percent, with the method `windows`.
    """

    method: str
    vote: Vote
    members: IntArray
    window: tuple[int, int] | None = None

    @property
    def distinct(self) -> IntArray:
        """The members that differ `[J]`, in their order on the front."""
        return np.unique(self.members)


@dataclass(frozen=True, eq=False)
class Contender:
    """An ensemble or a head, measured on the test part.

    Attributes:
        name: what programs call it.
        title: what tables show.
        heads: how many different heads it is made of.
        figures: `accuracy`, `calibration` and `ood` by repetition `[S]`; NaN where there is none.
        parameters: of its heads in the first repetition.
        multiply_adds: of one image's pass through them.
        hindsight: whether it was chosen by the test part, which is no fair choice.
    """

    name: str
    title: str
    heads: int
    figures: dict[str, FloatArray]
    parameters: int
    multiply_adds: int
    hindsight: bool = False


@dataclass(frozen=True, eq=False)
class Window:
    """What the members between two quantiles are worth on the test part, together and alone.

    Attributes:
        by: the measure: of its quantiles on validation, and what is shown of the test part: `accuracy` or `ood`.
        quantiles: percent.
        members: rows of the front `[K]`; may be none.
        ensemble: of their vote, by repetition `[S]`.
        hindsight: of the best of them in each repetition, as published `[S]`.
        best: of the best of them by validation `[S]`.
        alone: of each of them, mean over repetitions `[K]`.
    """

    by: str
    quantiles: tuple[int, int]
    members: IntArray
    ensemble: FloatArray
    hindsight: FloatArray
    best: FloatArray
    alone: FloatArray


class EnsembleContest:
    """The members of a front trained anew.

    Each repetition trains all heads with one seed, which no search used; the first gives the heads that `Study.build`
    gives. Who votes is chosen once, by means over all repetitions on validation.

    Args:
        study: of the run: its rows, recipe and encoding.
        genomes: of the front's members `[P, L]`.
        repetitions: S.
        on_progress: called with the trainings done and their total.

    Raises:
        ConfigError: there are fewer than two members whose training succeeds.
    """

    def __init__(
        self,
        study: Study,
        genomes: BoolArray,
        repetitions: int,
        on_progress: Callable[[int, int], None] | None = None,
    ) -> None:
        scorer, problem = study.conclusion.scorer, study.problem
        self.genomes, self.report = genomes, scorer.report
        self.seeds = scorer.training_seeds(repetitions)
        each = len(genomes) * repetitions
        first = each * len(problem.data.folds)
        total = first if self.report is problem else first + each * len(self.report.data.folds)
        self.validation = train_choruses(problem, genomes, self.seeds, shifted(on_progress, 0, total))
        self.test = self.validation
        if self.report is not problem:
            self.test = train_choruses(self.report, genomes, self.seeds, shifted(on_progress, first, total))
        self.usable = np.flatnonzero(np.logical_and.reduce([one.finite() for one in self.validation]))
        if len(self.usable) < 2:
            raise ConfigError(
                f"{len(self.usable)} of the {len(genomes)} member(s) of the front can vote, and an ensemble takes two; "
                "search longer, or for other objectives"
            )

    def validated(self, measure: str) -> FloatArray:
        """A measure of each member by itself on validation `[P]`, mean over repetitions."""
        values: FloatArray = np.mean([one.alone[measure] for one in self.validation], axis=0)
        return values

    def select(self, method: str, vote: Vote | None = None) -> Selection:
        """Choose who votes, on validation alone.

        Args:
            method: one of `ENSEMBLE_METHODS`.
            vote: `soft` or `majority`; None for `default_vote`.

        Raises:
            ConfigError: the method is unknown.
        """
        if method not in ENSEMBLE_METHODS:
            raise ConfigError(f"method {method!r} is unknown; choose among {', '.join(ENSEMBLE_METHODS)}")
        vote = vote or default_vote(method)
        panels = [panel.of(self.usable) for one in self.validation for panel in one.panels]
        window = None
        if method == "windows":
            window, rows = best_window(panels, self.validated("accuracy")[self.usable], vote)
        elif method == "all":
            rows = np.arange(len(self.usable))
        else:
            rows = (greedy_members if method == "greedy" else diverse_members)(panels, vote)
        return Selection(method, vote, self.usable[rows], window)

    def head(self, selection: Selection) -> EnsembleHead:
        """The ensemble as one head: members trained on all rows that are not test rows, with the first seed."""
        return EnsembleHead(tuple(self.test[0].heads[member] for member in selection.members), selection.vote)

    def controls(
        self, selections: Sequence[Selection], on_progress: Callable[[int, int], None] | None = None
    ) -> Controls:
        """Train what the ensembles of some selections are compared with; see `train_controls`."""
        chosen = [selection.distinct for selection in selections]
        return train_controls(self.report, self.genomes, self.seeds, chosen, on_progress)

    def contenders(self, selection: Selection, controls: Controls) -> list[Contender]:
        """The ensemble, and what it has to be better than, on the test part.

        Its best member by validation and in hindsight, the front's best by validation, the head that is not pruned,
        and, with the same vote, as many such heads with different seeds, and random masks of the members' sizes.

        Args:
            selection: who votes.
            controls: trained for this selection, or for several.
        """
        distinct, vote = selection.distinct, selection.vote
        best, first = self._best(distinct), self._best(self.usable)
        random = np.searchsorted(controls.members, distinct)
        return [
            _contender("ensemble", "ensemble", self.test, selection.members, vote),
            _contender("best_member", "best member (valid.)", self.test, best, "soft"),
            self._hindsight(distinct),
            _contender("best_of_front", "best of front (valid.)", self.test, first, "soft"),
            _contender("dense", "not pruned", controls.dense, np.array([0]), "soft"),
            _contender("dense_ensemble", "as many not pruned", controls.dense, np.arange(len(distinct)), vote),
            _contender("random_ensemble", "as many random masks", controls.random, random, vote),
        ]

    def windows(self, by: str, vote: Vote) -> list[Window]:
        """The published windows over the front.

        Args:
            by: whose quantiles on validation they are: `accuracy` or `ood`.
            vote: `soft` or `majority`.
        """
        values, found = self.validated(by), []
        for quantiles in WINDOWS:
            members = self.usable[window_members(values[self.usable], quantiles)]
            nobody = np.full(len(self.seeds), np.nan)
            if not len(members):
                found.append(Window(by, quantiles, members, nobody, nobody, nobody, np.zeros(0)))
                continue
            alone = np.stack([one.alone[by][members] for one in self.test])
            together = np.array([one.figures(members, vote)[by] for one in self.test])
            best = alone[:, values[members].argmax()]
            found.append(Window(by, quantiles, members, together, alone.max(axis=1), best, alone.mean(axis=0)))
        return found

    def _best(self, members: IntArray) -> IntArray:
        """The member `[1]` most accurate on validation; of equal ones the one with fewest active neurons."""
        order = np.lexsort((self.genomes[members].sum(axis=1), -self.validated("accuracy")[members]))
        return members[order[:1]]

    def _hindsight(self, members: IntArray) -> Contender:
        """In each repetition the member that is most accurate on the test part, as published."""
        # NaN, of a training that diverged, is never the best.
        rows = [members[[np.nan_to_num(one.alone["accuracy"][members], nan=-1.0).argmax()]] for one in self.test]
        figures = by_name([one.figures(row, "soft") for row, one in zip(rows, self.test, strict=True)])
        head = self.test[0].heads[rows[0][0]]
        title = "best member (hindsight)"
        return Contender("best_in_hindsight", title, 1, figures, head.parameters, head.multiply_adds, hindsight=True)


def _contender(name: str, title: str, choruses: Sequence[Chorus], members: IntArray, vote: Vote) -> Contender:
    heads = [choruses[0].heads[member] for member in np.unique(members)]
    return Contender(
        name,
        title,
        len(heads),
        by_name([one.figures(members, vote) for one in choruses]),
        sum(head.parameters for head in heads),
        sum(head.multiply_adds for head in heads),
    )
