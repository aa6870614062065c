"""Heatmaps and pictures of an explanation, a page at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from evoprune._large import take
from evoprune._types import ByteArray, Float32Array, FloatArray, IntArray
from evoprune.explanation import Target, most_activating
from evoprune.features import Features
from evoprune.report import GridRow, HeatmapRow, write_heatmap_grid, write_image_grid
from evoprune.workflow._explain_tables import write_csv

PAGE_IMAGES, PAGE_NEURONS = 10, 10
"""Images and neurons in one figure."""

SHEET = 8
"""Images of the training set that are shown of each neuron."""


@dataclass(frozen=True, eq=False)
class LookedAt:
    """An image that is explained.

    Attributes:
        name: its path.
        label: its class, or None where that is not known.
        prepared: input of the network `[3, h, w]`.
        shown: the part that the network sees `[H, W, 3]`.
    """

    name: str
    label: str | None
    prepared: Float32Array
    shown: ByteArray

    @property
    def title(self) -> str:
        """What figures call it: its class, or else its file."""
        return self.label if self.label is not None else Path(self.name).name


def write_neuron_pages(
    output: Path,
    images: Sequence[LookedAt],
    neurons: Sequence[int],
    values: Sequence[FloatArray],
    maps: Float32Array,
    how: str,
) -> list[Path]:
    """Write heatmaps of neurons, a row an image.

    Args:
        output: folder.
        images: N of them.
        neurons: K numbers.
        values: of each neuron, for each image `[N]`.
        maps: heatmaps `[K, N, h, w]`.
        how: they were made, in words.

    Raises:
        StorageError: a file cannot be written.
    """
    files = []
    starts = [(r, n) for r in range(0, len(images), PAGE_IMAGES) for n in range(0, len(neurons), PAGE_NEURONS)]
    for page, (first_image, first) in enumerate(starts, start=1):
        shown = list(range(first, min(first + PAGE_NEURONS, len(neurons))))
        rows = [
            HeatmapRow(image.title, image.shown, maps[shown, row], [short(values[n][row]) for n in shown])
            for row, image in list(enumerate(images))[first_image : first_image + PAGE_IMAGES]
        ]
        files.append(_page(output, "heatmaps_neurons", page))
        title = f"What each neuron looks at ({how}); below each map: the neuron's value"
        write_heatmap_grid(files[-1], rows, [str(neurons[n]) for n in shown], title)
    return files


def write_class_pages(
    output: Path,
    images: Sequence[LookedAt],
    said: Mapping[str, Sequence[Mapping[str, Any]]],
    maps: Mapping[str, Float32Array],
    how: str,
) -> list[Path]:
    """Write heatmaps of the classes that heads predict, a row an image.

    Args:
        output: folder.
        images: N of them.
        said: by head, the `class` and its `probability` for each image.
        maps: by head, heatmaps `[N, h, w]`.
        how: they were made, in words.

    Raises:
        StorageError: a file cannot be written.
    """
    files = []
    for page, first in enumerate(range(0, len(images), PAGE_IMAGES), start=1):
        rows = [
            HeatmapRow(
                image.title,
                image.shown,
                np.stack([heat[row] for heat in maps.values()]),
                [f"{one[row]['class']}\n{100 * one[row]['probability']:.0f} %" for one in said.values()],
            )
            for row, image in list(enumerate(images))[first : first + PAGE_IMAGES]
        ]
        files.append(_page(output, "heatmaps_classes", page))
        title = f"Where the class that each head predicts comes from ({how})"
        write_heatmap_grid(files[-1], rows, [f"{name} head" for name in maps], title)
    return files


def write_concepts(
    output: Path,
    neurons: Sequence[int],
    targets: Mapping[int, Target],
    features: Features,
    train: IntArray,
    picture: Callable[[str], ByteArray],
) -> list[Path]:
    """Write the training images that activate each neuron most, as sheets and as a table.

    Args:
        output: folder.
        neurons: numbers.
        targets: what they are.
        features: of the run, with names of images.
        train: training rows.
        picture: the picture `[H, W, 3]` of the image with a name.

    Raises:
        StorageError: a file cannot be written.
        DataError: an image cannot be read.
    """
    names = features.row_names or ()
    rows: list[GridRow] = []
    table: list[list[object]] = []
    for neuron in neurons:
        values = targets[neuron].values(take(features.X, train))
        pictures: list[ByteArray | None] = [None] * SHEET
        notes = [""] * SHEET
        for place, best in enumerate(most_activating(values, SHEET)):
            row = train[best]
            label = features.class_names[features.y[row]]
            pictures[place] = picture(names[row])
            notes[place] = f"{short(values[best])}\n{label}"
            table.append([neuron, place + 1, values[best], label, names[row]])
        rows.append(GridRow(f"{neuron}\nmean {short(values.mean())}", pictures, notes))
    if not rows:
        return []
    files = [output / "concepts.csv"]
    write_csv(files[0], ["neuron", "place", "value", "class", "image"], table)
    for page, first in enumerate(range(0, len(rows), PAGE_NEURONS), start=1):
        files.append(_page(output, "concepts", page))
        write_image_grid(
            files[-1],
            rows[first : first + PAGE_NEURONS],
            [str(place + 1) for place in range(SHEET)],
            "The training images that activate each neuron most; below: the neuron's value, and the class",
        )
    return files


def short(value: float) -> str:
    """A number in the room under a small picture; what is not zero is not shown as zero."""
    return f"{value:.2f}" if 0.1 <= abs(value) < 100 else f"{value:.2g}"


def _page(output: Path, name: str, page: int) -> Path:
    return output / f"{name}{'' if page == 1 else f'_{page}'}.png"
