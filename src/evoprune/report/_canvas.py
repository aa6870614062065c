"""The look that all figures of a front share, and the way they become files."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evoprune._files import write_atomic

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BLUE, VERMILLION, ORANGE, GREEN, BLACK = "#0072B2", "#D55E00", "#E69F00", "#009E73", "#000000"
"""Colours that are told apart with any colour vision (Okabe and Ito)."""

SMALL = 8
"""Points; no text is smaller."""

WIDTH = 6.5
"""Inches; a page's."""

FRONT: dict[str, Any] = {"marker": "o", "color": BLUE, "edgecolors": "white", "linewidths": 0.4}
EVALUATIONS: dict[str, Any] = {"marker": "o", "color": "0.78", "linewidths": 0}
HELD_OUT: dict[str, Any] = {"marker": "o", "facecolors": "white", "edgecolors": BLUE, "linewidths": 0.9}
DENSE: dict[str, Any] = {"marker": "X", "facecolors": VERMILLION, "edgecolors": "white", "linewidths": 0.6}
CHOSEN: dict[str, Any] = {"marker": "*", "color": ORANGE, "edgecolors": BLACK, "linewidths": 0.8}
HOLLOW: dict[str, Any] = {"facecolors": "white", "edgecolors": VERMILLION, "linewidths": 0.9}
"""Markers, as `scatter` takes them; `HOLLOW` is laid over `DENSE`."""

STYLE: Any = {
    "font.size": 9,
    "axes.labelsize": 9,
    "axes.titlesize": 9,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "legend.fontsize": SMALL,
    "grid.color": "0.9",
    "grid.linewidth": 0.8,
}
"""Of text and grid, as matplotlib takes it."""


def crown(axes: Axes, title: str, columns: int) -> None:
    """Draw title and legend over the axes, where they hide nothing.

    Args:
        axes: with everything that the legend shall name.
        title: of one line.
        columns: of the legend.
    """
    legend = axes.legend(
        frameon=False,
        fontsize=SMALL,
        ncols=columns,
        loc="lower left",
        bbox_to_anchor=(0, 1),
        borderaxespad=0.2,
        columnspacing=1.2,
        handlelength=1.4,
        handletextpad=0.4,
    )
    rows = -(-len(legend.get_texts()) // columns)
    axes.set_title(title, loc="left", pad=6 + 1.5 * SMALL * rows)


def tidy(axes: Axes) -> None:
    """A pale grid behind the data, and no frame where there is no axis."""
    axes.grid(visible=True, color="0.9", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def write_figure(path: Path, height: float, draw: Callable[[Figure], object]) -> None:
    """Draw a figure of a page's width and write it as PNG; equal figures give equal files.

    Args:
        path: the file.
        height: in inches.
        draw: draws everything into the empty figure.

    Raises:
        StorageError: the file cannot be written.
    """
    from matplotlib import rc_context  # noqa: PLC0415
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415
    from matplotlib.figure import Figure  # noqa: PLC0415

    image = io.BytesIO()
    with rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, height), layout="constrained")
        FigureCanvasAgg(figure)
        draw(figure)
        # Without the software's version in the file, equal figures give equal files.
        figure.savefig(image, format="png", dpi=200, metadata={"Software": None})
    write_atomic(path, image.getvalue())
