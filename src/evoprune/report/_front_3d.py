"""A front of three objectives in space, with its shadows on the walls (MO-EvoPruneDeepTL, section 5)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from evoprune._types import FloatArray
from evoprune.errors import ConfigError
from evoprune.report._canvas import BLACK, CHOSEN, DENSE, FRONT, SMALL, WIDTH, write_figure
from evoprune.report._front import FrontData
from evoprune.report._scale import Scale, axis_label, headline, in_units

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_ELEVATION, _AZIMUTH = 24.0, -55.0
"""Degrees. From here the walls behind the points are the low end of the first axis, the high end of the second and the
floor."""

_SHADOW = {"color": "0.6", "alpha": 0.7, "linewidths": 0, "depthshade": False}


def front_3d(axes: Axes, data: FrontData) -> Axes:
    """Members of a front of three objectives as points, and their projections on the three walls as grey dots.

    The chosen member and the head that is not pruned are marked, and tied to their shadows. A logarithmic axis holds
    powers of ten (three-dimensional axes know no other way), and is labelled with natural values.

    Args:
        axes: three-dimensional axes, to draw into.
        data: the front.

    Returns:
        The axes.

    Raises:
        ConfigError: the front has not three objectives, or the axes not three dimensions.
    """
    if len(data.names) != 3:
        raise ConfigError(f"a front of {len(data.names)} objectives has no place in space; draw it by pairwise_fronts")
    if axes.name != "3d":
        raise ConfigError("the axes are flat; make them by figure.add_subplot(projection='3d')")
    box: Any = axes
    scales = [
        Scale.around(name, data.shown[:, i], data.dense_shown[:, i], margin=0.05) for i, name in enumerate(data.names)
    ]

    def placed(values: FloatArray) -> FloatArray:
        columns = [scale.place(in_units(data.names[i], values[:, i])) for i, scale in enumerate(scales)]
        return np.stack(columns, axis=1)

    ends = [scale.place(np.array([scale.low, scale.high])) for scale in scales]
    walls = (ends[0][0], ends[1][1], ends[2][0])
    points = placed(data.shown)
    # What is nearer would cover what is farther, the marks too.
    box.computed_zorder = False
    others = np.arange(len(points)) != data.chosen
    size = 24 if len(points) <= 100 else 14
    for wall in range(3):
        shadows = _shadow(points[others], wall, walls[wall])
        box.scatter(*shadows.T, s=size / 3, label="_" if wall else "projections", zorder=1, **_SHADOW)
    box.scatter(*points[others].T, s=size, depthshade=False, label=f"front ({data.part})", zorder=2, **FRONT)
    marked = [(placed(data.dense_shown), DENSE, 60, "not pruned")]
    if data.chosen is not None:
        marked.append((points[[data.chosen]], CHOSEN, 130, "chosen"))
    for point, marker, area, label in marked:
        if len(point):
            _tie(box, point, walls)
            box.scatter(*point.T, s=area, depthshade=False, label=label, zorder=5, **marker)

    for i, (scale, letter) in enumerate(zip(scales, "xyz", strict=True)):
        ticks, texts = scale.ticks(4)
        getattr(box, f"set_{letter}lim")(*ends[i])
        getattr(box, f"set_{letter}ticks")(scale.place(ticks), labels=texts, fontsize=SMALL)
        label = axis_label(data.names[i], data.titles[i], maximize=data.maximize[i], part=data.part, width=34, lines=2)
        pad = 3 + 7 * label.count("\n") + (7 if letter == "z" else 0)
        getattr(box, f"set_{letter}label")(label, labelpad=pad)
        getattr(box, f"{letter}axis").set_pane_color((0.975, 0.975, 0.975, 1.0))
        box.tick_params(axis=letter, pad=4 if letter == "z" else 1)
    box.view_init(elev=_ELEVATION, azim=_AZIMUTH)
    box.legend(frameon=False, fontsize=SMALL, loc="upper left", bbox_to_anchor=(0, 1), borderaxespad=0.2)
    title = f"Front of {len(points)} member{'' if len(points) == 1 else 's'}"
    box.set_title(headline(title, data.protocol), loc="left")
    return axes


def write_front_3d(path: Path, data: FrontData) -> None:
    """Write `front_3d` as PNG.

    Raises:
        ConfigError: the front has not three objectives.
        StorageError: the file cannot be written.
    """

    def draw(figure: Figure) -> None:
        # The usual layout does not know how far the labels of three axes reach.
        figure.set_layout_engine("none")
        axes: Any = figure.add_axes((0.0, 0.05, 0.95, 0.89), projection="3d")
        axes.set_box_aspect(None, zoom=1.0)
        front_3d(axes, data)

    write_figure(path, 0.86 * WIDTH, draw)


def _shadow(points: FloatArray, wall: int, at: float) -> FloatArray:
    shadow = points.copy()
    shadow[:, wall] = at
    return shadow


def _tie(box: Any, point: FloatArray, walls: tuple[float, float, float]) -> None:
    """Thin lines from a point `[1, 3]` to its shadows, and the shadows once more in black."""
    for wall in range(3):
        shadow = _shadow(point, wall, walls[wall])
        box.plot(
            *np.concatenate([point, shadow]).T, color=BLACK, linewidth=0.6, linestyle=(0, (2, 2)), alpha=0.6, zorder=3
        )
        box.scatter(*shadow.T, s=10, color=BLACK, linewidths=0, depthshade=False, zorder=4)
