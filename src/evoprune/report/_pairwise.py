"""A front of any number of objectives, two at a time."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from evoprune._types import BoolArray, FloatArray
from evoprune.errors import ConfigError
from evoprune.report._canvas import (
    BLACK,
    BLUE,
    CHOSEN,
    DENSE,
    EVALUATIONS,
    FRONT,
    HELD_OUT,
    HOLLOW,
    SMALL,
    VERMILLION,
    WIDTH,
    crown,
    tidy,
    write_figure,
)
from evoprune.report._front import FrontData
from evoprune.report._scale import Scale, axis_label, headline, in_units

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PanelGrid: TypeAlias = "np.ndarray[tuple[int, int], np.dtype[np.object_]]"
"""Axes in rows and columns, as `Figure.subplots(.., squeeze=False)` makes them."""

_FAR_OUT = 3.0
"""An evaluation so many interquartile ranges outside the quartiles (Tukey's fence) would squeeze all the others."""


def pairwise_fronts(axes: PanelGrid, data: FrontData) -> PanelGrid:
    """Every pair of objectives in a panel: the triangle of a grid of panels that has the axes' numbers in common.

    The first objective is the bottom row's, the last one the left column's. Behind the members stand all evaluations
    as the search saw them; a thin line ties each member to its values on the held-out part.

    Args:
        axes: grid of axes `[M - 1, M - 1]`, to draw into; those of the other triangle are emptied.
        data: the front.

    Returns:
        The axes.

    Raises:
        ConfigError: the grid has another shape.
    """
    side = len(data.names) - 1
    if axes.shape != (side, side):
        raise ConfigError(f"{side + 1} objectives need {side} x {side} panels, not {list(axes.shape)}; give those")
    everything = np.empty((0, side + 1)) if data.everything is None else data.everything
    near = everything[_near(everything)]
    drawn = [data.shown, data.shown if data.held_out is None else data.held_out, data.dense_shown, data.dense_held_out]
    scales = [Scale.around(name, *(values[:, i] for values in (*drawn, near))) for i, name in enumerate(data.names)]
    # Where both parts are shown, the legend tells them apart.
    part = data.part if data.held_out is None else None
    labels = [
        axis_label(name, title, maximize=up, part=part, width=max(18, 60 // side))
        for name, title, up in zip(data.names, data.titles, data.maximize, strict=True)
    ]
    for row, column in np.ndindex(side, side):
        panel: Axes = axes.item(row, column)
        if column > row:
            panel.set_axis_off()
            continue
        across, up = side - column, side - 1 - row
        _draw_panel(panel, data, everything, (across, up))
        # Numbers take more room side by side than one over the other.
        scales[across].apply(panel, "x", count=5 if side < 3 else 3, labelled=row == side - 1)
        scales[up].apply(panel, "y", count=5 if side < 3 else 4, labelled=column == 0)
        tidy(panel)
        if row == side - 1:
            panel.set_xlabel(labels[across])
        if column == 0:
            panel.set_ylabel(labels[up])
    _crown(axes, data)
    return axes


def write_pairwise_fronts(path: Path, data: FrontData) -> None:
    """Write `pairwise_fronts` as PNG.

    Raises:
        StorageError: the file cannot be written.
    """
    side = len(data.names) - 1

    def draw(figure: Figure) -> None:
        pairwise_fronts(figure.subplots(side, side, squeeze=False), data)

    write_figure(path, 0.66 * WIDTH if side == 1 else 0.9 * WIDTH, draw)


def _near(everything: FloatArray) -> BoolArray:
    """Which evaluations `[E, M]` succeeded and are not far out in any objective."""
    near: BoolArray = np.logical_and.reduce(np.isfinite(everything), axis=1)
    if not near.any():
        return near
    first, third = np.quantile(everything[near], [0.25, 0.75], axis=0)
    # Where most values are equal, every other one would be far out.
    fence = np.where(third > first, _FAR_OUT * (third - first), np.inf)
    near &= np.logical_and.reduce((everything >= first - fence) & (everything <= third + fence), axis=1)
    return near


def _draw_panel(panel: Axes, data: FrontData, everything: FloatArray, pair: tuple[int, int]) -> None:
    """Two objectives, across and upwards, of everything there is."""

    def units(values: FloatArray) -> FloatArray:
        return np.stack([in_units(data.names[i], values[:, i]) for i in pair], axis=1)

    def dots(points: FloatArray, area: float, zorder: int, look: dict[str, Any], label: str = "_") -> None:
        panel.scatter(points[:, 0], points[:, 1], area, zorder=zorder, label=label, **look)

    members, few = units(data.shown), len(data.ids) <= 100
    size = 22.0 if few else 10.0
    if len(everything):
        dots(units(everything), 7, 1, EVALUATIONS, "all evaluations (search)")
    if data.held_out is not None:
        held_out = units(data.held_out)
        _tie(panel, members, held_out, color=BLUE, alpha=0.35 if few else 0.15)
        dots(held_out, 0.8 * size, 3, HELD_OUT, "front (test)")
        if data.chosen is not None:
            _tie(panel, members[[data.chosen]], held_out[[data.chosen]], color=BLACK, alpha=0.9)
    dots(members, size, 4, FRONT, f"front ({data.part})")
    if len(data.dense_shown) and len(data.dense_held_out):
        _tie(panel, units(data.dense_shown), units(data.dense_held_out), color=VERMILLION, alpha=0.6)
        dots(units(data.dense_held_out), 42, 5, {**DENSE, **HOLLOW})
    if len(data.dense_shown):
        dots(units(data.dense_shown), 52, 5, DENSE, "not pruned")
    if data.chosen is not None:
        dots(members[[data.chosen]], 110, 6, CHOSEN, "chosen")


def _tie(panel: Axes, members: FloatArray, others: FloatArray, *, color: str, alpha: float) -> None:
    """Thin lines from points `[P, 2]` to others; none to those that could not be had."""
    from matplotlib.collections import LineCollection  # noqa: PLC0415

    known = np.isfinite(members).all(axis=1) & np.isfinite(others).all(axis=1)
    lines = np.stack([members[known], others[known]], axis=1)
    panel.add_collection(LineCollection(list(lines), colors=color, linewidths=0.7, alpha=alpha, zorder=2))


def _crown(axes: PanelGrid, data: FrontData) -> None:
    """Title and legend; the legend stands in the empty corner, if there is one."""
    title = headline(f"Front of {len(data.ids)} member{'' if len(data.ids) == 1 else 's'}", data.protocol)
    if axes.size == 1:
        crown(axes[0, 0], title, columns=5)
        return
    axes[0, 0].set_title(title, loc="left")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    legend = axes[0, -1].legend(handles, labels, frameon=False, fontsize=SMALL, loc="upper right", borderaxespad=0)
    # The corner is wide enough: the layout need not make its column any wider.
    legend.set_in_layout(False)
