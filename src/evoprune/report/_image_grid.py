"""Pictures in rows and columns, with a title over each column and a note under each picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from evoprune._types import ByteArray
from evoprune.errors import ConfigError
from evoprune.report._canvas import SMALL, WIDTH, write_figure
from evoprune.report._scale import figure_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LABEL, _GAP, _LINE, _MARGIN = 0.78, 0.05, 0.135, 0.06
"""Inches: room for the labels of rows, between pictures, for a line of text, and at the edge."""

LARGEST = 1.25
"""Inches; a picture's side where there are few columns."""

_LETTERS = 17.0
"""Letters of small text in an inch."""


@dataclass(frozen=True, eq=False)
class GridRow:
    """One row of a grid.

    Attributes:
        label: on the left; none in any row gives the pictures its room.
        pictures: `[H, W, 3]`, uint8, RGB, each of any size; None leaves a place empty.
        notes: under each picture, of one or two lines; empty for none.
    """

    label: str
    pictures: Sequence[ByteArray | None]
    notes: Sequence[str]


@dataclass(frozen=True)
class _Layout:
    """Where things are, in inches."""

    left: float
    side: float
    row: float
    top: float
    height: float


def write_image_grid(
    path: Path,
    rows: Sequence[GridRow],
    columns: Sequence[str],
    title: str,
    *,
    legend: ByteArray | None = None,
    legend_text: str = "",
) -> None:
    """Write pictures in a grid as PNG, of a page's width.

    Args:
        path: the file.
        rows: one or more; all have a picture (or None) and a note a column.
        columns: titles.
        title: of the figure, of up to two lines.
        legend: a strip of colours `[h, w, 3]`, drawn below from left (0) to right (1).
        legend_text: beside it.

    Raises:
        ConfigError: there is no row or column, or a row has another number of pictures than there are columns.
        StorageError: the file cannot be written.
    """
    if not rows or not columns:
        raise ConfigError(
            f"{len(rows)} rows and {len(columns)} columns of pictures are no grid; give one or more of each"
        )
    for row in rows:
        if not len(row.pictures) == len(row.notes) == len(columns):
            raise ConfigError(f"row {row.label!r} has {len(row.pictures)} pictures for {len(columns)} columns")
    layout = _layout(rows, columns, title, foot=0.34 if legend is not None else _MARGIN)

    def draw(figure: Figure) -> None:
        # Everything has its place already.
        figure.set_layout_engine("none")
        _draw_pictures(figure, rows, columns, layout)
        figure.text(_MARGIN / WIDTH, 1 - _MARGIN / layout.height, title, va="top", ha="left", fontsize=9)
        if legend is not None:
            _draw_legend(figure, legend, legend_text, layout)

    write_figure(path, layout.height, draw)


def _layout(rows: Sequence[GridRow], columns: Sequence[str], title: str, *, foot: float) -> _Layout:
    left = _MARGIN + (LABEL if any(row.label for row in rows) else 0)
    side = min(LARGEST, (WIDTH - left - _MARGIN) / len(columns) - _GAP)
    notes = max(_lines(note, side) for row in rows for note in row.notes)
    row = side + notes * _LINE + (2 if notes else 1) * _GAP
    top = _MARGIN + (title.count("\n") + 1) * 0.17 + max(_lines(name, side) for name in columns) * _LINE + _GAP
    return _Layout(left, side, row, top, top + len(rows) * row + foot)


def _wrapped(label: str) -> str:
    """A label of up to three lines; its own line breaks are kept."""
    return "\n".join(figure_text(line, 13, lines=2) for line in label.splitlines())


def _lines(text: str, side: float) -> int:
    return len(_fitted(text, side).splitlines())


def _fitted(text: str, side: float) -> str:
    """Text cut to what stands over or under a picture; its own line breaks are kept."""
    letters = max(4, int(_LETTERS * (side + _GAP)))
    return "\n".join(figure_text(line, letters, lines=1) for line in text.splitlines())


def _draw_pictures(figure: Figure, rows: Sequence[GridRow], columns: Sequence[str], layout: _Layout) -> None:
    height, side = layout.height, layout.side

    def write(x: float, y: float, text: str, across: str, down: str) -> None:
        figure.text(x / WIDTH, 1 - y / height, text, ha=across, va=down, fontsize=SMALL)

    # One area for all pictures, in inches from the top left: an area for each takes long to make.
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    lefts = [layout.left + number * (side + _GAP) for number in range(len(columns))]
    for left, name in zip(lefts, columns, strict=True):
        write(left + side / 2, layout.top - 1.5 * _GAP, _fitted(name, side), "center", "baseline")
    for number, row in enumerate(rows):
        top = layout.top + number * layout.row
        write(_MARGIN, top + side / 2, _wrapped(row.label), "left", "center")
        for left, picture, note in zip(lefts, row.pictures, row.notes, strict=True):
            if picture is not None:
                # In the middle of a square, with its own proportions.
                tall, wide = (side * length / max(picture.shape[:2]) / 2 for length in picture.shape[:2])
                x, y = left + side / 2, top + side / 2
                axes.imshow(picture, extent=(x - wide, x + wide, y + tall, y - tall), interpolation="antialiased")
            # One by one: the notes of a row stand on the same lines, whatever letters they have.
            for line, text in enumerate(_fitted(note, side).splitlines(), start=1):
                write(left + side / 2, top + side + line * _LINE, text, "center", "baseline")
    axes.set_aspect("auto")
    axes.set_xlim(0, WIDTH)
    axes.set_ylim(height, 0)


def _draw_legend(figure: Figure, legend: ByteArray, text: str, layout: _Layout) -> None:
    left, width, bottom, height = max(layout.left, 0.3), 1.3, 0.1, layout.height
    axes = figure.add_axes((left / WIDTH, bottom / height, width / WIDTH, 0.12 / height))
    axes.imshow(legend, aspect="auto", interpolation="nearest")
    axes.set_xticks([])
    axes.set_yticks([])
    middle = (bottom + 0.06) / height
    figure.text((left - 0.06) / WIDTH, middle, "0", ha="right", va="center", fontsize=SMALL)
    figure.text((left + width + 0.06) / WIDTH, middle, f"1    {text}", ha="left", va="center", fontsize=SMALL)
