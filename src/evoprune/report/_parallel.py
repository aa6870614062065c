"""A front of any number of objectives as lines over parallel axes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from evoprune._types import FloatArray
from evoprune.report._canvas import BLACK, ORANGE, SMALL, WIDTH, crown, write_figure
from evoprune.report._front import FrontData
from evoprune.report._scale import Scale, axis_label, figure_text, headline, in_units, number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure

_DARK = 0.9
"""Share of the colour map that stands out from white."""

_BAR = 0.035
"""Width of the colour bar, in the distance of two axes."""

_APART = 0.05
"""Ticks nearer to an end than this share of the axis would touch the end's number."""


def parallel_coordinates(axes: Axes, data: FrontData) -> Axes:
    """One line a member over the objectives' axes, all turned so that up is better.

    Each axis reaches from the worst member to the best, and bears natural values. The lines' colours are those of the
    bar along the first axis; the chosen member is thick.

    Args:
        axes: to draw into.
        data: the front.

    Returns:
        The axes.
    """
    from matplotlib import colormaps  # noqa: PLC0415
    from matplotlib.collections import LineCollection  # noqa: PLC0415

    columns = [in_units(name, data.shown[:, i]) for i, name in enumerate(data.names)]
    scales = [Scale.around(name, data.shown[:, i], margin=0) for i, name in enumerate(data.names)]
    heights = np.stack([_height(*of) for of in zip(columns, scales, data.maximize, strict=True)], axis=1)
    # Lines that are drawn later cover earlier ones: the best in the first objective lies on top.
    order = np.argsort(heights[:, 0], kind="stable")
    places = np.arange(len(data.names))
    colours = colormaps["viridis_r"]
    lines = [np.column_stack([places, heights[row]]) for row in order]
    few = len(order) <= 100
    axes.add_collection(
        LineCollection(
            lines,
            colors=colours(1 - _DARK + _DARK * heights[order, 0]),
            linewidths=1.1 if few else 0.6,
            alpha=0.85 if few else 0.6,
            zorder=2,
        )
    )
    if data.chosen is not None:
        chosen = heights[data.chosen]
        axes.plot(places, chosen, color=BLACK, linewidth=4.0, zorder=3)
        axes.plot(places, chosen, color=ORANGE, linewidth=2.4, marker="o", ms=5, mec=BLACK, label="chosen", zorder=4)
    for i, (column, scale) in enumerate(zip(columns, scales, strict=True)):
        _draw_axis(axes, i, column, scale, maximize=data.maximize[i], last=i == len(data.names) - 1)
    if np.ptp(heights[:, 0]) > 0:
        _draw_colours(axes, colours)
    width = max(14, 84 // len(data.names))
    axes.set_xticks(
        places,
        labels=[
            axis_label(name, title, maximize=up, part=data.part, width=width, lines=4)
            for name, title, up in zip(data.names, data.titles, data.maximize, strict=True)
        ],
    )
    axes.tick_params(axis="x", length=0, pad=6, labelsize=SMALL + 1)
    axes.set_yticks([])
    axes.set_xlim(-0.35, len(places) - 0.65)
    axes.set_ylim(-0.04, 1.04)
    axes.set_ylabel("better →")
    axes.spines[:].set_visible(False)
    members = f"{len(order)} member{'' if len(order) == 1 else 's'}"
    title = headline(f"Front of {members}, coloured by {figure_text(data.titles[0], 30, lines=1)}", data.protocol)
    if data.chosen is None:
        axes.set_title(title, loc="left")
    else:
        crown(axes, title, columns=1)
    return axes


def write_parallel_coordinates(path: Path, data: FrontData) -> None:
    """Write `parallel_coordinates` as PNG.

    Raises:
        StorageError: the file cannot be written.
    """

    def draw(figure: Figure) -> None:
        parallel_coordinates(figure.subplots(), data)

    write_figure(path, 0.55 * WIDTH, draw)


def _height(column: FloatArray, scale: Scale, maximize: bool) -> FloatArray:
    """Where values in units stand on an axis on which up is better, 0..1; those that are all equal in the middle."""
    heights = scale.fraction(column)
    return heights if maximize else 1 - heights


def _draw_colours(axes: Axes, colours: Colormap) -> None:
    """The colour bar: the first axis itself, thick, since it bears the numbers that the colours stand for."""
    shades = colours(1 - _DARK + _DARK * np.linspace(0, 1, 256))[:, None, :3]
    axes.imshow(
        shades,
        extent=(-_BAR / 2, _BAR / 2, 0, 1),
        origin="lower",
        aspect="auto",
        interpolation="bilinear",
        zorder=2.5,
    )


def _draw_axis(axes: Axes, at: int, column: FloatArray, scale: Scale, *, maximize: bool, last: bool) -> None:
    """A vertical line with the numbers of its ends and some between."""
    from matplotlib.patheffects import withStroke  # noqa: PLC0415

    axes.plot([at, at], [0, 1], color="0.25", linewidth=1.0, zorder=5)
    ends = np.unique([column.min(), column.max()])
    between, texts = scale.ticks(6)
    inside = scale.fraction(between)
    kept = np.flatnonzero((inside > _APART) & (inside < 1 - _APART) & (len(ends) == 2))
    for values, labels, weight in (
        (ends, [number(value) for value in ends], "bold"),
        (between[kept], [texts[i] for i in kept], "normal"),
    ):
        for height, text in zip(_height(values, scale, maximize), labels, strict=True):
            axes.plot([at - 0.015, at + 0.015], [height, height], color="0.25", linewidth=1.0, zorder=5)
            axes.text(
                at + (0.035 if last else -0.035),
                # Where all lines meet, the number stands above them.
                height if len(ends) == 2 else height + 0.03,
                text,
                ha="left" if last else "right",
                va="center" if len(ends) == 2 else "bottom",
                fontsize=SMALL,
                fontweight=weight,
                path_effects=[withStroke(linewidth=2.5, foreground="white")],
                zorder=6,
            )
