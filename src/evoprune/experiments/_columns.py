"""The tidy table read by columns: values by seed, and what tables, figures and files are called."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from evoprune._types import FloatArray
from evoprune.analysis import compare_all
from evoprune.experiments._markdown import COMPARISON_HEADER, comparison_lines, table
from evoprune.experiments._tasks import Row
from evoprune.workflow import RunConfig

NO_FIGURES = "No figures: no task has ended well."


def distinct(rows: Sequence[Row], column: str) -> list[str]:
    """The different texts of a column, as they come; rows without it are passed over."""
    return list(dict.fromkeys(str(row[column]) for row in rows if column in row))


def by_seed(rows: Sequence[Row], column: str, seeds: int, where: Mapping[str, object]) -> FloatArray:
    """Values `[seeds]` of a column, of the rows with some values in other columns; NaN where there are none.

    Args:
        rows: of the table.
        column: name of the wanted figures.
        seeds: how many repetitions there are.
        where: names of columns, and the value that a row must have there.
    """
    values = np.full(seeds, np.nan)
    for row in rows:
        if row.get(column) is not None and all(row.get(name) == value for name, value in where.items()):
            values[int(row["seed"])] = row[column]
    return values


def json_value(number: float) -> float | None:
    """A figure as a row holds it: JSON has no NaN."""
    return float(number) if np.isfinite(number) else None


def protocol_of(rows: Sequence[Row]) -> str:
    """The protocol that the rows were made under; all have the same."""
    return str(rows[0]["protocol"])


def times(number: int) -> str:
    """How often, in words."""
    return "once" if number == 1 else f"{number} times"


def measured(title: str, protocol: str) -> str:
    """Head of a column of accuracies; it names the protocol under which they were selected on the test part."""
    return f"{title} (paper)" if protocol == "paper" else title


def file_name(number: int, name: str) -> str:
    """A data set's name as part of a file's: letters, digits, dots and dashes; the number keeps two of them apart."""
    return f"{number}-{re.sub(r'[^A-Za-z0-9._-]+', '-', name).strip('.-') or 'data'}"


def comparison(values: Mapping[str, FloatArray], against: str) -> list[str]:
    """Lines of a report: one column `[n]` against each of the others, pair by pair.

    Args:
        values: of each its accuracies or shares, by pairs; NaN where one is missing.
        against: the one.
    """
    return [
        f"{against} against each of the others, pair by pair (pairs of one data set are not independent of each "
        "other: read p as a guide):",
        "",
        table(COMPARISON_HEADER, comparison_lines(compare_all(values, against))),
        "",
    ]


def about_task(arguments: Mapping[str, Any], config: RunConfig, detail: Mapping[str, Any] | None = None) -> Row:
    """The columns that say what a row is of: data set, encoding, protocol, what else there is to say, and seed.

    Args:
        arguments: of the task; `dataset` and `seed`.
        config: of the data set.
        detail: further columns, which stand before the seed.
    """
    return {
        "dataset": arguments["dataset"],
        "encoding": config.encoding,
        "protocol": config.protocol,
        **(detail or {}),
        "seed": int(arguments["seed"]),
    }
