"""Curves of deletion and insertion: how a score falls and rises with the hottest pixels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from evoprune._types import FloatArray
from evoprune.errors import ConfigError
from evoprune.report._canvas import BLACK, BLUE, GREEN, ORANGE, VERMILLION, tidy, write_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LOOKS = ((BLUE, "-"), (VERMILLION, "-"), (BLACK, (0, (1, 1.5))), (ORANGE, (0, (5, 2))), (GREEN, (0, (3, 1, 1, 1))))
"""Colour and line of each series."""


@dataclass(frozen=True, eq=False)
class MeanCurves:
    """One way to order pixels, over several images.

    Attributes:
        deletion: `[N, S + 1]`.
        insertion: `[N, S + 1]`.
        deletion_area: areas under the curves `[N]`.
        insertion_area: `[N]`.
    """

    deletion: FloatArray
    insertion: FloatArray
    deletion_area: FloatArray
    insertion_area: FloatArray


def faithfulness_curves(
    axes: Axes, share: FloatArray, curves: Mapping[str, MeanCurves], kind: str, measure: str
) -> Axes:
    """Mean curves over images, and bands of one standard error, with the mean areas in the legend.

    Args:
        axes: to draw into.
        share: of the pixels, 0..1 `[S + 1]`.
        curves: by name, up to five.
        kind: `deletion` or `insertion`.
        measure: what the score is, for the axis.

    Returns:
        The axes.

    Raises:
        ConfigError: there is no series, or there are more than looks.
    """
    if not 1 <= len(curves) <= len(_LOOKS):
        raise ConfigError(f"{len(curves)} curves cannot be told apart; give 1 to {len(_LOOKS)}")
    for (colour, line), (name, mean) in zip(_LOOKS, curves.items(), strict=False):
        values: FloatArray = getattr(mean, kind)
        middle = values.mean(axis=0)
        axes.plot(
            100 * share,
            middle,
            color=colour,
            linestyle=line,
            linewidth=1.4,
            label=f"{name}: {getattr(mean, f'{kind}_area').mean():.3f}",
        )
        if len(values) > 1:
            error = values.std(axis=0, ddof=1) / np.sqrt(len(values))
            axes.fill_between(100 * share, middle - error, middle + error, color=colour, alpha=0.12, linewidth=0)
    axes.set_xlim(0, 100)
    axes.set_xlabel("hottest pixels deleted, %" if kind == "deletion" else "hottest pixels inserted, %")
    axes.set_ylabel(measure)
    axes.legend(
        frameon=False, title=f"area ({'lower' if kind == 'deletion' else 'higher'} is better)", alignment="left"
    )
    tidy(axes)
    return axes


def write_faithfulness(
    path: Path, share: FloatArray, curves: Mapping[str, MeanCurves], measure: str, title: str
) -> None:
    """Write the curves of deletion and of insertion side by side as PNG.

    Raises:
        ConfigError: there is no series, or there are more than looks.
        StorageError: the file cannot be written.
    """
    kinds: Sequence[str] = ("deletion", "insertion")

    def draw(figure: Figure) -> None:
        panels = figure.subplots(1, 2, sharey=True)
        for axes, kind in zip(panels, kinds, strict=True):
            faithfulness_curves(axes, share, curves, kind, measure)
        panels[1].set_ylabel("")
        panels[0].set_title(title, loc="left")

    write_figure(path, 3.2, draw)
