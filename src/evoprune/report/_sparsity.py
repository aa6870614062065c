"""Test accuracy over the share of neurons that are active, for many methods."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from evoprune._types import BoolArray, FloatArray
from evoprune.errors import ConfigError
from evoprune.report._accuracy_axis import apply_accuracy_axis
from evoprune.report._canvas import BLACK, BLUE, GREEN, ORANGE, SMALL, VERMILLION, tidy, write_figure
from evoprune.report._scale import figure_text, headline

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_STRONG = (BLUE, VERMILLION, GREEN, ORANGE)
"""Of emphasised methods."""

_MUTED = ("#88CCEE", "#CC6677", "#999933", "#AA4499", "#44AA99", "#882255", "#DDAA33", "#332288", "#888888")
"""Of all others; told apart with any colour vision (Tol), together with the markers."""

_MARKERS = "osD^vPX<>ph*d8H"
"""More than there are colours, so that a colour that comes back has another marker."""

_DENSE: dict[str, Any] = {"color": BLACK, "linewidth": 1.2, "linestyle": (0, (5, 3))}
_MISSING: dict[str, Any] = {"color": "0.35", "linestyle": "none", "marker": "x", "markersize": 5}

_COLUMNS, _LETTERS = 3, 32
"""Of the legend, and the letters that fit into one."""

_MARGIN = 1.15
"""Factor between the data and the ends of the logarithmic axis."""

_TICKS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 25, 50, 100)
"""Percent."""


@dataclass(frozen=True, eq=False)
class SparsityCurve:
    """What one method reaches.

    Attributes:
        shares: `[K]`, active neurons over all, above 0 up to 1, in any order.
        mean: test accuracy `[K]`, 0..1, mean over seeds; NaN where it is missing.
        std: its standard deviation `[K]`; NaN where it has none, as for one seed.
        seeds: how many each mean is of.

    Raises:
        ConfigError: no shares, ones that are out of range, or lengths that do not fit.
    """

    shares: FloatArray
    mean: FloatArray
    std: FloatArray
    seeds: int

    def __post_init__(self) -> None:
        shapes = [np.shape(of) for of in (self.shares, self.mean, self.std)]
        if shapes != [(len(self.shares),)] * 3 or not len(self.shares):
            raise ConfigError(f"shares, mean and std have the shapes {shapes}; give [K] of one length, 1 or more")
        outside = self.shares[~((self.shares > 0) & (self.shares <= 1))]
        if len(outside):
            raise ConfigError(f"{outside[0]} is no share of active neurons; give numbers above 0 and up to 1")


def sparsity_curves(
    axes: Axes,
    curves: Mapping[str, SparsityCurve],
    dense: tuple[float, float] | None = None,
    *,
    protocol: str,
    emphasised: Sequence[str] = (),
    order: Sequence[str] | None = None,
) -> Axes:
    """One line a method: mean test accuracy over active share (log axis), with a band of one standard deviation.

    The accuracy axis is stretched towards 100 %, where the methods lie close together. A value that is missing breaks
    the line, and is marked at the bottom.

    Args:
        axes: to draw into. It gets no legend; `write_sparsity` draws one for all panels.
        curves: of each method.
        dense: mean and standard deviation of the head that is not pruned, for a dashed line with its band.
        protocol: named in the axis label where it is `paper`.
        emphasised: methods drawn in front, with thick lines and full markers.
        order: all methods of the figure, in the order of their colours; without it those of `curves`.

    Returns:
        The axes.

    Raises:
        ConfigError: no curve, or a method that is not in the order.
    """
    if not curves:
        raise ConfigError("no method is given whose accuracy could be drawn; give one or more")
    looks = _looks(list(curves) if order is None else order, emphasised)
    for name in curves:
        if name not in looks:
            raise ConfigError(f"the order lacks {name!r}; give all methods that the figure shows")
        _draw_curve(axes, curves[name], name, looks[name])
    drawn = [_band(curve.mean, curve.std) for curve in curves.values()]
    if dense is not None:
        middle, low, high = (float(value) for value in _band(*np.array(dense)))
        drawn.append(np.array([middle, low, high]))
        axes.axhspan(low, high, color="0.5", alpha=0.15, linewidth=0)
        axes.axhline(middle, label="not pruned", zorder=2.2, **_DENSE)
    apply_accuracy_axis(axes, np.concatenate([np.ravel(values) for values in drawn]))
    _set_share_axis(axes, 100 * np.concatenate([curve.shares for curve in curves.values()]))
    axes.set_xlabel("active share, %")
    axes.set_ylabel(f"test accuracy, %{' (paper protocol)' if protocol == 'paper' else ''} ↑")
    tidy(axes)
    return axes


def write_sparsity(
    path: Path,
    panels: Mapping[str, Mapping[str, SparsityCurve]],
    dense: Mapping[str, tuple[float, float]] | None = None,
    *,
    protocol: str,
    emphasised: Sequence[str] = (),
) -> None:
    """Write `sparsity_curves` as PNG, one panel a data set, with one legend below.

    Args:
        path: the file.
        panels: of each data set the curves of its methods; a method has the same look in all of them.
        dense: of each data set mean and standard deviation of the head that is not pruned, as far as they are known.
        protocol: named in the title where it is `paper`.
        emphasised: methods drawn in front.

    Raises:
        ConfigError: no data set, or one without curves.
        StorageError: the file cannot be written.
    """
    if not panels:
        raise ConfigError("no data set is given whose methods could be drawn; give one or more")
    # Emphasised methods first, then all others as they come.
    given = dict.fromkeys(name for curves in panels.values() for name in curves)
    names = [*(name for name in given if name in emphasised), *(name for name in given if name not in emphasised)]
    columns = 1 if len(panels) == 1 else 2
    rows = -(-len(panels) // columns)
    missing = any(not np.isfinite(curve.mean).all() for curves in panels.values() for curve in curves.values())

    def draw(figure: Figure) -> None:
        grid = figure.subplots(rows, columns, squeeze=False)
        for axes in grid.flat[len(panels) :]:
            axes.set_axis_off()
        for axes, (dataset, curves) in zip(grid.flat, panels.items(), strict=False):
            known = (dense or {}).get(dataset)
            sparsity_curves(axes, curves, known, protocol=protocol, emphasised=emphasised, order=names)
            axes.set_title(figure_text(dataset, 76 // columns, lines=1), loc="left")
        for axes in grid[:, 1:].flat:
            axes.set_ylabel("")
        _add_legend(figure, _looks(names, emphasised), dense=bool(dense), missing=missing)
        figure.suptitle(headline(f"Mean ± standard deviation{_seeds(panels)}", protocol), x=0.01, ha="left", fontsize=9)

    write_figure(path, 0.6 + 0.17 * -(-(len(names) + 1) // _COLUMNS) + (3.6 if columns == 1 else 2.6) * rows, draw)


def _looks(names: Sequence[str], emphasised: Sequence[str]) -> dict[str, dict[str, Any]]:
    """How each method is drawn."""
    strong = [name for name in names if name in emphasised]
    muted = [name for name in names if name not in emphasised]
    looks: dict[str, dict[str, Any]] = {}
    for i, name in enumerate(strong):
        colour = _STRONG[i % len(_STRONG)]
        looks[name] = {"color": colour, "linewidth": 2.2, "markersize": 6, "mec": "white", "mew": 0.6, "zorder": 4}
    for i, name in enumerate(muted):
        colour = _MUTED[i % len(_MUTED)]
        looks[name] = {"color": colour, "linewidth": 1.0, "markersize": 4.5, "mfc": "white", "mew": 1.0, "zorder": 3}
        if i >= len(_MUTED):
            looks[name]["linestyle"] = (0, (4, 1.5))
    for i, name in enumerate([*strong, *muted]):
        looks[name]["marker"] = _MARKERS[i % len(_MARKERS)]
    return looks


def _draw_curve(axes: Axes, curve: SparsityCurve, name: str, look: dict[str, Any]) -> None:
    order = np.argsort(curve.shares, kind="stable")
    shares = 100 * curve.shares[order]
    middle, low, high = _band(curve.mean[order], curve.std[order])
    strong = look["zorder"] > 3
    axes.plot(shares, middle, label=name, **look)
    axes.fill_between(shares, low, high, color=look["color"], alpha=0.2 if strong else 0.08, linewidth=0, zorder=2)
    alone = np.isfinite(middle) & ~_joined(np.isfinite(middle))
    # The band of a point without neighbours has no width.
    axes.vlines(shares[alone], low[alone], high[alone], color=look["color"], linewidth=1.0, zorder=look["zorder"])
    missing = shares[~np.isfinite(middle)]
    if len(missing):
        edge = axes.get_xaxis_transform()
        axes.plot(missing, np.full(len(missing), 0.02), transform=edge, **{**_MISSING, "color": look["color"]})


def _band(mean: FloatArray, std: FloatArray) -> FloatArray:
    """Mean, lower and upper end in percent, `[3, ...]`; a spread that is not known is 0."""
    spread = np.nan_to_num(std)
    return 100 * np.clip(np.stack([mean, mean - spread, mean + spread]), 0.0, 1.0)


def _joined(there: BoolArray) -> BoolArray:
    """Which points `[K]` have a neighbour."""
    joined = np.zeros_like(there)
    joined[1:] |= there[:-1]
    joined[:-1] |= there[1:]
    return joined


def _set_share_axis(axes: Axes, shares: FloatArray) -> None:
    """A logarithmic axis of shares in percent, with plain numbers: two or more."""
    low, high = float(shares.min()) / _MARGIN, float(shares.max()) * _MARGIN
    if sum(low <= tick <= high for tick in _TICKS) < 2:
        low = max((tick for tick in _TICKS if tick <= low), default=low) / 1.02
        high = min((tick for tick in _TICKS if tick >= high), default=high) * 1.02
    ticks = [tick for tick in _TICKS if low <= tick <= high]
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    axes.set_xticks(ticks, labels=[f"{tick:g}" for tick in ticks])
    axes.set_xticks([], minor=True)


def _seeds(panels: Mapping[str, Mapping[str, SparsityCurve]]) -> str:
    counts = {curve.seeds for curves in panels.values() for curve in curves.values()}
    few, many = min(counts), max(counts)
    if few == many:
        return f" over {few} seed{'' if few == 1 else 's'}"
    return f" over {few} to {many} seeds"


def _add_legend(figure: Figure, looks: Mapping[str, dict[str, Any]], *, dense: bool, missing: bool) -> None:
    """All methods of all panels below them, each once."""
    from matplotlib.lines import Line2D  # noqa: PLC0415

    shown = {figure_text(name, _LETTERS, lines=1): look for name, look in looks.items()}
    if dense:
        shown["not pruned"] = _DENSE
    if missing:
        shown["missing"] = _MISSING
    figure.legend(
        [Line2D([], [], **look) for look in shown.values()],
        list(shown),
        loc="outside lower left",
        ncols=_COLUMNS,
        frameon=False,
        fontsize=SMALL,
        columnspacing=1.2,
        handlelength=2.2,
        handletextpad=0.5,
    )
