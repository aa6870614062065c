"""Which neurons stand in the members of a front together."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from evoprune._types import BoolArray, FloatArray, IntArray
from evoprune.errors import ConfigError
from evoprune.report._canvas import BLUE, SMALL, WIDTH, write_figure
from evoprune.report._front import FrontData
from evoprune.report._scale import headline

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_PAIRS = 40
"""Many more chords than this hide each other."""

_INNER, _BAR = 1.03, 0.16
"""Where a neuron's bar begins, and its length for one that stands in all members; the circle's radius is 1."""

_FLAT = 24
"""So many labels stand around the circle without touching; more are turned outwards."""


def neuron_chord(axes: Axes, data: FrontData, *, top: int = 20, threshold: float = 0.5) -> Axes:
    """The most frequent neurons on a circle, with a chord between two that many members hold together.

    Clockwise from the top, by their numbers; the bar outside shows the share of members that hold the neuron.
    The larger the share of members that hold both, the wider and darker the chord. Of more than 40 pairs above the
    threshold only the 40 strongest are drawn, and those that are as strong as the 40th.

    Args:
        axes: to draw into.
        data: the front; a neuron's number is its column of `genomes`, from 0.
        top: how many neurons.
        threshold: smallest share of members, 0..1, that hold both neurons of a chord.

    Returns:
        The axes.

    Raises:
        ConfigError: `top` is below 1, or `threshold` not from 0 to 1.
    """
    from matplotlib.patches import PathPatch, Wedge  # noqa: PLC0415
    from matplotlib.path import Path as Curve  # noqa: PLC0415

    if top < 1:
        raise ConfigError(f"{top} neurons cannot stand on a circle; give 1 or more")
    if not 0 <= threshold <= 1:
        raise ConfigError(f"the threshold {threshold} is no share of members; give a number from 0 to 1")
    neurons, together = _co_occurrence(data.genomes, top)
    pairs, shares = _strongest(together, threshold)
    angles = 90 - 360 * np.arange(len(neurons)) / max(len(neurons), 1)
    at = np.column_stack([np.cos(np.radians(angles)), np.sin(np.radians(angles))])

    looks = _looks(shares)
    # The strongest are drawn last, over the others.
    for pair in np.argsort(shares, kind="stable"):
        start, end = 1.02 * at[pairs[pair]]
        # Chords bend towards the centre, those between neighbours less.
        bend = 0.85 - 0.35 * float(np.hypot(*(end - start)))
        path = Curve([start, bend * start, bend * end, end], [Curve.MOVETO, Curve.CURVE4, Curve.CURVE4, Curve.CURVE4])
        axes.add_patch(PathPatch(path, fill=False, zorder=2, **looks[pair]))
    half = 0.4 * 360 / max(len(neurons), 8)
    for i, (neuron, angle) in enumerate(zip(neurons, angles, strict=True)):
        for length, colour in ((1.0, "0.92"), (float(together[i, i]), BLUE)):
            reach = _BAR * length
            axes.add_patch(Wedge((0, 0), _INNER + reach, angle - half, angle + half, width=reach, color=colour, lw=0))
        _write_number(axes, int(neuron), at[i], angle if len(neurons) > _FLAT else 0.0)
    if not len(shares):
        note = (
            f"no two neurons stand together\nin {100 * threshold:g} % of the members"
            if len(neurons)
            else "none is active"
        )
        axes.text(0, 0, note, ha="center", va="center", fontsize=SMALL, color="0.35")
    _add_legend(axes, shares, looks)
    axes.set_xlim(-1.95, 1.95)
    axes.set_ylim(-1.46, 1.46)
    axes.set_aspect("equal")
    axes.set_axis_off()
    which = f"{len(neurons)} most frequent neurons" if len(neurons) != 1 else "The most frequent neuron"
    members = f"{len(data.genomes)} member{'' if len(data.genomes) == 1 else 's'}"
    axes.set_title(headline(f"{which} of {members}", data.protocol), loc="left")
    return axes


def write_neuron_chord(path: Path, data: FrontData, *, top: int = 20, threshold: float = 0.5) -> None:
    """Write `neuron_chord` as PNG.

    Raises:
        ConfigError: `top` is below 1, or `threshold` not from 0 to 1.
        StorageError: the file cannot be written.
    """

    def draw(figure: Figure) -> None:
        neuron_chord(figure.subplots(), data, top=top, threshold=threshold)

    write_figure(path, 0.78 * WIDTH, draw)


def _co_occurrence(genomes: BoolArray, top: int) -> tuple[IntArray, FloatArray]:
    """The `top` most frequent neurons `[K]`, sorted, and the shares `[K, K]` of genomes `[P, L]` that hold two of them.

    Neurons that are active in no genome are left out; of equally frequent ones the lower number comes first.
    """
    frequency = genomes.mean(axis=0)
    neurons = np.argsort(-frequency, kind="stable")[:top]
    neurons = np.sort(neurons[frequency[neurons] > 0])
    bits = genomes[:, neurons].astype(np.float64)
    together: FloatArray = bits.T @ bits / len(genomes)
    return neurons, together


def _strongest(together: FloatArray, threshold: float) -> tuple[IntArray, FloatArray]:
    """Pairs to draw `[C, 2]` and their shares `[C]`, from shares `[K, K]`."""
    pairs = np.argwhere(np.triu(np.ones_like(together, dtype=np.bool_), k=1))
    shares = together[pairs[:, 0], pairs[:, 1]]
    limit = np.sort(shares)[-_PAIRS] if len(shares) > _PAIRS else 0.0
    drawn = (shares >= max(limit, threshold)) & (shares > 0)
    return pairs[drawn], shares[drawn]


def _looks(shares: FloatArray) -> list[dict[str, Any]]:
    """How chords of these shares `[C]` are drawn: from thin and light, the weakest, to wide and dark, the strongest."""
    from matplotlib import colormaps  # noqa: PLC0415

    if not len(shares):
        return []
    size = float(np.ptp(shares))
    strength = (shares - shares.min()) / size if size else np.ones_like(shares)
    # Many equally strong chords would fill the circle.
    widest = 3.0 * min(1.0, 1.5 * _PAIRS / len(shares))
    colours = colormaps["viridis_r"](0.2 + 0.8 * strength)
    widths = 0.6 + (widest - 0.6) * strength
    return [{"color": colour, "linewidth": width, "alpha": 0.8} for colour, width in zip(colours, widths, strict=True)]


def _write_number(axes: Axes, neuron: int, at: FloatArray, turned: float) -> None:
    """A neuron's number outside its bar, at the place `[2]` on the circle; `turned` by so many degrees."""
    x, y = (_INNER + _BAR + 0.03) * at
    upright = (turned + 90) % 360 - 90
    flipped = upright > 90
    axes.text(
        x,
        y,
        str(neuron),
        ha="center" if abs(x) < 0.1 and not turned else "left" if x > 0 else "right",
        va="center" if abs(y) < 1.1 or turned else "bottom" if y > 0 else "top",
        rotation=upright - 180 if flipped else upright,
        rotation_mode="anchor",
        fontsize=SMALL,
    )


def _add_legend(axes: Axes, shares: FloatArray, looks: list[dict[str, Any]]) -> None:
    """The meaning of the bars, and of the weakest and the strongest chord."""
    from matplotlib.lines import Line2D  # noqa: PLC0415
    from matplotlib.patches import Patch  # noqa: PLC0415

    handles: list[Line2D | Patch] = [Patch(color=BLUE, label="share of members")]
    _, chords = np.unique(shares, return_index=True)
    for pair in chords[[0, -1]] if len(chords) > 1 else chords:
        handles.append(Line2D([], [], label=f"together in {100 * shares[pair]:.0f} %", **looks[pair]))
    axes.legend(handles=handles, frameon=False, fontsize=SMALL, loc="lower left", borderaxespad=0)
