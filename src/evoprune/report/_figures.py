"""Figures, as functions that draw into given axes."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from evoprune._files import write_atomic
from evoprune._types import FloatArray
from evoprune.report._history import best_so_far

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import PathCollection

    from evoprune.objectives import Objective
    from evoprune.study import Evaluation

BLACK, VERMILLION, GREY = "#000000", "#D55E00", "0.35"
"""Colours that are told apart with any colour vision (Okabe and Ito), and from the colour map of the dots."""

_FAR_OUT = 3.0
"""A value so many interquartile ranges outside the quartiles (Tukey's fence) would squeeze all the others together."""


def draw_convergence(
    axes: Axes,
    evaluations: Sequence[Evaluation],
    objective: Objective,
    index: int,
    *,
    protocol: str,
    dense: float | None = None,
) -> PathCollection:
    """Every evaluation's value of one objective as a dot, and the best so far as a line.

    Values far outside the others and failed evaluations are marked at the edge of the axes.

    Args:
        axes: to draw into.
        evaluations: in the order of asking.
        objective: which one.
        index: its place among the objectives.
        protocol: named in the axis label where it is `paper`.
        dense: value of the head that is not pruned, drawn as a dashed line.

    Returns:
        The dots, coloured by active share 0..1, for a colour bar.
    """
    from matplotlib.ticker import MaxNLocator  # noqa: PLC0415

    values = np.array([e.values[index] for e in evaluations], dtype=np.float64)
    shares = np.array([e.genome.mean() for e in evaluations], dtype=np.float64)
    numbers = np.arange(1, len(values) + 1)
    best = best_so_far(values, maximize=objective.maximize)
    low, high = _limits(values, [best[-1], *([] if dense is None else [dense])])
    shown = (values >= low) & (values <= high)

    dots = axes.scatter(
        numbers[shown],
        values[shown],
        c=shares[shown],
        cmap="viridis",
        vmin=0,
        vmax=1,
        s=16,
        linewidths=0,
        label="evaluation",
        zorder=3,
    )
    axes.step(numbers, best, where="post", color=BLACK, linewidth=1.4, label="best so far", zorder=2)
    if dense is not None:
        axes.axhline(dense, color=VERMILLION, linewidth=1.2, linestyle=(0, (5, 3)), label="not pruned", zorder=1)
    edge = axes.get_xaxis_transform()
    for where, height, marker, label in (
        (values < low, 0.015, "v", "below the axis"),
        (values > high, 0.985, "^", "above the axis"),
        (~np.isfinite(values), 0.015, "x", "failed"),
    ):
        if where.any():
            axes.plot(
                numbers[where], np.full(int(where.sum()), height), marker, transform=edge, color=GREY, ms=4, label=label
            )
    axes.set_xlim(0, len(values) + 1)
    axes.set_ylim(low, high)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    axes.set_xlabel("evaluation")
    axes.set_ylabel(_label(objective, protocol))
    axes.grid(visible=True, color="0.92", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(
        frameon=False,
        fontsize="small",
        ncols=5,
        loc="lower left",
        bbox_to_anchor=(0, 1),
        borderaxespad=0.2,
        columnspacing=1.2,
        handlelength=1.4,
        handletextpad=0.4,
    )
    return dots


def write_convergence(
    path: Path,
    evaluations: Sequence[Evaluation],
    objectives: Sequence[Objective],
    *,
    protocol: str,
    dense: dict[str, float] | None = None,
) -> None:
    """Write the convergence figure as PNG, one panel an objective.

    Args:
        path: the file.
        evaluations: in the order of asking.
        objectives: of the study.
        protocol: `nested` or `paper`.
        dense: objective values of the head that is not pruned, by name.

    Raises:
        StorageError: the file cannot be written.
    """
    from matplotlib import rc_context  # noqa: PLC0415
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415
    from matplotlib.figure import Figure  # noqa: PLC0415

    image = io.BytesIO()
    with rc_context({"font.size": 9}):
        figure = Figure(figsize=(6.4, 3.4 * len(objectives)), layout="constrained")
        FigureCanvasAgg(figure)
        panels = figure.subplots(len(objectives), squeeze=False)[:, 0]
        for index, (axes, objective) in enumerate(zip(panels, objectives, strict=True)):
            value = None if dense is None else dense[objective.name]
            dots = draw_convergence(axes, evaluations, objective, index, protocol=protocol, dense=value)
        # The dots of all panels have the same colours.
        figure.colorbar(dots, ax=panels, label="active share", pad=0.02, aspect=25 * len(objectives))
        # Without the software's version in the file, equal runs give equal files.
        figure.savefig(image, format="png", dpi=200, metadata={"Software": None})
    write_atomic(path, image.getvalue())


def _label(objective: Objective, protocol: str) -> str:
    if objective.name not in ("accuracy", "loss"):
        return objective.title
    return f"{objective.title}, {'test part (paper protocol)' if protocol == 'paper' else 'validation part'}"


def _limits(values: FloatArray, included: Sequence[float]) -> tuple[float, float]:
    """Limits of the axis: all values but those far out, and everything in `included`, with a margin."""
    finite = values[np.isfinite(values)]
    first, third = np.quantile(finite, [0.25, 0.75])
    # Where most values are equal, every other one would be far out.
    fence = _FAR_OUT * (third - first) or np.inf
    near = finite[(finite >= first - fence) & (finite <= third + fence)]
    kept = np.concatenate([near, [v for v in included if np.isfinite(v)]])
    low, high = float(kept.min()), float(kept.max())
    margin = 0.06 * (high - low) or 0.01 * max(abs(high), 1.0)
    return low - margin, high + margin
