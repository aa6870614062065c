"""What several runs of two objectives attain."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from evoprune._types import FloatArray
from evoprune.errors import ConfigError
from evoprune.report._canvas import BLACK, BLUE, VERMILLION, WIDTH, crown, tidy, write_figure
from evoprune.report._scale import Scale, axis_label, headline, in_units

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from evoprune.objectives import Objective


def attainment_bands(
    axes: Axes,
    best: FloatArray,
    median: FloatArray,
    worst: FloatArray,
    objectives: Sequence[Objective],
    *,
    runs: int,
    protocol: str,
) -> Axes:
    """What at least one, half and all of several runs attain (Grunert da Fonseca, Fonseca and Hall, 2001).

    A surface is the staircase around all points that one of its corners is at least as good as; the first objective
    lies across. In the band between the best and the worst the runs differ.

    Args:
        axes: to draw into.
        best: corners `[K, 2]` of what one run attains, in natural sign and any order.
        median: of what half of the runs attain.
        worst: of what all runs attain; without corners `[0, 2]` where one attained nothing.
        objectives: the two.
        runs: how many there are.
        protocol: named in the title where it is `paper`.

    Returns:
        The axes.

    Raises:
        ConfigError: other than two objectives, no best surface, or one of another shape.
    """
    if len(objectives) != 2:
        raise ConfigError(f"{len(objectives)} objective(s) have no staircases in the plane; give two")
    surfaces = {"best": best, "median": median, "worst": worst}
    for name, corners in surfaces.items():
        if corners.ndim != 2 or corners.shape[1] != 2:
            raise ConfigError(f"the {name} surface has the shape {list(corners.shape)}; give corners [K, 2]")
    if not len(best):
        raise ConfigError("no run has attained anything that could be drawn; give runs with finished evaluations")
    scales = [
        Scale.around(objective.name, *(corners[:, i] for corners in surfaces.values()), margin=0.1)
        for i, objective in enumerate(objectives)
    ]
    looks: dict[str, tuple[str, dict[str, Any]]] = {
        "best": (f"best (1 of {runs})", {"color": BLUE, "linestyle": "-", "linewidth": 1.3}),
        "median": ("median", {"color": BLACK, "linestyle": "-", "linewidth": 2.0}),
        "worst": (f"worst (all {runs})", {"color": VERMILLION, "linestyle": (0, (4, 2)), "linewidth": 1.3}),
    }
    stairs = {name: _staircase(corners, objectives, scales) for name, corners in surfaces.items()}
    band = np.concatenate([stairs["best"], stairs["worst"][::-1]])
    axes.fill(band[:, 0], band[:, 1], color=BLUE, alpha=0.13, linewidth=0)
    for name, (label, look) in looks.items():
        text = label if len(surfaces[name]) else f"{name}: nothing"
        axes.plot(stairs[name][:, 0], stairs[name][:, 1], label=text, **look)
    for which, scale in zip("xy", scales, strict=True):
        scale.apply(axes, which)
    part = "test" if protocol == "paper" else "validation"
    labels = [axis_label(o.name, o.title, maximize=o.maximize, part=part) for o in objectives]
    axes.set_xlabel(labels[0])
    axes.set_ylabel(labels[1])
    tidy(axes)
    crown(axes, headline(f"Attained by {runs} run{'' if runs == 1 else 's'}", protocol), columns=3)
    return axes


def write_attainment_bands(
    path: Path,
    best: FloatArray,
    median: FloatArray,
    worst: FloatArray,
    objectives: Sequence[Objective],
    *,
    runs: int,
    protocol: str,
) -> None:
    """Write `attainment_bands` as PNG.

    Raises:
        ConfigError: other than two objectives, no best surface, or one of another shape.
        StorageError: the file cannot be written.
    """

    def draw(figure: Figure) -> None:
        attainment_bands(figure.subplots(), best, median, worst, objectives, runs=runs, protocol=protocol)

    write_figure(path, 0.62 * WIDTH, draw)


def _staircase(corners: FloatArray, objectives: Sequence[Objective], scales: Sequence[Scale]) -> FloatArray:
    """The edge of what corners attain, in units, from the bad end of the first axis to the bad end of the second.

    Without corners it is the worst corner of the axes, so that a band up to it holds everything.
    """
    bad = [scale.low if objective.maximize else scale.high for objective, scale in zip(objectives, scales, strict=True)]
    if not len(corners):
        return np.array([bad])
    across, up = (in_units(objective.name, corners[:, i]) for i, objective in enumerate(objectives))
    # From the worst to the best in the first objective, and so from the best to the worst in the second.
    order = np.argsort(across if objectives[0].maximize else -across)
    x, y = np.repeat(across[order], 2), np.repeat(up[order], 2)
    return np.column_stack([[bad[0], *x], [*y, bad[1]]])
