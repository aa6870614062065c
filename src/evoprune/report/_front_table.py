"""The front as a table: for a terminal, and as `front.csv`."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from evoprune._files import write_atomic
from evoprune.report._detection import reversed_remark
from evoprune.report._text import csv_cell, printable

_SHARES = {"accuracy", "balanced_accuracy", "f1", "corruption", "active", "ood", "ood_aupr", "ood_fpr95", "calibration"}
"""Objectives in 0..1, shown in percent."""

_EXACT = {"active", "parameters", "flops"}
"""Objectives that the genome alone decides: no training changes them, and one column shows them."""


def front_table(summary: dict[str, Any], *, ascii_only: bool = False) -> Group:
    """The members of a front with what was measured of each, after the search.

    Args:
        summary: as `Result.summary` gives it, or of merged runs.
        ascii_only: mark the chosen member with an asterisk.
    """
    names = [objective["name"] for objective in summary["objectives"]]
    shown = [name for name in dict.fromkeys(["accuracy", *names]) if name not in _EXACT]
    parts = {"test": "test (paper)"} if summary["protocol"] == "paper" else {"validation": "valid.", "test": "test"}
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    several = any("run" in member for member in summary["front"])
    for title in (["run"] if several else []) + ["id", "active", "%"]:
        table.add_column(title, justify="left" if title == "run" else "right", overflow="fold")
    for name in names:
        if name in _EXACT and name != "active":
            table.add_column(name, justify="right")
    for name in shown:
        for part in parts.values():
            table.add_column(f"{name}\n{part}", justify="right")
    chosen = summary.get("best", {}).get("id")
    members = sorted(summary["front"], key=lambda member: -int(member["active_neurons"]))
    rows = [*members, *([summary["dense"]] if "dense" in summary else [])]
    for member in rows:
        dense = member["id"] == 0
        mark = ("*" if ascii_only else "●") if member["id"] == chosen and not several else ""
        cells = [printable(str(member.get("run", "")))] if several else []
        cells += ["dense" if dense else f"{mark}{member['id']}", f"{member['active_neurons']:,}"]
        cells.append(f"{100 * member['active_share']:.1f}")
        cells += [f"{member['test'][name]:,.0f}" for name in names if name in _EXACT and name != "active"]
        cells += [_shown(member[part].get(name), name) for name in shown for part in parts]
        table.add_row(*cells, style="bold" if mark else "dim" if dense else None, end_section=False)
    return Group(
        Text(f"{printable(str(summary['run']))}  ({summary['protocol']} protocol)\n", style="bold"),
        table,
        Text(f"\n{_caption(summary, rows, shown, tuple(parts), ascii_only=ascii_only)}", style="dim"),
    )


def _shown(value: float | None, name: str) -> str:
    if value is None:
        return "-"
    return f"{100 * value:.1f}" if name in _SHARES else f"{value:.3f}"


def _caption(
    summary: dict[str, Any],
    rows: Sequence[dict[str, Any]],
    shown: Sequence[str],
    parts: Sequence[str],
    *,
    ascii_only: bool,
) -> str:
    seeds = summary["front"][0]["seeds"]
    counted = "one training" if seeds == 1 else f"means over {seeds} seeds"
    lines = [
        f"{', '.join(shown)}: {counted} not used in the search; shares in percent.",
        "The front is that of the search's own figures (`--json` has them); a member measured anew may beat another.",
    ]
    if "chosen_by" in summary:
        lines.append(f"{'*' if ascii_only else '●'} chosen: {summary['chosen_by']}.")
    if "runs" in summary and "dense" in summary:
        lines.append(f"dense: mean over {summary['dense']['seeds']} trainings in {len(summary['runs'])} runs.")
    volume = summary.get("hypervolume")
    if volume is not None:
        point = ", ".join(f"{name} {value:.4g}" for name, value in volume["reference"].items())
        test = "-" if volume["test"] is None else f"{volume['test']:.4f}"
        lines.append(f"Hypervolume {volume['search']:.4f} in the search, {test} on test (reference: {point}).")
    if "ood" in shown:
        lines += reversed_remark(member[part].get("ood") for member in rows for part in parts)
    if summary["protocol"] == "paper":
        lines.append("Paper protocol: masks were selected on this test part; figures are optimistic.")
    return "\n".join(lines)


def write_front(path: Path, summary: dict[str, Any]) -> None:
    """Write the members of a front as CSV: id, sizes, and each figure in the search, on validation and on test.

    Raises:
        StorageError: the file cannot be written.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    first = summary["front"][0]
    extra = [name for name in ("run", "attained") if name in first]
    plain = ["id", "active_neurons", "active_share", "parameters", "multiply_adds"]
    parts = ["values", "validation", "validation_std", "test", "test_std"]
    columns = [(part, name) for part in parts for name in first[part]]
    titles = [f"{'search' if part == 'values' else part}_{name}" for part, name in columns]
    writer.writerow([*extra, *plain, *titles, "seeds"])
    for member in summary["front"]:
        figures = [member[part].get(name) for part, name in columns]
        writer.writerow(
            [
                *(csv_cell(member[name]) for name in (*extra, *plain)),
                *("" if figure is None else f"{figure:.10g}" for figure in figures),
                member["seeds"],
            ]
        )
    write_atomic(path, text.getvalue())


def write_hypervolume(path: Path, trace: Sequence[float]) -> None:
    """Write the hypervolume after each evaluation as CSV.

    Raises:
        StorageError: the file cannot be written.
    """
    lines = [f"{number},{value:.10g}" for number, value in enumerate(trace, start=1)]
    write_atomic(path, "\n".join(["evaluation,hypervolume", *lines]) + "\n")
