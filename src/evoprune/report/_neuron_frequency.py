"""How often each neuron stands in the members of a front."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from evoprune._types import FloatArray, IntArray
from evoprune.report._canvas import BLUE, ORANGE, tidy, write_figure
from evoprune.report._scale import headline

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def neuron_frequency_curve(axes: Axes, frequency: FloatArray, neurons: IntArray, *, members: int) -> Axes:
    """Every neuron, from the most frequent to those in no member, with some of them marked.

    Args:
        axes: to draw into.
        frequency: share of members that have each neuron `[L]`, 0..1.
        neurons: which to mark `[K]`.
        members: P, of the front.

    Returns:
        The axes.
    """
    order = np.argsort(-frequency, kind="stable")
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(1, len(order) + 1)
    never = int((frequency == 0).sum())
    axes.fill_between(np.arange(1, len(order) + 1), 100 * frequency[order], step="mid", color=BLUE, alpha=0.25, lw=0)
    axes.step(np.arange(1, len(order) + 1), 100 * frequency[order], where="mid", color=BLUE, linewidth=1.2)
    axes.plot(
        rank[neurons], 100 * frequency[neurons], "o", color=ORANGE, ms=4, label="shown on the right", clip_on=False
    )
    if never:
        axes.plot([], [], " ", label=f"{never:,} in none")
    axes.set_xlim(0, len(order) + 1)
    axes.set_ylim(0, 105)
    axes.set_xlabel(f"all {len(order):,} neurons, most frequent first")
    axes.set_ylabel(f"members that have it, % of {members}")
    axes.legend(frameon=False, loc="upper right", borderaxespad=0.1, handletextpad=0.2, alignment="left")
    tidy(axes)
    return axes


def write_neuron_frequency(
    path: Path, frequency: FloatArray, neurons: IntArray, *, members: int, protocol: str
) -> None:
    """Write `neuron_frequency_curve` as PNG, with bars of some neurons beside it.

    Args:
        path: the file.
        frequency: share of members that have each neuron `[L]`, 0..1.
        neurons: which to show by name `[K]`, from top to bottom.
        members: P, of the front.
        protocol: `nested` or `paper`.

    Raises:
        StorageError: the file cannot be written.
    """

    def draw(figure: Figure) -> None:
        left, right = figure.subplots(1, 2, width_ratios=(3, 2))
        neuron_frequency_curve(left, frequency, neurons, members=members)
        left.set_title(headline("How often each neuron stands in the front", protocol), loc="left")
        places = np.arange(len(neurons))
        right.barh(places, 100 * frequency[neurons], color=ORANGE, height=0.65)
        right.set_yticks(places, labels=[str(neuron) for neuron in neurons])
        right.invert_yaxis()
        right.set_xlim(0, 105)
        right.set_xlabel("members that have it, %")
        right.set_ylabel("neuron")
        tidy(right)
        right.grid(visible=False, axis="y")

    write_figure(path, max(2.8, 0.6 + 0.19 * len(neurons)), draw)
