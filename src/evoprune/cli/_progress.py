"""Progress of extraction, search and report: bars on a terminal, lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import timedelta

import numpy as np
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as RichProgress
from rich.text import Text

from evoprune._types import BoolArray, FloatArray
from evoprune.cli._console import ERR, SETTINGS, count, say, warn
from evoprune.objectives import Objective
from evoprune.study import Evaluation, Progress

_BETWEEN_LINES = 2.0
"""Seconds."""


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:.1f}/s" if task.speed else "", style="dim")


class _Bar:
    """One bar; where there is no terminal, a line at most each tenth and every two seconds, and the last."""

    def __init__(self, description: str) -> None:
        self._description = description
        self._bars = RichProgress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            _Rate(),
            TimeRemainingColumn(compact=True),
            TextColumn("{task.fields[note]}", markup=False),
            console=ERR,
            disable=SETTINGS.quiet or not ERR.is_terminal,
            transient=True,
        )
        self._task: TaskID | None = None
        self._tenths = 0
        self._said = 0.0

    def start(self, done: int, total: int, note: str = "") -> None:
        """Show the bar; lines count from here."""
        self._bars.start()
        self._task = self._bars.add_task(self._description, total=total, completed=done, note=note)
        self._tenths, self._said = 10 * done // total, time.monotonic()

    def advance(self, done: float) -> None:
        """Move the bar alone."""
        if self._task is not None:
            self._bars.update(self._task, completed=done)

    def update(self, done: int, total: int, note: str, line: str) -> None:
        """Move on: `note` stands behind the bar, `line` is what is said without a terminal."""
        if self._task is None:
            self.start(0, total)
        if self._task is not None:
            self._bars.update(self._task, completed=done, note=note)
        tenths = 10 * done // total
        now = time.monotonic()
        if not ERR.is_terminal and (done == total or (tenths > self._tenths and now - self._said > _BETWEEN_LINES)):
            say(line)
            self._tenths, self._said = tenths, now
        if done == total:
            self.stop()

    def stop(self) -> None:
        """Take the bar away; a later update shows it anew."""
        self._bars.stop()
        if self._task is not None:
            self._bars.remove_task(self._task)
            self._task = None


class CountProgress:
    """A bar over things of one kind.

    Args:
        description: what is done, one word.
        noun: what is counted, in the singular.
    """

    def __init__(self, description: str, noun: str) -> None:
        self._description = description
        self._noun = noun
        self._bar = _Bar(description)

    def __call__(self, done: int, total: int) -> None:
        """`done` of `total` are done."""
        self._bar.update(done, total, "", f"{self._description}: {done:,} of {count(total, self._noun)}")

    def stop(self) -> None:
        """Take the bar away."""
        self._bar.stop()


class ExtractionProgress(CountProgress):
    """A bar over the images of each extraction, which first says where it starts."""

    def __init__(self) -> None:
        super().__init__("features", "image")
        self._running = False

    def __call__(self, done: int, total: int) -> None:
        """`done` of `total` are done; those of an interrupted extraction before the first batch."""
        if not self._running:
            self._bar.start(done, total)
            if done:
                say(f"{self._description}: continues at {done:,} of {count(total, self._noun)}")
        else:
            super().__call__(done, total)
        self._running = done < total


class SearchProgress:
    """A bar over evaluations, or over time where that is the limit; a search callback.

    Args:
        objective: whose best value is shown, with its active share.
        seconds: limit of the search in time, or None.
    """

    def __init__(self, objective: Objective, seconds: float | None = None) -> None:
        self._objective = objective
        self._seconds = None if seconds is None else max(1, round(seconds))
        self._bar = _Bar("search")
        self._best: tuple[float, float] | None = None
        self._first: Progress | None = None

    def on_start(self, earlier: Sequence[Evaluation], budget: int) -> None:
        """Show the bar with what earlier sessions did."""
        for evaluation in earlier:
            self._compare(float(evaluation.values[0]), float(evaluation.genome.mean()))
        if earlier:
            of = "" if self._seconds else f" of {count(max(budget, len(earlier)), 'evaluation')}"
            say(f"{len(earlier):,}{of} stored already")
        if len(earlier) > budget:
            warn(
                f"{len(earlier):,} evaluations are stored, more than the {budget:,} that are asked for; "
                "they are kept, and no more are made"
            )
        if self._seconds is not None:
            self._bar.start(0, self._seconds, self._note())
        elif len(earlier) < budget:
            self._bar.start(len(earlier), budget, self._note())

    def on_training(self, done: float, budget: int) -> None:
        """Move on within a batch."""
        if self._seconds is None:
            self._bar.advance(done)

    def on_evaluations(self, genomes: BoolArray, values: FloatArray, progress: Progress) -> None:
        """Show where the search stands."""
        for genome, value in zip(genomes, values[:, 0], strict=True):
            self._compare(float(value), float(genome.mean()))
        if self._seconds is not None:
            line = f"search: {count(progress.evaluations, 'evaluation')}, {self._note()}"
            self._bar.update(min(round(progress.seconds), self._seconds), self._seconds, self._note(), line)
            return
        rate = self._rate(progress)
        left = timedelta(seconds=round((progress.budget - progress.evaluations) / rate)) if rate else "?"
        self._bar.update(
            progress.evaluations,
            progress.budget,
            self._note(),
            f"search: {progress.evaluations} of {count(progress.budget, 'evaluation')}, {rate:.1f}/s, "
            f"{left} left, {self._note()}",
        )

    def _rate(self, progress: Progress) -> float:
        """Evaluations a second; after the first batch since then, for before it a guide may have had to think."""
        first = self._first = self._first or progress
        new, seconds = progress.new - first.new, progress.seconds - first.seconds
        if not new:
            new, seconds = progress.new, progress.seconds
        return new / seconds if seconds else 0.0

    def stop(self) -> None:
        """Take the bar away."""
        self._bar.stop()

    def _note(self) -> str:
        return "" if self._best is None else f"best {self._best[0]:.4f}, {100 * self._best[1]:.0f} % active"

    def _compare(self, value: float, share: float) -> None:
        if np.isnan(value):
            return
        sign = -1 if self._objective.maximize else 1
        if self._best is None or (sign * value, share) < (sign * self._best[0], self._best[1]):
            self._best = (value, share)
