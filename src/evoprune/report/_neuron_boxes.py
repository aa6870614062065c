"""What the members of a front that have a neuron achieve."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from evoprune._types import FloatArray
from evoprune.errors import ConfigError
from evoprune.report._canvas import BLACK, BLUE, SMALL, VERMILLION, tidy, write_figure
from evoprune.report._front import FrontData
from evoprune.report._scale import axis_label, headline, in_units

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SHOWN = 24
"""Many more boxes than this leave no room for their numbers."""


def neuron_boxes(axes: Axes, data: FrontData, neurons: Sequence[int], objective: int) -> Axes:
    """One box of all members of a front, and one for each neuron of the members that have it.

    Boxes show median and quartiles, whiskers reach to the last member within 1.5 interquartile ranges (Tukey);
    every member is a dot.

    Args:
        axes: to draw into.
        data: the front; a neuron's number is its column of `genomes`, from 0.
        neurons: one or more.
        objective: its place among the front's objectives.

    Returns:
        The axes.

    Raises:
        ConfigError: there is no neuron to show, or more than 24.
    """
    if not 1 <= len(neurons) <= _SHOWN:
        raise ConfigError(f"{len(neurons)} neurons cannot be shown side by side; give 1 to {_SHOWN}")
    name = data.names[objective]
    values = in_units(name, data.shown[:, objective])
    groups = [values, *(values[data.genomes[:, neuron]] for neuron in neurons)]
    for place, group in enumerate(groups):
        _draw_box(axes, place, group, BLACK if place == 0 else BLUE)
    axes.axhline(float(np.median(values)), color=VERMILLION, linewidth=0.9, linestyle=(0, (5, 3)), zorder=1)
    axes.axvline(0.5, color="0.7", linewidth=0.8)
    axes.set_xlim(-0.6, len(neurons) + 0.6)
    axes.set_xticks(range(len(groups)), labels=["all", *map(str, neurons)], rotation=90 if len(neurons) > 12 else 0)
    axes.set_ylabel(
        axis_label(name, data.titles[objective], maximize=data.maximize[objective], part=data.part, width=26)
    )
    tidy(axes)
    axes.grid(visible=False, axis="x")
    return axes


def write_neuron_boxes(path: Path, data: FrontData, neurons: Sequence[int]) -> None:
    """Write `neuron_boxes` as PNG, one panel an objective.

    Raises:
        ConfigError: there is no neuron to show, or more than 24.
        StorageError: the file cannot be written.
    """

    def draw(figure: Figure) -> None:
        panels = figure.subplots(len(data.names), sharex=True, squeeze=False)[:, 0]
        for objective, axes in enumerate(panels):
            neuron_boxes(axes, data, neurons, objective)
        counts = [len(data.genomes), *(int(data.genomes[:, neuron].sum()) for neuron in neurons)]
        for place, count in enumerate(counts):
            panels[0].annotate(
                str(count),
                (place, 1),
                xycoords=("data", "axes fraction"),
                xytext=(0, 2),
                textcoords="offset points",
                ha="center",
                va="bottom",
                fontsize=SMALL,
                color="0.35",
            )
        panels[-1].set_xlabel("neuron (above: members that have it; dashed: median of all)")
        panels[0].set_title(headline("Members of the front that have each neuron", data.protocol), loc="left", pad=16)

    write_figure(path, 0.75 + 1.75 * len(data.names), draw)


def _draw_box(axes: Axes, place: int, values: FloatArray, colour: str) -> None:
    line = {"color": colour, "linewidth": 1.0}
    axes.boxplot(
        [values],
        positions=[place],
        widths=0.55,
        showfliers=False,
        manage_ticks=False,
        boxprops=line,
        whiskerprops=line,
        capprops=line,
        medianprops={"color": VERMILLION, "linewidth": 1.4},
    )
    # Side by side in the order of their values, so that equal ones are seen as several.
    beside = place + 0.36 * (np.linspace(-0.5, 0.5, len(values)) if len(values) > 1 else np.zeros(len(values)))
    axes.plot(beside, values, "o", color=colour, ms=2.2, alpha=0.35, mew=0)
