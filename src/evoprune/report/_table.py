"""The result table, for a terminal of 80 columns."""

from __future__ import annotations

from typing import Any

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from evoprune.report._detection import reversed_remark
from evoprune.report._soft_remark import soft_remark
from evoprune.report._text import printable
from evoprune.report._unpruned import unpruned_remark

_COUNTED = {"accuracy", "active", "parameters", "flops"}
"""Objectives whose values stand in rows of their own anyway."""


def result_table(summary: dict[str, Any], *, ascii_only: bool = False) -> Group:
    """Dense against evolved: a title, a table and what there is to know about its figures.

    Args:
        summary: as `Result.summary` gives it.
        ascii_only: write `+-` for the plus-minus sign.
    """
    sign = "+-" if ascii_only else "±"
    dense, best = summary["dense"], summary["best"]
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    table.add_column("")
    table.add_column("dense", justify="right")
    table.add_column("evolved", justify="right", style="bold")
    paper = summary["protocol"] == "paper"
    parts = (
        {"test": "{} on the test part{} (paper)"} if paper else {"validation": "validation {}{}", "test": "test {}{}"}
    )
    for part, label in parts.items():
        table.add_row(label.format("accuracy", ", %"), *(shown_accuracy(of, part, sign) for of in (dense, best)))
    titles = {objective["name"]: objective["title"] for objective in summary["objectives"]}
    if "ood" in best["test"]:
        titles.setdefault("ood", "OOD AUROC")
    for name, title in titles.items():
        if name not in _COUNTED:
            for part, label in parts.items():
                table.add_row(label.format(title, ""), *(_measured(of, part, name, sign) for of in (dense, best)))
    pruned = "connections" if summary["encoding"].startswith("connections") else "neurons"
    table.add_row(f"active {pruned}", *(_active(of) for of in (dense, best)))
    table.add_row("parameters of the head", *(f"{of['parameters']:,}" for of in (dense, best)))
    table.add_row("multiply-adds of the head", *(f"{of['multiply_adds']:,}" for of in (dense, best)))
    title = Text(f"{printable(summary['run'])}  ({summary['protocol']} protocol)\n", style="bold")
    return Group(title, table, Text(f"\n{_caption(summary, sign)}", style="dim"))


def shown_accuracy(of: dict[str, Any], part: str, sign: str) -> str:
    """Accuracy in percent, with its spread where there is more than one seed.

    Args:
        of: scores, as `dense` and `best` of `Result.summary`.
        part: `validation` or `test`.
        sign: between mean and spread.
    """
    mean, spread = of[f"{part}_accuracy"], of[f"{part}_accuracy_std"]
    if mean is None:
        return "-"
    return f"{100 * mean:.2f}" + (f" {sign} {100 * spread:.2f}" if of["seeds"] > 1 else "")


def _measured(of: dict[str, Any], part: str, name: str, sign: str) -> str:
    """Mean of a figure, with its spread where there is more than one seed."""
    mean, spread = of[part][name], of[f"{part}_std"][name]
    if mean is None:
        return "-"
    return f"{mean:.4f}" + (f" {sign} {spread:.4f}" if of["seeds"] > 1 else "")


def _active(of: dict[str, Any]) -> str:
    share = 100 * of["active_share"]
    return f"{of['active_neurons']:,} ({'100' if share == 100 else f'{share:.1f}'} %)"


def _overfitting(of: dict[str, Any] | None, sign: str) -> list[str]:
    """What the search gained on its own rows alone, beside masks that nobody chose."""
    if of is None:
        return []
    chosen, random, spread = (100 * of[key] for key in ("chosen", "random", "random_std"))
    return [
        f"Validation minus test accuracy: {chosen:+.1f} points; of {of['random_masks']} random masks of this size "
        f"{random:+.1f} {sign} {spread:.1f}."
    ]


def _caption(summary: dict[str, Any], sign: str) -> str:
    count, seconds, seeds = summary["evaluations"], summary["seconds"], summary["best"]["seeds"]
    failed = f" ({summary['failed']} failed)" if summary["failed"] else ""
    rate = f", {count / seconds:.1f} a second" if seconds else ""
    lines = [f"{count} evaluation{'' if count == 1 else 's'}{failed} in {seconds:.1f} s{rate}."]
    if seeds == 1:
        lines.append("Accuracies: of one training, with a seed not used in the search.")
    else:
        lines.append(f"Accuracies: mean {sign} standard deviation over {seeds} seeds not used in the search.")
    lines += unpruned_remark(summary)
    lines += soft_remark(summary, sign)
    lines += _overfitting(summary.get("overfitting"), sign)
    if broken := summary.get("broken"):
        lines.append(f"{broken} unreadable image{' was' if broken == 1 else 's were'} left out.")
    if twins := summary.get("duplicates"):
        lines.append(f"{twins} test image{' stands' if twins == 1 else 's stand'} in the training part too.")
    parts = ("test",) if summary["protocol"] == "paper" else ("validation", "test")
    lines += reversed_remark(summary[of][part].get("ood") for of in ("dense", "best") for part in parts)
    if summary["protocol"] == "paper":
        lines.append("Paper protocol: masks were selected on this test part; figures are optimistic.")
    if len(summary["objectives"]) > 1:
        size = len(summary["front"])
        lines.append(f"The front has {size} member{'' if size == 1 else 's'}; chosen: {summary['chosen_by']}.")
        lines.append("`evoprune front` shows them all, `evoprune select` chooses another.")
    return "\n".join(lines)
