"""The tables of an explanation, as CSV files."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from evoprune._files import write_atomic
from evoprune._types import BoolArray, FloatArray, IntArray
from evoprune.report import FrontData, csv_cell
from evoprune.workflow._explained_front import ExplainedFront


def write_csv(path: Path, titles: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a table; numbers to ten digits, None and NaN as empty cells.

    Raises:
        StorageError: the file cannot be written.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(titles)
    writer.writerows([_cell(value) for value in row] for row in rows)
    write_atomic(path, text.getvalue())


def _cell(value: object) -> object:
    if isinstance(value, (float, np.floating)):
        return f"{value:.10g}" if np.isfinite(value) else ""
    return "" if value is None else csv_cell(value)


def write_neurons(path: Path, front: ExplainedFront, row: int, frequency: FloatArray, strength: FloatArray) -> None:
    """Write every neuron: how many members have it, what they achieve on average, and what it is in the explained one.

    Raises:
        StorageError: the file cannot be written.
    """
    counts = front.genomes.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        means = front.genomes.T.astype(np.float64) @ front.shown() / counts[:, None]
    titles = [
        "neuron",
        "members",
        "share_of_members",
        "in_member",
        "strength",
        *(f"mean_{o}" for o in front.objectives),
    ]
    rows = (
        [n, int(counts[n]), frequency[n], int(front.genomes[row, n]), strength[n], *means[n]]
        for n in range(len(frequency))
    )
    write_csv(path, titles, rows)


def write_objectives(path: Path, data: FrontData, neurons: IntArray) -> None:
    """Write what the boxes of `objectives.png` show: quartiles of each objective over the members with each neuron.

    Raises:
        StorageError: the file cannot be written.
    """
    rows: list[list[object]] = []
    for number, name in enumerate(data.names):
        groups = [("all", np.ones(len(data.genomes), dtype=np.bool_))]
        groups += [(str(neuron), data.genomes[:, neuron]) for neuron in neurons]
        for label, having in groups:
            values = data.shown[having, number]
            marks = np.quantile(values, [0, 0.25, 0.5, 0.75, 1]) if len(values) else np.full(5, np.nan)
            rows.append([name, label, len(values), *marks])
    write_csv(path, ["objective", "neuron", "members", "lowest", "quartile_1", "median", "quartile_3", "highest"], rows)


def described(
    front: ExplainedFront, row: int, frequency: FloatArray, strength: FloatArray, neurons: IntArray
) -> dict[str, Any]:
    """The front and some of its neurons as JSON object, with strengths in the member of a row."""
    values = front.shown()
    return {
        "run": str(front.folder),
        "protocol": front.summary["protocol"],
        "encoding": front.summary["encoding"],
        "objectives": front.summary["objectives"],
        "members": len(front.members),
        "neurons": len(frequency),
        "never_active": int((frequency == 0).sum()),
        "member": front.members[row]["id"],
        "member_run": str(front.runs[row].path),
        "mean": dict(zip(front.objectives, values.mean(axis=0).tolist(), strict=True)),
        "top": [
            {
                "neuron": int(neuron),
                "frequency": float(frequency[neuron]),
                "members": int(front.genomes[:, neuron].sum()),
                "in_member": bool(front.genomes[row, neuron]),
                "strength": float(strength[neuron]),
                "mean": dict(zip(front.objectives, _mean(values, front.genomes[:, neuron]), strict=True)),
            }
            for neuron in neurons
        ],
    }


def _mean(values: FloatArray, having: BoolArray) -> list[float | None]:
    return [None] * values.shape[1] if not having.any() else values[having].mean(axis=0).tolist()
