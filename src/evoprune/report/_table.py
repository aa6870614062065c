"""The result table, for a terminal of 80 columns."""

from __future__ import annotations

from typing import Any

from rich.table import Table
from rich.text import Text


def result_table(summary: dict[str, Any]) -> Table:
    """Dense against evolved.

    Args:
        summary: as `Result.summary` gives it.
    """
    paper = summary["protocol"] == "paper"
    dense, best = summary["dense"], summary["best"]
    title = Text(f"{summary['run']}  ({summary['protocol']} protocol)")
    table = Table(title=title, title_justify="left", title_style="bold", pad_edge=False, min_width=66)
    table.add_column("")
    table.add_column("dense", justify="right")
    table.add_column("evolved", justify="right", style="bold")

    def accuracy(of: dict[str, Any], part: str) -> str:
        return f"{100 * of[f'{part}_accuracy']:.2f} +- {100 * of[f'{part}_accuracy_std']:.2f}"

    if paper:
        table.add_row("accuracy on test part, % (paper)", accuracy(dense, "test"), accuracy(best, "test"))
    else:
        table.add_row("validation accuracy, %", accuracy(dense, "validation"), accuracy(best, "validation"))
        table.add_row("test accuracy, %", accuracy(dense, "test"), accuracy(best, "test"))
    table.add_row(
        "active neurons",
        f"{dense['active_neurons']:,} (100 %)",
        f"{best['active_neurons']:,} ({100 * best['active_share']:.1f} %)",
    )
    table.add_row("parameters of the head", f"{dense['parameters']:,}", f"{best['parameters']:,}")
    table.add_row("multiply-adds of the head", f"{dense['multiply_adds']:,}", f"{best['multiply_adds']:,}")
    table.caption = Text(_caption(summary))
    table.caption_justify = "left"
    return table


def _caption(summary: dict[str, Any]) -> str:
    seeds = summary["best"]["seeds"]
    rate = summary["evaluations"] / summary["seconds"] if summary["seconds"] else 0.0
    failed = f", {summary['failed']} failed" if summary["failed"] else ""
    lines = [
        f"{summary['evaluations']} evaluations in {summary['seconds']:.1f} s ({rate:.2f} a second){failed}.",
        f"Accuracies: mean +- standard deviation over {seeds} seeds not used in the search.",
    ]
    if summary["protocol"] == "paper":
        lines.append("Paper protocol: the masks were selected on this test part, so these figures")
        lines.append("are optimistic.")
    if len(summary["front"]) > 1:
        lines.append(f"The front has {len(summary['front'])} members; the most accurate in the search is shown.")
    return "\n".join(lines)
