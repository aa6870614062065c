"""Average ranks of methods on a line, with bars over those that do not differ (Demsar, 2006, figure 1)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from evoprune.errors import ConfigError
from evoprune.report._canvas import BLACK, SMALL, VERMILLION, write_figure
from evoprune.report._scale import figure_text, headline

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LETTERS = 26
"""Longer names are written in two lines."""

_LETTER, _RANK = 0.0086, 0.064
"""Width of a letter and of a rank of four digits, as shares of the figure's."""

_LINE, _GAP, _BAR, _FIRST, _TOP = 0.125, 0.05, 0.09, 0.12, 0.72
"""Inches: of a line of text, from name to name, from bar to bar, from the axis to the first bar, and over the axis."""

_TICKS = 8
"""About as many numbers stand side by side."""


def critical_difference_figure(
    axes: Axes,
    average_ranks: Mapping[str, float],
    cd: float,
    groups: Sequence[Sequence[str]],
    *,
    p: float,
    datasets: int,
    protocol: str,
) -> Axes:
    """Methods on an axis of average ranks, the best on the right; bars join those that do not differ significantly.

    Args:
        axes: to draw into.
        average_ranks: of each method, 1 is best.
        cd: the critical difference, drawn over the axis.
        groups: names of methods that do not differ, as `analysis.cliques` finds them.
        p: of Friedman's test; where it is large, no method differs from another. NaN where it could not be made.
        datasets: on how many the methods were ranked.
        protocol: named in the title where it is `paper`.

    Returns:
        The axes.

    Raises:
        ConfigError: fewer than two methods, a rank that is none of so many, or a group of other methods.
    """
    _check(average_ranks, groups)
    names = sorted(average_ranks, key=lambda name: average_ranks[name])
    scale = _RankAxis.around(average_ranks, cd)
    place = {name: scale.place(average_ranks[name]) for name in names}
    # In figures right is better, so that a bar begins with the worst of its group.
    spans = [(min(place[name] for name in group), max(place[name] for name in group)) for group in groups]
    bars = _bar_rows(spans)

    scale.draw(axes, cd)
    for start, end, row in bars:
        depth = -_FIRST - _BAR * row
        # A little longer than the ranks that it joins.
        axes.plot([start - 0.004, end + 0.004], [depth, depth], color=BLACK, linewidth=3.2, solid_capstyle="butt")
    below = _FIRST + _BAR * (1 + max((row for *_, row in bars), default=-1))
    half = -(-len(names) // 2)
    # The outermost name hangs highest, so that no line crosses another.
    for right, hanging in ((True, names[:half]), (False, names[: half - 1 : -1])):
        depth = -below
        for name in hanging:
            height = _height(name)
            _draw_method(
                axes, name, average_ranks[name], (place[name], scale.end if right else scale.start), depth - height / 2
            )
            depth -= height
    certainty = "could not be made" if math.isnan(p) else "p < 0.001" if p < 0.001 else f"p = {p:.2g}"
    note = f"Friedman's test: {certainty}\na bar joins methods that do not differ"
    axes.text(0, 0.42, note, ha="left", va="bottom", fontsize=SMALL, color="0.35")
    axes.set_xlim(0, 1)
    axes.set_ylim(-below - _hanging(names) - 0.05, _TOP)
    axes.set_axis_off()
    on = f"{datasets} data set{'' if datasets == 1 else 's'}"
    axes.set_title(headline(f"Average ranks of {len(names)} methods on {on}", protocol), loc="left")
    return axes


def write_critical_difference(
    path: Path,
    average_ranks: Mapping[str, float],
    cd: float,
    groups: Sequence[Sequence[str]],
    *,
    p: float,
    datasets: int,
    protocol: str,
) -> None:
    """Write `critical_difference_figure` as PNG.

    Raises:
        ConfigError: fewer than two methods, a rank that is none of so many, or a group of other methods.
        StorageError: the file cannot be written.
    """

    def draw(figure: Figure) -> None:
        critical_difference_figure(
            figure.subplots(), average_ranks, cd, groups, p=p, datasets=datasets, protocol=protocol
        )

    names = sorted(average_ranks, key=lambda name: average_ranks[name])
    # All bars may lie under each other.
    write_figure(path, _TOP + 0.5 + _BAR * len(groups) + _hanging(names), draw)


def _check(average_ranks: Mapping[str, float], groups: Sequence[Sequence[str]]) -> None:
    if len(average_ranks) < 2:
        raise ConfigError(f"{len(average_ranks)} method(s) have no ranks among each other; give two or more")
    for name, rank in average_ranks.items():
        if not 1 <= rank <= len(average_ranks):
            raise ConfigError(
                f"{name!r} has the rank {rank}, which is none among {len(average_ranks)} methods; "
                "give its average rank, or leave it out"
            )
    unknown = [name for group in groups for name in group if name not in average_ranks]
    if unknown:
        raise ConfigError(
            f"a group holds {unknown[0]!r}, which has no rank; give groups of the methods that are ranked"
        )


@dataclass(frozen=True)
class _RankAxis:
    """Ranks from `low` (best, on the right) to `high`, between `start` and `end` of the figure's width 0..1."""

    low: int
    high: int
    start: float
    end: float

    @classmethod
    def around(cls, average_ranks: Mapping[str, float], cd: float) -> _RankAxis:
        """From the best to the worst, and long enough for the critical difference where there are so many ranks."""
        low, high = math.floor(min(average_ranks.values())), math.ceil(max(average_ranks.values()))
        high = min(max(high, math.ceil(low + cd)), len(average_ranks))
        low = max(1, min(low, math.floor(high - cd)))
        # Names of a side with their ranks, and the line that leads there.
        letters = max(len(line) for name in average_ranks for line in _shown(name).split("\n"))
        side = 0.02 + _RANK + _LETTER * letters
        return cls(low, high, side, 1 - side)

    def place(self, rank: float) -> float:
        return self.start + (self.end - self.start) * (self.high - rank) / (self.high - self.low)

    def draw(self, axes: Axes, cd: float) -> None:
        axes.plot([self.start, self.end], [0, 0], color=BLACK, linewidth=1.0)
        for rank in range(self.low, self.high + 1, -(-(self.high - self.low) // _TICKS)):
            at = self.place(rank)
            axes.plot([at, at], [0, 0.05], color=BLACK, linewidth=1.0)
            axes.text(at, 0.07, str(rank), ha="center", va="bottom", fontsize=SMALL)
        axes.text(self.end + 0.015, 0, "better →", ha="left", va="center", fontsize=SMALL, color="0.35")
        if cd <= self.high - self.low:
            bar = self.place(self.low + cd), self.end
            axes.plot(bar, [0.32, 0.32], color=VERMILLION, linewidth=1.4)
            for at in bar:
                axes.plot([at, at], [0.28, 0.36], color=VERMILLION, linewidth=1.4)
        label = f"critical difference {cd:.2f}"
        axes.text(self.end, 0.4, label, ha="right", va="bottom", fontsize=SMALL, color=VERMILLION)


def _bar_rows(spans: Sequence[tuple[float, float]]) -> list[tuple[float, float, int]]:
    """Bars `(start, end, row)`, each in the first row in which it touches no other."""
    placed: list[tuple[float, float, int]] = []
    for start, end in spans:
        taken = {row for left, right, row in placed if start < right + 0.02 and left < end + 0.02}
        placed.append((start, end, next(row for row in range(len(spans)) if row not in taken)))
    return placed


def _shown(name: str) -> str:
    return figure_text(name, _LETTERS)


def _height(name: str) -> float:
    """Inches that a name takes."""
    return _GAP + _LINE * (1 + _shown(name).count("\n"))


def _hanging(names: Sequence[str]) -> float:
    """Inches that the names take, from best to worst: those of the side that needs more."""
    half = -(-len(names) // 2)
    return max(sum(map(_height, names[:half])), sum(map(_height, names[half:])))


def _draw_method(axes: Axes, name: str, rank: float, ends: tuple[float, float], depth: float) -> None:
    """A line from the axis down to a depth and out to a side, with the rank and the name."""
    at, side = ends
    outwards, align = (1, "left") if side > 0.5 else (-1, "right")
    axes.plot([at, at, side + 0.005 * outwards], [0, depth, depth], color="0.45", linewidth=0.8, zorder=1)
    for shift, text in ((0.011, f"{rank:.2f}"), (0.011 + _RANK, _shown(name))):
        axes.text(
            side + shift * outwards,
            depth,
            text,
            ha=align,
            va="center",
            fontsize=SMALL,
            linespacing=1.0,
            multialignment=align,
        )
