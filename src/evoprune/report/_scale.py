"""How an objective stands on an axis: its label, its unit, its limits and its ticks."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from evoprune._types import FloatArray
from evoprune.report._text import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COUNTED = frozenset({"active", "parameters", "flops"})
"""Objectives that are counted in the genome: the same on every part of the images, and best seen in ratios."""

_GLUE = "\u00a0"
"""A space at which no line is broken."""

_DECADE = 10.0
_LARGE = 10_000.0


def in_units(name: str, values: FloatArray) -> FloatArray:
    """Values of an objective as figures show them: the active share in percent, all others as they are."""
    return 100 * values if name == "active" else values


def figure_text(text: str, width: int, *, lines: int = 2, end: str = "") -> str:
    """Text from elsewhere, safe to draw: wrapped to lines of `width` characters, and cut short if they are too many.

    A dollar sign would start a formula, and an odd one could not be drawn at all.

    Args:
        text: of any length.
        width: characters in a line.
        lines: the most there may be.
        end: follows the text, and is never cut.
    """
    whole = printable(text)
    for length in range(min(len(whole), width * lines), 0, -1):
        kept = whole if length == len(whole) else f"{whole[:length].rstrip()}…"
        wrapped = textwrap.wrap(kept + end, width)
        if len(wrapped) <= lines:
            break
    else:
        wrapped = [end]
    return "\n".join(wrapped).replace("$", r"\$")


def axis_label(
    name: str, title: str, *, maximize: bool, part: str | None = None, width: int = 40, lines: int = 3
) -> str:
    """Title, unit, part and direction of an objective: `accuracy (validation) ↑`, `active share, % ↓`.

    Args:
        name: of the objective.
        title: of the objective.
        maximize: True where larger is better.
        part: of the images; left out for what is counted in the genome.
        width: characters in a line.
        lines: the most there may be; a longer title is cut short.
    """
    unit = f",{_GLUE}%" if name == "active" else ""
    measured = f" ({part})" if part is not None and name not in _COUNTED else ""
    return figure_text(title, width, lines=lines, end=f"{unit}{measured}{_GLUE}{'↑' if maximize else '↓'}")


def headline(text: str, protocol: str) -> str:
    """The title of a figure; it names the paper protocol, whose values are of the part that was searched on."""
    return f"{text} (paper protocol: selected on the test part)" if protocol == "paper" else text


@dataclass(frozen=True)
class Scale:
    """An axis of one objective, in the unit in which figures show it.

    Attributes:
        low: where the axis begins.
        high: where it ends.
        log: True for a logarithmic axis.
    """

    low: float
    high: float
    log: bool

    @classmethod
    def around(cls, name: str, *values: FloatArray, margin: float = 0.06) -> Scale:
        """The axis that holds all finite ones of some values of any shape (natural sign), with a margin.

        It is logarithmic for what is counted in the genome where that spans more than a decade.

        Args:
            name: of the objective.
            values: to be held.
            margin: on both sides, as a share of the whole.
        """
        flat = in_units(name, np.concatenate([np.ravel(some) for some in values]))
        finite = flat[np.isfinite(flat)]
        if not finite.size:
            return cls(0.0, 1.0, log=False)
        low, high = float(finite.min()), float(finite.max())
        if name in _COUNTED and 0 < _DECADE * low < high:
            factor = (high / low) ** margin
            return cls(low / factor, high * factor, log=True)
        size = max(abs(low), abs(high))
        pad = margin * (high - low) if high - low > 1e-9 * size else 0.01 * max(size, 1.0)
        return cls(low - pad, high + pad, log=False)

    def place(self, values: FloatArray) -> FloatArray:
        """Values in units, on a linear axis: their logarithms (base 10) if the scale is logarithmic."""
        return np.log10(values) if self.log else values

    def fraction(self, values: FloatArray) -> FloatArray:
        """Where values in units stand on the axis: 0 at its beginning, 1 at its end."""
        low, high = self.place(np.array([self.low, self.high]))
        placed: FloatArray = (self.place(values) - low) / (high - low)
        return placed

    def ticks(self, count: int = 5) -> tuple[FloatArray, list[str]]:
        """Round values on the axis, in units, about `count`; and their texts."""
        if self.log:
            values = self._round_powers(count)
            return values, [number(value) for value in values]
        from matplotlib.ticker import MaxNLocator  # noqa: PLC0415

        locator = MaxNLocator(nbins=count, steps=[1, 2, 2.5, 5, 10], min_n_ticks=min(3, count - 1))
        values = np.asarray(locator.tick_values(self.low, self.high))
        values = values[(values >= self.low) & (values <= self.high)]
        unit, letter = _thousands(float(np.abs(values).max(initial=0.0)))
        shown = values / unit
        # As many digits as it takes to tell the ticks apart.
        step = float(np.diff(shown).min()) if len(shown) > 1 else 1.0
        digits = next((n for n in range(12) if np.allclose(shown, np.round(shown, n), rtol=0, atol=1e-3 * step)), 12)
        return values, [f"{value:.{digits}f}{letter}" if value else "0" for value in shown]

    def _round_powers(self, count: int) -> FloatArray:
        """Ticks of a logarithmic axis: the most for which no two are nearer than they should be on average."""
        decades = np.log10(self.high / self.low)
        powers = np.arange(np.floor(np.log10(self.low)), np.ceil(np.log10(self.high)) + 1)
        apart = 0.8 * decades / count
        if np.log10(2) >= apart:
            steps = [1.0, 2.0, 5.0]
        elif np.log10(3) >= apart:
            steps = [1.0, 3.0]
        else:
            steps = [1.0]
            powers = powers[:: int(np.ceil(apart))]
        values = np.outer(10.0**powers, steps).ravel()
        return values[(values >= self.low) & (values <= self.high)]

    def apply(self, axes: Axes, which: str, *, count: int = 5, labelled: bool = True) -> None:
        """Set limits, kind and ticks of the `x` or `y` axis.

        Args:
            axes: to be set.
            which: `x` or `y`.
            count: about how many ticks.
            labelled: write numbers at the ticks.
        """
        ticks, texts = self.ticks(count)
        kind, limits = "log" if self.log else "linear", (self.low, self.high)
        if which == "x":
            axes.set_xscale(kind)
            axes.set_xlim(*limits)
        else:
            axes.set_yscale(kind)
            axes.set_ylim(*limits)
        axis = axes.xaxis if which == "x" else axes.yaxis
        axis.set_ticks(ticks, labels=texts if labelled else [""] * len(ticks))
        axis.set_ticks([], minor=True)


def number(value: float) -> str:
    """A single value as text, to three digits (whole numbers below 10,000 in full), from then on as `12.3k`."""
    unit, letter = _thousands(abs(value))
    if letter or abs(value) < 1000:
        return f"{float(f'{value / unit:.3g}'):g}{letter}"
    return f"{value:.0f}"


def _thousands(size: float) -> tuple[float, str]:
    """The unit in which a number of this size is written, and its letter; none below 10,000."""
    units = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
    return next(((unit, letter) for unit, letter in units if size >= max(unit, _LARGE)), (1.0, ""))
