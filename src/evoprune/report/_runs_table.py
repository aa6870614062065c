"""Several runs of one search side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from evoprune.report._text import printable


def runs_table(summaries: Sequence[dict[str, Any]], title: str, *, ascii_only: bool = False) -> Group:
    """One line a run, and mean and standard deviation over runs.

    Args:
        summaries: as `Result.summary` gives them.
        title: what stands above.
        ascii_only: write `+-` for the plus-minus sign.
    """
    sign = "+-" if ascii_only else "±"
    protocol = summaries[0]["protocol"]
    part = "test accuracy, %" if protocol == "nested" else "test accuracy, % (paper)"
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for name in ("run", "evaluations", f"{part}\ndense", f"{part}\nevolved", "active, %"):
        table.add_column(name, justify="left" if name == "run" else "right", overflow="fold")
    figures = []
    for summary in summaries:
        dense, best = summary["dense"], summary["best"]
        row = [_percent(of["test_accuracy"]) for of in (dense, best)] + [100 * best["active_share"]]
        figures.append(row)
        cells = [f"{value:.2f}" if np.isfinite(value) else "-" for value in row]
        table.add_row(
            printable(str(summary["run"])).rsplit("/", 1)[-1], str(summary["evaluations"]), *cells[:2], f"{row[2]:.1f}"
        )
    count = len(summaries)
    if count > 1:
        columns = np.array(figures, dtype=np.float64)
        mean, spread = columns.mean(axis=0), columns.std(axis=0, ddof=1)
        table.add_section()
        table.add_row("mean", "", *(f"{m:.2f} {sign} {s:.2f}" for m, s in zip(mean, spread, strict=True)), style="bold")
    lines = [f"Mean {sign} standard deviation over {count} runs." if count > 1 else "One run."]
    full = sum(summary["best"]["active_neurons"] == summary["dense"]["active_neurons"] for summary in summaries)
    if full:
        lines.append(
            f"{full} of {count} chose the full head; `evoprune select RUN` with --knee or --where chooses again."
        )
    if protocol == "paper":
        lines.append("Paper protocol: masks were selected on this test part; figures are optimistic.")
    return Group(
        Text(f"{printable(title)}  ({protocol} protocol)\n", style="bold"),
        table,
        Text("\n" + "\n".join(lines), style="dim"),
    )


def _percent(value: float | None) -> float:
    return np.nan if value is None else 100 * value
