"""The most frequent neurons of a front as a table for a terminal."""

from __future__ import annotations

from typing import Any

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from evoprune.report._text import printable

_COLUMNS = 4
"""Objectives that fit beside the others into 80 columns."""


def neurons_table(summary: dict[str, Any], *, ascii_only: bool = False) -> Group:
    """Neurons with how many members of the front have them, and what those achieve; then how faithful heatmaps are.

    Args:
        summary: as `workflow.explain` gives it.
        ascii_only: write no character beyond ASCII.
    """
    names = [objective["name"] for objective in summary["objectives"]][:_COLUMNS]
    several = summary["members"] > 1
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for title in ("neuron", "members\nwith it", "in the\nmodel", "strength\nin it"):
        table.add_column(title, justify="right")
    for name in names if several else ():
        table.add_column(f"{name}\nmean", justify="right")
    mark = "x" if ascii_only else "●"
    for one in summary["top"]:
        cells = [
            str(one["neuron"]),
            f"{100 * one['frequency']:.0f} %",
            mark if one["in_member"] else "",
            f"{one['strength']:.3f}" if one["in_member"] else "-",
        ]
        table.add_row(*cells, *(_shown(one["mean"][name], name) for name in names if several))
    if several:
        table.add_row(
            "all", str(summary["members"]), "", "", *(_shown(summary["mean"][n], n) for n in names), style="dim"
        )
    return Group(
        Text(f"{printable(str(summary['run']))}  ({summary['protocol']} protocol)\n", style="bold"),
        table,
        Text(f"\n{_caption(summary)}", style="dim"),
    )


def _shown(value: float | None, name: str) -> str:
    # Not needed to show a run, and slow to import.
    from evoprune.objectives import OBJECTIVES  # noqa: PLC0415

    if value is None:
        return "-"
    in_percent = (OBJECTIVES[name].lower, OBJECTIVES[name].upper) == (0.0, 1.0)
    return f"{100 * value:.1f}" if in_percent else f"{value:.3f}"


def _caption(summary: dict[str, Any]) -> str:
    part = "test part (paper protocol: selected on it)" if summary["protocol"] == "paper" else "validation part"
    active = summary["neurons"] - summary["never_active"]
    members = f"the {summary['members']} members" if summary["members"] > 1 else "the one member"
    lines = [
        f"Of {summary['neurons']:,} neurons, {active:,} are active in {members} of the front, "
        f"{summary['never_active']:,} in none.",
        f"The model is that of evaluation {summary['member']}. Equally frequent neurons are ordered by",
        "strength, the spread of the value times the length of the outgoing weights.",
    ]
    if summary["members"] > 1:
        lines.append(f"Objectives are means over the members with the neuron: {part}; shares in percent.")
    faithful = summary.get("faithfulness")
    if faithful is not None:
        lines.append(f"\nHeatmaps: {summary['method']}. Area under deletion (low is good) and insertion (high):")
        lines += [
            f"  {name:<12} {areas['deletion_area']:.3f}  {areas['insertion_area']:.3f}"
            for name, areas in faithful["areas"].items()
        ]
    return "\n".join(lines)
