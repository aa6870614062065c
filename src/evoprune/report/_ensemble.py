"""The published figure of ensembles: members between two quantiles of a front, the best of them, and their vote."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from evoprune._types import FloatArray
from evoprune.errors import ConfigError
from evoprune.report._canvas import BLACK, BLUE, ORANGE, SMALL, VERMILLION, tidy, write_figure
from evoprune.report._scale import figure_text, headline

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_ALONE: dict[str, Any] = {"marker": "o", "color": "0.55", "markersize": 3, "linestyle": "none", "markeredgewidth": 0}
_BEST: dict[str, Any] = {"marker": "s", "color": BLUE, "markersize": 5, "linestyle": "none", "mec": "white", "mew": 0.6}
_VOTE: dict[str, Any] = {
    "marker": "*",
    "color": ORANGE,
    "markersize": 10,
    "linestyle": "none",
    "mec": BLACK,
    "mew": 0.6,
}
_DENSE: dict[str, Any] = {"color": VERMILLION, "linewidth": 1.2, "linestyle": (0, (5, 3))}
_NOBODY: dict[str, Any] = {"marker": "x", "color": "0.35", "markersize": 4, "linestyle": "none"}

_PLACES = (-0.26, 0.02, 0.28)
"""Where members, the best of them and their vote stand within a window."""


@dataclass(frozen=True, eq=False)
class WindowPanel:
    """One panel: a measure on the test part, window by window.

    Attributes:
        title: over it.
        measure: what is measured, with unit and direction, as the axis says it.
        windows: W pairs of quantiles, percent.
        alone: of each window the values of its members `[K]`; none where nobody is within.
        best: of the best member in hindsight, by window and repetition `[W, S]`; NaN where there is none.
        ensemble: of the vote `[W, S]`, likewise.
        dense: of the head that is not pruned, for a dashed line, where it is known.

    Raises:
        ConfigError: no window, or shapes that do not fit.
    """

    title: str
    measure: str
    windows: tuple[tuple[int, int], ...]
    alone: tuple[FloatArray, ...]
    best: FloatArray
    ensemble: FloatArray
    dense: float | None = None

    def __post_init__(self) -> None:
        shapes = [self.best.shape, self.ensemble.shape]
        fits = all(len(shape) == 2 and shape[0] == len(self.windows) for shape in shapes)
        if not self.windows or len(self.alone) != len(self.windows) or not fits:
            raise ConfigError(
                f"{len(self.windows)} windows, the members of {len(self.alone)} and figures of shapes {shapes} do not "
                "go together; give [W, S] with one window or more"
            )


def ensemble_windows(axes: Axes, panel: WindowPanel) -> Axes:
    """Of each window its members as dots, the best of them as a square, and their vote as a star.

    Means over repetitions, with a bar of one standard deviation to each side where there are several. A window in
    which no member lies is marked at the bottom.

    Args:
        axes: to draw into. It gets no legend; `write_ensemble_windows` draws one for all panels.
        panel: what to draw.

    Returns:
        The axes.
    """
    for number, alone in enumerate(panel.alone):
        if not len(alone):
            axes.plot(number, 0.03, transform=axes.get_xaxis_transform(), **_NOBODY)
            continue
        # A little apart, so that equal members are seen as several.
        spread = np.linspace(-0.08, 0.08, len(alone)) if len(alone) > 1 else np.zeros(1)
        axes.plot(number + _PLACES[0] + spread, alone, **_ALONE)
        for place, values, look in zip(
            _PLACES[1:], (panel.best[number], panel.ensemble[number]), (_BEST, _VOTE), strict=True
        ):
            _draw_mean(axes, number + place, values, look)
    if panel.dense is not None:
        axes.axhline(panel.dense, zorder=1, **_DENSE)
    axes.set_xticks(range(len(panel.windows)), labels=[f"{low}-{high}" for low, high in panel.windows])
    axes.set_xlim(-0.6, len(panel.windows) - 0.4)
    axes.set_xlabel("quantiles of the front, %")
    axes.set_ylabel(figure_text(panel.measure, 44, lines=2))
    axes.set_title(figure_text(panel.title, 60, lines=1), loc="left")
    tidy(axes)
    axes.grid(visible=False, axis="x")
    for number in range(1, len(panel.windows)):
        axes.axvline(number - 0.5, color="0.9", linewidth=0.8, zorder=0)
    return axes


def write_ensemble_windows(path: Path, panels: Sequence[WindowPanel], title: str, *, protocol: str) -> None:
    """Write `ensemble_windows` as PNG, two panels side by side, with one legend below.

    Args:
        path: the file.
        panels: one or more.
        title: of the figure.
        protocol: named in the title where it is `paper`.

    Raises:
        ConfigError: no panel.
        StorageError: the file cannot be written.
    """
    if not panels:
        raise ConfigError("no panel is given that could be drawn; give one or more")
    columns = min(2, len(panels))
    rows = -(-len(panels) // columns)

    def draw(figure: Figure) -> None:
        grid = figure.subplots(rows, columns, squeeze=False)
        for axes in grid.flat[len(panels) :]:
            axes.set_axis_off()
        for axes, panel in zip(grid.flat, panels, strict=False):
            ensemble_windows(axes, panel)
            if columns > 1:
                axes.tick_params(axis="x", rotation=45)
        _add_legend(
            figure,
            dense=any(panel.dense is not None for panel in panels),
            empty=any(not len(alone) for panel in panels for alone in panel.alone),
        )
        figure.suptitle(headline(figure_text(title, 100, lines=1), protocol), x=0.01, ha="left", fontsize=9)

    write_figure(path, 0.8 + 2.6 * rows, draw)


def _draw_mean(axes: Axes, place: float, values: FloatArray, look: dict[str, Any]) -> None:
    found = values[np.isfinite(values)]
    if not len(found):
        return
    if len(found) > 1:
        spread = float(found.std(ddof=1))
        axes.vlines(place, found.mean() - spread, found.mean() + spread, color=BLACK, linewidth=0.9, zorder=2.5)
    axes.plot(place, found.mean(), zorder=3, **look)


def _add_legend(figure: Figure, *, dense: bool, empty: bool) -> None:
    from matplotlib.lines import Line2D  # noqa: PLC0415

    shown = {"members": _ALONE, "their best, in hindsight": _BEST, "their vote": _VOTE}
    if dense:
        shown["not pruned"] = _DENSE
    if empty:
        shown["no member within"] = _NOBODY
    figure.legend(
        [Line2D([], [], **look) for look in shown.values()],
        list(shown),
        loc="outside lower left",
        ncols=5,
        frameon=False,
        fontsize=SMALL,
        columnspacing=1.2,
        handletextpad=0.4,
    )
