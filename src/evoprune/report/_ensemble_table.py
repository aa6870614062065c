"""An ensemble beside what it has to be better than: for a terminal, as Markdown and as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from evoprune._files import write_atomic
from evoprune.report._detection import reversed_remark
from evoprune.report._text import csv_cell, markdown, printable

_MEASURES = {"accuracy": "accuracy, %", "calibration": "ECE, %", "ood": "OOD AUROC"}
"""Measures, as columns name them; all on the test part."""

_PERCENT = {"accuracy", "calibration"}


def ensemble_table(summary: Mapping[str, Any], *, ascii_only: bool = False) -> Group:
    """The ensemble and its contenders on the test part, for a terminal of 80 columns.

    Args:
        summary: as `workflow.make_ensemble` gives it.
        ascii_only: write `+-` for the plus-minus sign.
    """
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    table.add_column("on the test part" + (" (paper)" if summary["protocol"] == "paper" else ""))
    table.add_column("heads", justify="right")
    shown = _shown(summary)
    for measure in shown:
        table.add_column(_MEASURES[measure], justify="right", no_wrap=True)
    sign = "+-" if ascii_only else "±"
    for contender in summary["contenders"]:
        cells = [_spread(summary, contender, measure, measure, sign) for measure in shown]
        style = "bold" if contender["name"] == "ensemble" else "dim" if contender["hindsight"] else None
        table.add_row(contender["title"], str(contender["heads"]), *cells, style=style)
    heading = f"{printable(summary['run'])}  ({summary['protocol']} protocol)\n"
    return Group(Text(heading, style="bold"), table, Text("\n" + "\n".join(_remarks(summary, sign)), style="dim"))


def write_ensemble_tables(folder: Path, summary: Mapping[str, Any]) -> None:
    """Write `ensemble.csv` (a line a contender and repetition), `windows.csv` (a line a window) and `ensemble.md`.

    Raises:
        StorageError: one cannot be written.
    """
    repetitions = range(summary["repetitions"])
    lines = [
        [
            *(contender[name] for name in ("name", "heads", "parameters", "multiply_adds")),
            int(contender["hindsight"]),
            repetition,
            *(_plain(contender["by_repetition"][measure][repetition]) for measure in _MEASURES),
        ]
        for contender in summary["contenders"]
        for repetition in repetitions
    ]
    header = ["contender", "heads", "parameters", "multiply_adds", "hindsight", "repetition", *_MEASURES]
    _write_csv(folder / "ensemble.csv", header, lines)
    names = {"ensemble": "ensemble", "hindsight": "best_in_hindsight", "best": "best_member"}
    figures = [(f"{name}{kind}", f"{title}{kind}") for name, title in names.items() for kind in ("", "_std")]
    windows = [
        [
            window["by"],
            *window["quantiles"],
            summary["windows_vote"],
            " ".join(window["members"]),
            *(_plain(window[name]) for name, _ in figures),
        ]
        for window in summary["windows"]
    ]
    titles = [title for _, title in figures]
    _write_csv(folder / "windows.csv", ["by", "from", "to", "vote", "members", *titles], windows)
    write_atomic(folder / "ensemble.md", _markdown(summary))


def _markdown(summary: Mapping[str, Any]) -> str:
    shown = _shown(summary)
    where = "test part (paper protocol: members were selected on it)" if summary["protocol"] == "paper" else "test part"
    header = [f"on the {where}", "heads", *(_MEASURES[m] for m in shown), "parameters", "multiply-adds"]
    lines = [
        [
            contender["title"],
            str(contender["heads"]),
            *(_spread(summary, contender, measure, measure) for measure in shown),
            f"{contender['parameters']:,}",
            f"{contender['multiply_adds']:,}",
        ]
        for contender in summary["contenders"]
    ]
    parts = [
        "# Ensemble of a front",
        "",
        *_remarks(summary, "±"),
        "",
        *_table(header, lines),
        "",
        "## Members",
        "",
        *_table(
            ["evaluation", "votes", "active", "validation accuracy, %", "test accuracy, %"],
            [
                [
                    markdown(str(member["id"])),
                    str(member["votes"]),
                    f"{member['active_neurons']:,} ({100 * member['active_share']:.1f} %)",
                    *(_number(member[f"{part}_accuracy"], "accuracy") for part in ("validation", "test")),
                ]
                for member in summary["members"]
            ],
        ),
        "",
        "## Windows, as published",
        "",
        f"Members whose value on validation lies between two quantiles of the front's; {summary['windows_vote']} vote.",
        "",
        "![Ensembles by window](windows.png)",
        "",
    ]
    for by in dict.fromkeys(window["by"] for window in summary["windows"]):
        rows = [
            [
                f"{window['quantiles'][0]}-{window['quantiles'][1]}",
                str(len(window["members"])),
                *(_spread(summary, window, name, by) for name in ("ensemble", "hindsight", "best")),
            ]
            for window in summary["windows"]
            if window["by"] == by
        ]
        title = f"{_MEASURES[by]}: window" + (" (paper)" if summary["protocol"] == "paper" else "")
        columns = [title, "members", "their vote", "their best in hindsight (published)", "their best by validation"]
        parts += [*_table(columns, rows), ""]
    return "\n".join(parts)


def _remarks(summary: Mapping[str, Any], sign: str) -> list[str]:
    """What there is to know about the figures."""
    count, cost = summary["repetitions"], summary["cost"]
    window = summary["window"]
    quantiles = "" if window is None else f" (quantiles {window[0]}-{window[1]} %)"
    voters = sum(member["votes"] for member in summary["members"])
    repeated = f", {voters} votes" if voters > len(summary["members"]) else ""
    lines = [
        f"{len(summary['members'])} of {summary['front']} members{repeated}, {summary['vote']} vote: "
        f"{summary['chosen_by']}{quantiles}.",
        "Of one training, with a seed not used in the search."
        if count == 1
        else f"Mean {sign} standard deviation over {count} seeds not used in the search.",
        "Valid.: chosen on validation. Hindsight: the most accurate on the test part, which nobody could have chosen. "
        "As many: heads as the ensemble has, with its vote; random masks of its members' sizes.",
        _cost(cost),
        *reversed_remark(contender["ood"] for contender in summary["contenders"]),
    ]
    if summary["protocol"] == "paper":
        lines.append("Paper protocol: members were selected on this test part; figures are optimistic.")
    return lines


def _cost(cost: Mapping[str, Any]) -> str:
    of_many, of_one = cost["multiply_adds_of_as_many_not_pruned"], cost["multiply_adds_of_one_not_pruned"]
    said = (
        f"Cost of an image: 1 pass of the backbone and {cost['heads']} heads, whose multiply-adds are "
        f"{100 * of_one:.0f} % of one head that is not pruned, {100 * of_many:.0f} % of as many"
    )
    if cost["backbone_multiply_adds"] is None:
        return f"{said}."
    return (
        f"{said}; {100 * cost['heads_share']:.2g} % of all multiply-adds are the heads', and the whole is "
        f"{100 * cost['of_as_many_networks']:.0f} % of as many separate networks."
    )


def _shown(summary: Mapping[str, Any]) -> list[str]:
    return [m for m in _MEASURES if any(contender[m] is not None for contender in summary["contenders"])]


def _spread(summary: Mapping[str, Any], of: Mapping[str, Any], name: str, measure: str, sign: str = "±") -> str:
    """Mean, with its spread where there is more than one repetition."""
    mean, std = of[name], of[f"{name}_std"]
    spread = "" if mean is None or summary["repetitions"] == 1 else f" {sign} {_number(std, measure)}"
    return _number(mean, measure) + spread


def _number(value: float | None, measure: str) -> str:
    if value is None:
        return "-"
    return f"{100 * value:.2f}" if measure in _PERCENT else f"{value:.4f}"


def _plain(value: float | None) -> str:
    return "" if value is None else f"{value:.10g}"


def _table(header: Sequence[str], lines: Sequence[Sequence[str]]) -> list[str]:
    rule = ["---", *("---:" for _ in header[1:])]
    return ["| " + " | ".join(line) + " |" for line in [header, rule, *lines]]


def _write_csv(path: Path, header: Sequence[str], lines: Sequence[Sequence[object]]) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([csv_cell(cell) for cell in line] for line in lines)
    write_atomic(path, text.getvalue())
