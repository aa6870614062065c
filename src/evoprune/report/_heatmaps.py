"""Heatmaps laid over images, with the original beside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from evoprune._types import ByteArray, Float32Array
from evoprune.errors import ConfigError
from evoprune.report._image_grid import GridRow, write_image_grid

_COLOURS = "inferno"
_STRONGEST = 0.85
"""How much of the image the hottest place hides."""

_GREY = np.array([0.299, 0.587, 0.114])
"""Luma of red, green and blue (ITU-R BT.601)."""

_NARROW = 2
"""So few heatmaps an image leave room for a second image beside it."""


@dataclass(frozen=True, eq=False)
class HeatmapRow:
    """One image with its heatmaps.

    Attributes:
        label: on the left, or under the image where two share a row.
        image: `[H, W, 3]`, uint8, RGB.
        maps: `[K, h, w]`, 0..1, of the same part of the image, of any resolution.
        notes: under each map.
    """

    label: str
    image: ByteArray
    maps: Float32Array
    notes: Sequence[str]


def overlay(image: ByteArray, heatmap: Float32Array) -> ByteArray:
    """An image `[H, W, 3]` in grey under the colours of a heatmap `[h, w]`, which is the stronger the hotter.

    Raises:
        ConfigError: the heatmap has values outside 0..1, or NaN.
    """
    from matplotlib import colormaps  # noqa: PLC0415

    if not (heatmap.min() >= 0 and heatmap.max() <= 1):
        raise ConfigError(f"a heatmap ranges over {heatmap.min()}..{heatmap.max()}; scale it to 0..1")
    height, width = image.shape[:2]
    resized = Image.fromarray(heatmap.astype(np.float32)).resize((width, height), Image.Resampling.BILINEAR)
    heat = np.clip(np.asarray(resized), 0, 1)
    grey = (image @ _GREY / 255)[:, :, None]
    strength = (_STRONGEST * heat)[:, :, None]
    mixed = (1 - strength) * grey + strength * colormaps[_COLOURS](heat)[:, :, :3]
    return np.asarray((255 * mixed).round(), dtype=np.uint8)


def write_heatmap_grid(path: Path, rows: Sequence[HeatmapRow], columns: Sequence[str], title: str) -> None:
    """Write heatmaps as PNG: a row an image, the original first, then one column a heatmap.

    With one or two heatmaps an image, two images share a row, and their labels stand under them. A map of zeros
    shows the image alone, and says so.

    Args:
        path: the file.
        rows: one or more.
        columns: what the K maps of each row are.
        title: of the figure.

    Raises:
        ConfigError: there is no row, a row has another number of maps, or a map has values outside 0..1.
        StorageError: the file cannot be written.
    """
    ramp = np.linspace(0, 1, 256, dtype=np.float32)[None]
    legend = overlay(np.full((1, 256, 3), 128, dtype=np.uint8), ramp)
    grid, titles = [_cells(row) for row in rows], ["original", *columns]
    if len(columns) <= _NARROW and len(rows) > 1:
        grid, titles = _paired(grid), 2 * titles
    text = "heat; each map from its lowest to its highest place"
    write_image_grid(path, grid, titles, title, legend=legend, legend_text=text)


def _cells(row: HeatmapRow) -> GridRow:
    pictures = [row.image, *(overlay(row.image, heatmap) for heatmap in row.maps)]
    return GridRow(row.label, pictures, ["", *(_noted(n, heat) for n, heat in zip(row.notes, row.maps, strict=True))])


def _paired(rows: Sequence[GridRow]) -> list[GridRow]:
    """Two rows as one, each image with its label under it."""
    lines = [GridRow("", row.pictures, [row.label, *row.notes[1:]]) for row in rows]
    if len(lines) % 2:
        lines.append(GridRow("", [None] * len(lines[0].pictures), [""] * len(lines[0].pictures)))
    return [
        GridRow("", [*one.pictures, *other.pictures], [*one.notes, *other.notes])
        for one, other in zip(lines[::2], lines[1::2], strict=True)
    ]


def _noted(note: str, heatmap: Float32Array) -> str:
    return note if heatmap.any() else "\n".join(filter(None, (note, "all zero")))
