"""Figures of several runs side by side, category by category."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from evoprune._types import FloatArray
from evoprune.errors import ConfigError
from evoprune.report._canvas import BLACK, BLUE, GREEN, ORANGE, SMALL, VERMILLION, WIDTH, tidy, write_figure
from evoprune.report._scale import figure_text, headline

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LOOKS = ((BLUE, "o"), (VERMILLION, "D"), (GREEN, "s"), (ORANGE, "^"), (BLACK, "v"))
"""Colour and marker of each series."""

_SPREAD, _APART = 0.7, 0.16
"""Share of the room of a category that its series take at most, and of one of them."""

_UPRIGHT = 44
"""Letters of labels that stand side by side over a page's width; longer ones are turned."""


@dataclass(frozen=True, eq=False)
class Strip:
    """One panel.

    Attributes:
        title: over it.
        measure: what is measured, with unit and direction, as the axis says it.
        categories: K names, from left to right.
        series: of each series its values `[K, runs]`; NaN where a run has none.

    Raises:
        ConfigError: no series or category, more series than there are looks, or values of another shape.
    """

    title: str
    measure: str
    categories: tuple[str, ...]
    series: Mapping[str, FloatArray]

    def __post_init__(self) -> None:
        if not self.categories or not 1 <= len(self.series) <= len(_LOOKS):
            raise ConfigError(
                f"{len(self.series)} series of {len(self.categories)} categories cannot be drawn; "
                f"give 1 to {len(_LOOKS)} series, and one category or more"
            )
        for name, values in self.series.items():
            if values.ndim != 2 or len(values) != len(self.categories):
                raise ConfigError(
                    f"series {name!r} has the shape {list(values.shape)}; give [{len(self.categories)}, runs]"
                )


def strip_chart(axes: Axes, strip: Strip, *, order: Sequence[str] | None = None, columns: int = 1) -> Axes:
    """Every run as a dot over its category, with mean and standard deviation of each series.

    A category of which a series has no run at all is marked at the bottom.

    Args:
        axes: to draw into. It gets no legend; `write_strips` draws one for all panels.
        strip: what to draw.
        order: all series of the figure, in the order of their colours; without it those of the strip.
        columns: panels side by side, which decides how much room the names of categories have.

    Returns:
        The axes.

    Raises:
        ConfigError: a series that is not in the order.
    """
    names = list(strip.series) if order is None else list(order)
    there = [name for name in names if name in strip.series]
    if len(there) < len(strip.series):
        raise ConfigError(f"the order {names} lacks a series of {list(strip.series)}; give all that the figure shows")
    width = min(_SPREAD / len(there), _APART)
    for number, name in enumerate(there):
        colour, marker = _LOOKS[names.index(name)]
        at = np.arange(len(strip.categories), dtype=np.float64) + width * (number - (len(there) - 1) / 2)
        _draw_series(axes, at, strip.series[name], width, colour, marker, name)
    letters = sum(len(category) + 2 for category in strip.categories)
    turned = letters > _UPRIGHT * 2 // columns
    axes.set_xticks(
        range(len(strip.categories)),
        labels=[figure_text(category, 18, lines=1) for category in strip.categories],
        rotation=35 if turned else 0,
        ha="right" if turned else "center",
        rotation_mode="anchor",
    )
    axes.set_xlim(-0.5, len(strip.categories) - 0.5)
    axes.set_ylabel(figure_text(strip.measure, 44, lines=2))
    axes.set_title(figure_text(strip.title, 84 // columns, lines=1), loc="left")
    tidy(axes)
    axes.grid(visible=False, axis="x")
    return axes


def write_strips(path: Path, strips: Sequence[Strip], title: str, *, protocol: str, columns: int = 2) -> None:
    """Write `strip_chart` as PNG, one panel a strip, with one legend below where there are several series.

    Args:
        path: the file.
        strips: one or more; a series has the same look in all of them.
        title: of the figure.
        protocol: named in the title where it is `paper`.
        columns: panels side by side.

    Raises:
        ConfigError: no strip.
        StorageError: the file cannot be written.
    """
    if not strips:
        raise ConfigError("no panel is given that could be drawn; give one or more")
    names = list(dict.fromkeys(name for strip in strips for name in strip.series))
    across = min(columns, len(strips))
    rows = -(-len(strips) // across)

    def draw(figure: Figure) -> None:
        from matplotlib.lines import Line2D  # noqa: PLC0415

        grid = figure.subplots(rows, across, squeeze=False)
        for axes in grid.flat[len(strips) :]:
            axes.set_axis_off()
        for axes, strip in zip(grid.flat, strips, strict=False):
            strip_chart(axes, strip, order=names, columns=across)
        if len(names) > 1:
            handles = [
                Line2D([], [], color=colour, marker=marker, linestyle="none") for colour, marker in _LOOKS[: len(names)]
            ]
            figure.legend(
                handles,
                [figure_text(name, 32, lines=1) for name in names],
                loc="outside lower left",
                ncols=3,
                frameon=False,
                fontsize=SMALL,
            )
        figure.suptitle(headline(figure_text(title, 100, lines=1), protocol), x=0.01, ha="left", fontsize=9)

    write_figure(path, 0.7 + 2.5 * rows if across > 1 else 0.7 + 0.45 * WIDTH * rows, draw)


def _draw_series(
    axes: Axes, at: FloatArray, values: FloatArray, width: float, colour: str, marker: str, name: str
) -> None:
    """Dots of all runs, their mean and a bar of one standard deviation to each side, at places `[K]`."""
    for place, runs in zip(at, values, strict=True):
        found = runs[np.isfinite(runs)]
        if not len(found):
            axes.plot(place, 0.02, "x", color=colour, ms=5, transform=axes.get_xaxis_transform(), label="_missing")
            continue
        # Side by side, so that equal runs are seen as several.
        beside = place + 0.5 * width * (np.linspace(-0.5, 0.5, len(found)) if len(found) > 1 else np.zeros(1))
        axes.plot(beside, found, marker, color=colour, ms=3, alpha=0.45, mew=0, label="_run")
        if len(found) > 1:
            spread = float(found.std(ddof=1))
            axes.vlines(place, found.mean() - spread, found.mean() + spread, color=colour, linewidth=1.2, zorder=3)
        axes.plot(place, found.mean(), marker, color=colour, ms=6, mec="white", mew=0.6, zorder=4, label=name)
