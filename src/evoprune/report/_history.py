"""`history.csv`: one line an evaluation, in the order of asking."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from evoprune._files import write_atomic
from evoprune._types import FloatArray

if TYPE_CHECKING:
    from evoprune.objectives import Objective
    from evoprune.study import Evaluation


def best_so_far(values: FloatArray, *, maximize: bool) -> FloatArray:
    """Best of the values `[P]` up to each evaluation; NaN (failed) is passed over."""
    worst = -np.inf if maximize else np.inf
    filled = np.where(np.isfinite(values), values, worst)
    running: FloatArray = np.maximum.accumulate(filled) if maximize else np.minimum.accumulate(filled)
    return np.where(np.isfinite(running), running, np.nan)


def write_history(path: Path, evaluations: Sequence[Evaluation], objectives: Sequence[Objective]) -> None:
    """Write id, state, values, best first objective so far, active neurons and share, seconds.

    Raises:
        StorageError: the file cannot be written.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    names = [objective.name for objective in objectives]
    writer.writerow(["id", "state", *names, f"best_{names[0]}", "active_neurons", "active_share", "seconds"])
    values = np.stack([e.values for e in evaluations])
    best = best_so_far(values[:, 0], maximize=objectives[0].maximize)
    for evaluation, running in zip(evaluations, best, strict=True):
        writer.writerow(
            [
                evaluation.id,
                evaluation.state,
                *map(_number, evaluation.values),
                _number(running),
                int(evaluation.genome.sum()),
                f"{evaluation.genome.mean():.6f}",
                f"{evaluation.seconds:.4f}",
            ]
        )
    write_atomic(path, text.getvalue())


def _number(value: float) -> str:
    return "" if np.isnan(value) else f"{value:.10g}"
