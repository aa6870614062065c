"""Hypervolume over evaluations."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from evoprune._types import FloatArray, IntArray
from evoprune.errors import ConfigError
from evoprune.report._canvas import BLACK, BLUE, WIDTH, crown, tidy, write_figure
from evoprune.report._scale import Scale, figure_text, headline, in_units, number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def hypervolume_curve(
    axes: Axes,
    evaluations: Sequence[IntArray],
    hypervolume: Sequence[FloatArray],
    reference: FloatArray,
    names: Sequence[str],
    *,
    protocol: str,
) -> Axes:
    """Hypervolume over the number of evaluations; of several runs each thinly, with median and quartiles.

    Median and quartiles reach as far as all runs do.

    Args:
        axes: to draw into.
        evaluations: of each run, numbers `[E]` in growing order.
        hypervolume: of each run, that of all evaluations up to these `[E]`; larger is better.
        reference: point `[M]` that it is counted from, in natural sign.
        names: M names of objectives.
        protocol: named in the title where it is `paper`.

    Returns:
        The axes.

    Raises:
        ConfigError: no run, an empty one, or lengths that do not fit.
    """
    from matplotlib.ticker import MaxNLocator  # noqa: PLC0415

    _check(evaluations, hypervolume, reference, names)
    runs = len(evaluations)
    width, alpha = (1.6, 1.0) if runs == 1 else (0.7, 0.45)
    for at, values in zip(evaluations, hypervolume, strict=True):
        axes.step(at, values, where="post", color=BLUE, linewidth=width, alpha=alpha)
    axes.lines[-1].set_label("the run" if runs == 1 else f"{runs} runs")
    common, stacked = _on_one_grid(evaluations, hypervolume)
    if runs > 1 and len(common):
        low, middle, high = np.quantile(stacked, [0.25, 0.5, 0.75], axis=0)
        axes.fill_between(common, low, high, step="post", color=BLUE, alpha=0.2, linewidth=0, label="middle half")
        axes.step(common, middle, where="post", color=BLACK, linewidth=1.6, label="median")
    Scale.around("hypervolume", *hypervolume).apply(axes, "y")
    axes.set_xlim(0, 1.02 * max(int(at[-1]) for at in evaluations))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    axes.set_xlabel("evaluation")
    axes.set_ylabel("hypervolume ↑")
    tidy(axes)
    crown(axes, figure_text(headline(f"Reference: {_point(reference, names)}", protocol), 90), columns=3)
    return axes


def write_hypervolume_curve(
    path: Path,
    evaluations: Sequence[IntArray],
    hypervolume: Sequence[FloatArray],
    reference: FloatArray,
    names: Sequence[str],
    *,
    protocol: str,
) -> None:
    """Write `hypervolume_curve` as PNG.

    Raises:
        ConfigError: no run, an empty one, or lengths that do not fit.
        StorageError: the file cannot be written.
    """

    def draw(figure: Figure) -> None:
        hypervolume_curve(figure.subplots(), evaluations, hypervolume, reference, names, protocol=protocol)

    write_figure(path, 0.52 * WIDTH, draw)


def _check(
    evaluations: Sequence[IntArray], hypervolume: Sequence[FloatArray], reference: FloatArray, names: Sequence[str]
) -> None:
    lengths = [len(at) for at in evaluations], [len(values) for values in hypervolume]
    if lengths[0] != lengths[1] or not lengths[0] or 0 in lengths[0]:
        raise ConfigError(
            f"runs of {lengths[0]} evaluations have {lengths[1]} values of the hypervolume; "
            "give one for each evaluation, and one run or more"
        )
    if len(reference) != len(names):
        raise ConfigError(f"the reference point has {len(reference)} coordinates for {len(names)} names; give one each")


def _on_one_grid(evaluations: Sequence[IntArray], hypervolume: Sequence[FloatArray]) -> tuple[IntArray, FloatArray]:
    """All numbers of evaluations `[G]` that every run reaches, and each run's hypervolume there `[R, G]`."""
    grid = np.unique(np.concatenate(list(evaluations)))
    grid = grid[(grid >= max(at[0] for at in evaluations)) & (grid <= min(at[-1] for at in evaluations))]
    rows = [
        values[np.searchsorted(at, grid, side="right") - 1] for at, values in zip(evaluations, hypervolume, strict=True)
    ]
    return grid, np.stack(rows)


def _point(reference: FloatArray, names: Sequence[str]) -> str:
    """A point in words: `accuracy 0, active 100 %`."""
    shown = [
        f"{name} {number(float(in_units(name, value)))}{' %' if name == 'active' else ''}"
        for name, value in zip(names, reference, strict=True)
    ]
    return ", ".join(shown)
