"""What `evoprune explain` and `evoprune ensemble` have written beside a run."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np

from evoprune._files import read_sealed
from evoprune.page._pictures import Figures
from evoprune.workflow import ENSEMBLE

logger = logging.getLogger(__name__)

_EXPLAINED = (
    ("heatmaps_classes", "Where the predicted class comes from, in the pruned and in the dense head"),
    ("heatmaps_neurons", "What the most frequent neurons look at"),
    ("concepts", "The training images that activate each neuron most"),
    ("faithfulness", "Do the heatmaps say what the head goes by? Classes as pixels are taken away and put in"),
    ("objectives", "What the members with each neuron achieve"),
)
"""Figures of an explanation, without the number of their page, and what they show."""

_MEASURES = ("accuracy", "calibration", "ood")

_CONTENDERS = {
    "ensemble": "ensemble",
    "best_member": "its best member, by validation",
    "best_in_hindsight": "its best member, by the test part",
    "best_of_front": "best of the front, by validation",
    "dense": "not pruned",
    "dense_ensemble": "as many heads that are not pruned",
    "random_ensemble": "as many random masks",
}


def read_explanation(folder: Path) -> dict[str, Any] | None:
    """What `explain` found, or None where it has not been called or its file cannot be read."""
    try:
        return read_sealed((folder / "explain" / "explanation.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        logger.warning("the explanation in %s is not shown in the report: %s", folder, error)
        return None


def strengths(explanation: dict[str, Any] | None) -> dict[int, float] | None:
    """Strength of neurons in the explained member, by number."""
    try:
        return None if explanation is None else {int(n["neuron"]): float(n["strength"]) for n in explanation["top"]}
    except (KeyError, TypeError, ValueError):
        return None


def explained(folder: Path, explanation: dict[str, Any], figures: Figures) -> dict[str, Any] | None:
    """The figures of an explanation; None where none can be shown."""
    shown, left_out = [], 0
    for name, title in _EXPLAINED:
        pages = [folder / "explain" / f"{name}{number}.png" for number in ("", *(f"_{n}" for n in range(2, 100)))]
        for page in (page for page in pages if page.is_file()):
            figure = figures.of(page, title)
            left_out += figure is None
            shown += [] if figure is None else [{**figure, "name": name}]
    if not shown:
        return None
    return {
        "member": explanation.get("member"),
        "method": explanation.get("method"),
        "layer": explanation.get("layer"),
        "chosen_images": explanation.get("images_chosen"),
        "figures": shown,
        "left_out": left_out,
    }


def ensemble(folder: Path, figures: Figures | None) -> dict[str, Any] | None:
    """The ensemble beside its contenders on the test part; None where `ensemble` has not been called."""
    try:
        kept = read_sealed((folder / "ensemble" / ENSEMBLE).read_text(encoding="utf-8"))
        rows = [_contender(contender) for contender in kept["contenders"]]
    except FileNotFoundError:
        return None
    except (OSError, KeyError, TypeError, ValueError) as error:
        logger.warning("the ensemble in %s is not shown in the report: %r", folder, error)
        return None
    if not rows:
        return None
    title = "Votes of the members between two quantiles of the front, as published"
    return {
        "rows": rows,
        "measures": [m for m in _MEASURES if any(row["figures"][m]["mean"] is not None for row in rows)],
        "repetitions": max(row["repetitions"] for row in rows),
        "figure": None if figures is None else figures.of(folder / "ensemble" / "windows.png", title),
    }


def _contender(contender: dict[str, Any]) -> dict[str, Any]:
    name, measured = contender["name"], contender["by_repetition"]
    figures = {}
    for measure in _MEASURES:
        values = [float(value) for value in measured.get(measure, []) if value is not None]
        figures[measure] = {
            "mean": float(np.mean(values)) if values else None,
            "std": float(np.std(values, ddof=1)) if len(values) > 1 else None,
        }
    return {
        "name": name,
        "title": _CONTENDERS.get(name, name.replace("_", " ")),
        "heads": int(contender["heads"]),
        "parameters": int(contender["parameters"]),
        "hindsight": bool(contender["hindsight"]),
        "repetitions": max(map(len, measured.values()), default=0),
        "figures": figures,
    }
