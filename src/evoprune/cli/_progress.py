"""Progress of extraction and search: bars on a terminal, lines elsewhere."""

from __future__ import annotations

from types import TracebackType

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
from rich.progress import (
    Progress as RichProgress,
)
from rich.text import Text

from evoprune._types import BoolArray, FloatArray
from evoprune.cli._console import ERR, SETTINGS, say
from evoprune.objectives import Objective
from evoprune.study import Progress


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:.1f}/s" if task.speed else "", style="dim")


def _bars() -> RichProgress:
    return RichProgress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=None),
        MofNCompleteColumn(),
        _Rate(),
        TimeRemainingColumn(compact=True),
        TextColumn("{task.fields[note]}"),
        console=ERR,
        disable=SETTINGS.quiet or not ERR.is_terminal,
        transient=True,
    )


class ExtractionProgress:
    """A bar over images."""

    def __init__(self) -> None:
        self._bars = _bars()
        self._task: TaskID | None = None
        self._said = -1

    def __call__(self, done: int, total: int) -> None:
        """`done` of `total` images have gone through the backbone."""
        if self._task is None:
            self._bars.start()
            self._task = self._bars.add_task("features", total=total, note="")
        self._bars.update(self._task, completed=done)
        if done == total:
            self._bars.stop()
        self._said = _say_tenths(self._said, done, total, f"features: {done} of {total} images")


class SearchProgress:
    """A bar over evaluations, with the best fitness and its active share; a search callback."""

    def __init__(self, objective: Objective) -> None:
        self._objective = objective
        self._bars = _bars()
        self._task: TaskID | None = None
        self._best: tuple[float, float] | None = None
        self._said = -1

    def __enter__(self) -> SearchProgress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._bars.stop()

    def on_evaluations(self, genomes: BoolArray, values: FloatArray, progress: Progress) -> None:
        """Show where the search stands."""
        for genome, value in zip(genomes, values[:, 0], strict=True):
            self._compare(float(value), float(genome.mean()))
        note = "" if self._best is None else f"best {self._best[0]:.4f} at {100 * self._best[1]:.0f} %"
        if self._task is None:
            self._bars.start()
            earlier = progress.evaluations - progress.new
            self._task = self._bars.add_task("search", total=progress.budget, completed=earlier, note=note)
        self._bars.update(self._task, completed=progress.evaluations, note=note)
        rate = progress.new / progress.seconds if progress.seconds else 0.0
        left = (progress.budget - progress.evaluations) / rate if rate else 0.0
        self._said = _say_tenths(
            self._said,
            progress.evaluations,
            progress.budget,
            f"search: {progress.evaluations} of {progress.budget} evaluations, {rate:.1f}/s, {left:.0f} s left, {note}",
        )

    def _compare(self, value: float, share: float) -> None:
        if np.isnan(value):
            return
        cost = -value if self._objective.maximize else value
        known = None if self._best is None else (-self._best[0] if self._objective.maximize else self._best[0])
        if known is None or (cost, share) < (known, self._best[1] if self._best else share):
            self._best = (value, share)


def _say_tenths(said: int, done: int, total: int, line: str) -> int:
    """Where there is no terminal, print a line each time another tenth is done."""
    tenth = 10 * done // total if total else 10
    if tenth > said and not ERR.is_terminal:
        say(line)
    return max(tenth, said)
