"""Figures, as functions that draw into given axes."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from evoprune._files import write_atomic
from evoprune.objectives import Objective
from evoprune.report._history import best_so_far
from evoprune.study import Evaluation

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#8C8C8C"
"""Colours of Okabe and Ito, told apart with any colour vision."""


def draw_convergence(
    axes: Axes, evaluations: Sequence[Evaluation], objective: Objective, index: int, protocol: str
) -> None:
    """Every evaluation's value of one objective as a dot, and the best so far as a line.

    Args:
        axes: to draw into.
        evaluations: in the order of asking.
        objective: which one.
        index: its place among the objectives.
        protocol: named in the axis label where it is `paper`.
    """
    values = np.array([e.values[index] for e in evaluations])
    numbers = np.arange(1, len(values) + 1)
    axes.plot(numbers, values, ".", color=GREY, markersize=4, label="evaluation")
    best = best_so_far(values, maximize=objective.maximize)
    axes.step(numbers, best, where="post", color=BLUE, linewidth=1.8, label="best so far")
    where = "test part, paper protocol" if protocol == "paper" else "validation"
    axes.set_xlabel("evaluations")
    axes.set_ylabel(f"{objective.title} ({where})")
    axes.grid(visible=True, color="0.92")
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="lower right" if objective.maximize else "upper right")


def write_convergence(
    path: Path, evaluations: Sequence[Evaluation], objectives: Sequence[Objective], protocol: str
) -> None:
    """Write the convergence figure as PNG, one panel an objective.

    Raises:
        StorageError: the file cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415
    from matplotlib.figure import Figure  # noqa: PLC0415

    figure = Figure(figsize=(6.4, 3.4 * len(objectives)), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(len(objectives), squeeze=False)[:, 0]
    for index, (axes, objective) in enumerate(zip(panels, objectives, strict=True)):
        draw_convergence(axes, evaluations, objective, index, protocol)
    image = io.BytesIO()
    # Without the software's version in the file, equal runs give equal files.
    figure.savefig(image, format="png", dpi=150, metadata={"Software": None})
    write_atomic(path, image.getvalue())
