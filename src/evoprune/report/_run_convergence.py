"""How the best fitness of several runs grows, search by search."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from evoprune._types import FloatArray
from evoprune.errors import ConfigError
from evoprune.report._canvas import BLACK, BLUE, GREEN, ORANGE, SMALL, VERMILLION, tidy, write_figure
from evoprune.report._scale import Scale, figure_text, headline

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLOURS = (BLUE, VERMILLION, GREEN, ORANGE)
_STYLES: tuple[Any, ...] = ("-", (0, (6, 1.5)), (0, (1, 1.2)), (0, (4, 1.5, 1, 1.5)))
"""Of the means, one a search; from the fifth search on a colour comes back with another line."""

_DENSE: dict[str, Any] = {"color": BLACK, "linewidth": 1.2, "linestyle": (0, (2, 3))}

_START = 0.05
"""Share of the evaluations whose best may lie below the axis: the first few can be bad without bound."""


def run_convergence(
    axes: Axes,
    searches: Mapping[str, Sequence[FloatArray]],
    dense: float | None = None,
    *,
    protocol: str,
    order: Sequence[str] | None = None,
) -> Axes:
    """Best accuracy so far over the number of evaluations: one thin line a run, and the mean of each search.

    A run that ended early stays where it ended. The first twentieth of the evaluations may lie below the axis.

    Args:
        axes: to draw into. It gets no legend; `write_run_convergence` draws one for all panels.
        searches: of each search its runs, each the best accuracy up to every evaluation `[E]`, 0..1; NaN before the
            first that succeeded.
        dense: accuracy of the head that is not pruned, for a dashed line.
        protocol: named in the axis label where it is `paper`.
        order: all searches of the figure, in the order of their colours; without it those of `searches`.

    Returns:
        The axes.

    Raises:
        ConfigError: no search, one without runs, an empty run, or a search that is not in the order.
    """
    from matplotlib.ticker import MaxNLocator  # noqa: PLC0415

    if not searches or not all(len(runs) and all(len(run) for run in runs) for runs in searches.values()):
        raise ConfigError("a search without evaluations cannot be drawn; give each search a run or more")
    looks = _looks(list(searches) if order is None else order)
    length = max(len(run) for runs in searches.values() for run in runs)
    shown = [np.empty(0) if dense is None else np.array([100 * dense])]
    for name, runs in searches.items():
        if name not in looks:
            raise ConfigError(f"the order lacks {name!r}; give all searches that the figure shows")
        lines = [100 * np.concatenate([run, np.full(length - len(run), run[-1])]) for run in runs]
        for line in lines:
            axes.step(np.arange(1, length + 1), line, where="post", color=looks[name]["color"], lw=0.6, alpha=0.45)
        mean = np.mean(lines, axis=0)
        axes.step(np.arange(1, length + 1), mean, where="post", label=name, **looks[name])
        shown += [line[int(_START * length) :] for line in lines]
    if dense is not None:
        axes.axhline(100 * dense, label="not pruned", zorder=1.5, **_DENSE)
    Scale.around("accuracy", *shown).apply(axes, "y")
    axes.set_xlim(0, length + 1)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    axes.set_xlabel("evaluation")
    part = "test part, paper protocol" if protocol == "paper" else "validation part"
    axes.set_ylabel(f"best accuracy, % ({part}) ↑")
    tidy(axes)
    return axes


def write_run_convergence(
    path: Path,
    panels: Mapping[str, Mapping[str, Sequence[FloatArray]]],
    dense: Mapping[str, float] | None = None,
    *,
    protocol: str,
) -> None:
    """Write `run_convergence` as PNG, one panel a data set, with one legend below.

    Args:
        path: the file.
        panels: of each data set the runs of its searches; a search has the same look in all of them.
        dense: of each data set the accuracy of the head that is not pruned, as far as it is known.
        protocol: named in the title where it is `paper`.

    Raises:
        ConfigError: no data set, or one without runs.
        StorageError: the file cannot be written.
    """
    if not panels:
        raise ConfigError("no data set is given whose searches could be drawn; give one or more")
    names = list(dict.fromkeys(name for searches in panels.values() for name in searches))
    columns = 1 if len(panels) == 1 else 2
    rows = -(-len(panels) // columns)

    def draw(figure: Figure) -> None:
        from matplotlib.lines import Line2D  # noqa: PLC0415

        grid = figure.subplots(rows, columns, squeeze=False)
        for axes in grid.flat[len(panels) :]:
            axes.set_axis_off()
        for axes, (dataset, searches) in zip(grid.flat, panels.items(), strict=False):
            run_convergence(axes, searches, (dense or {}).get(dataset), protocol=protocol, order=names)
            axes.set_title(figure_text(dataset, 76 // columns, lines=1), loc="left")
        for axes in grid[:, 1:].flat:
            axes.set_ylabel("")
        shown = {figure_text(name, 40, lines=1): look for name, look in _looks(names).items()}
        figure.legend(
            [Line2D([], [], **look) for look in [*shown.values(), *([_DENSE] if dense else [])]],
            [*shown, *(["not pruned"] if dense else [])],
            loc="outside lower left",
            ncols=2,
            frameon=False,
            fontsize=SMALL,
            handlelength=2.6,
        )
        figure.suptitle(headline("Each run, and the mean of each search", protocol), x=0.01, ha="left", fontsize=9)

    write_figure(path, 0.6 + 0.17 * -(-(len(names) + 1) // 2) + (3.4 if columns == 1 else 2.6) * rows, draw)


def _looks(names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """How the mean of each search is drawn."""
    kinds = len(_COLOURS)
    return {
        name: {
            "color": _COLOURS[i % kinds],
            "linestyle": _STYLES[(i + i // kinds) % kinds],
            "linewidth": 2.0,
            "zorder": 3,
        }
        for i, name in enumerate(names)
    }
