"""How faithful the heatmaps of classes are, against maps that know nothing of the image."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from evoprune._types import Float32Array, FloatArray, IntArray
from evoprune.explanation import Faithfulness, centred_blob, deletion_insertion, random_map
from evoprune.features import Progress
from evoprune.model import Model
from evoprune.report import MeanCurves, write_faithfulness
from evoprune.workflow._explain_pages import LookedAt
from evoprune.workflow._explain_tables import write_csv

RANDOM_MAPS = 3
"""Random maps that a heatmap is compared with on each image."""


def measure_faithfulness(
    output: Path,
    images: Sequence[LookedAt],
    extract: Callable[[Float32Array], Float32Array],
    models: Mapping[str, Model],
    predicted: Mapping[str, IntArray],
    maps: Mapping[str, Float32Array],
    method: str,
    told: Progress | None,
) -> tuple[dict[str, Any] | None, list[Path]]:
    """Write curves and areas of deletion and insertion.

    Each head's heatmaps are measured by the probability that this head gives the class it predicts; random and
    centred maps by that of the first head. Images of which a heatmap is all zero are left out.

    Args:
        output: folder.
        images: N of them.
        extract: the network.
        models: the pruned one first.
        predicted: by model, classes `[N]`.
        maps: by model, heatmaps `[N, h, w]`.
        method: by which they were made, in words.
        told: hears of the progress.

    Returns:
        Mean areas as JSON object, None where no image has heatmaps; and the files.

    Raises:
        StorageError: a file cannot be written.
    """
    rng = np.random.default_rng(0)
    rows = [row for row in range(len(images)) if all(heat[row].any() for heat in maps.values())]
    if not rows:
        return None, []
    first = next(iter(models))
    found: dict[str, list[list[Faithfulness]]] = {}
    for done, row in enumerate(rows, start=1):
        height, width = images[row].prepared.shape[1:]
        tried: list[tuple[str, str, list[Float32Array]]] = [(f"{name} head", name, [maps[name][row]]) for name in maps]
        tried.append(("random", first, [random_map(height, width, rng) for _ in range(RANDOM_MAPS)]))
        tried.append(("centred", first, [centred_blob(height, width)]))
        for name, model, candidates in tried:
            score = partial(_probability, models[model], int(predicted[model][row]))
            curves = [deletion_insertion(extract, images[row].prepared, heat, score) for heat in candidates]
            found.setdefault(name, []).append(curves)
        if told is not None:
            told(done, len(rows))
    means = {name: _means(of_images) for name, of_images in found.items()}
    return {"images": len(rows), "areas": {name: _areas(mean) for name, mean in means.items()}}, _write(
        output, [images[row] for row in rows], found[f"{first} head"][0][0].share, means, method
    )


def _write(
    output: Path, images: Sequence[LookedAt], share: FloatArray, means: Mapping[str, MeanCurves], method: str
) -> list[Path]:
    files = [output / "faithfulness.png", output / "faithfulness.csv", output / "faithfulness_curves.csv"]
    count = f"{len(images)} image{'' if len(images) == 1 else 's'}"
    title = f"Are the heatmaps faithful? ({method}, mean of {count}; bands: one standard error)"
    write_faithfulness(files[0], share, means, "probability of the predicted class", title)
    areas = [
        [image.name, name, mean.deletion_area[place], mean.insertion_area[place]]
        for place, image in enumerate(images)
        for name, mean in means.items()
    ]
    write_csv(files[1], ["image", "heatmap", "deletion_area", "insertion_area"], areas)
    curves = [
        [name, *row]
        for name, mean in means.items()
        for row in zip(share, mean.deletion.mean(axis=0), mean.insertion.mean(axis=0), strict=True)
    ]
    write_csv(files[2], ["heatmap", "share_of_pixels", "deletion", "insertion"], curves)
    return files


def _probability(model: Model, number: int, X: Float32Array) -> FloatArray:
    return model.probabilities(X)[:, number]


def _means(of_images: Sequence[Sequence[Faithfulness]]) -> MeanCurves:
    """Curves by image, each a mean over the maps that were tried on it."""

    def mean(what: Callable[[Faithfulness], Any]) -> FloatArray:
        return np.array([np.mean([what(curve) for curve in curves], axis=0) for curves in of_images])

    return MeanCurves(
        mean(lambda curve: curve.deletion),
        mean(lambda curve: curve.insertion),
        mean(lambda curve: curve.deletion_area),
        mean(lambda curve: curve.insertion_area),
    )


def _areas(mean: MeanCurves) -> dict[str, float]:
    return {
        "deletion_area": float(mean.deletion_area.mean()),
        "insertion_area": float(mean.insertion_area.mean()),
    }
