"""Tables and the figure of ensembles, beside the published ones."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from evoprune._types import FloatArray
from evoprune.experiments._columns import by_seed, comparison, distinct, measured
from evoprune.experiments._markdown import escaped, natural, percent, table
from evoprune.experiments._tasks import Row
from evoprune.report import WindowPanel, reversed_remark, write_ensemble_windows

CONTENDERS = {
    "ensemble": "ensemble",
    "best_member": "its best member",
    "best_in_hindsight": "its best member in hindsight",
    "best_of_front": "the front's best",
    "dense": "not pruned",
    "dense_ensemble": "as many not pruned",
    "random_ensemble": "as many random masks",
}
"""What an ensemble is compared with, and what tables call it."""

_MEASURES = {
    "accuracy": ("Test accuracy", "test accuracy, %"),
    "calibration": ("Expected calibration error", "test ECE, %"),
    "ood": ("Detection of foreign images", "test OOD AUROC"),
}
"""Measures: heading, and head of a column."""

_PUBLISHED = {
    "CATARACT": ".727/.711 .736/.719 .719/.719 .744/.736 .769/.744 .777/.744 .777/.752 .769/.752",
    "RPS": ".957/.906 .970/.917 .954/.922 .965/.941 .962/.962 - - .997/.981",
    "PAINTING": ".942/.936 .950/.938 .947/.939 .950/.942 .950/.943 .950/.944 .949/.945 .951/.949",
}
"""Accuracy of the ensemble and of the best of its members, window by window (arXiv 2302.10253, read off)."""


def contender_tables(rows: Sequence[Row], seeds: int, protocol: str) -> list[str]:
    """One table a measure: a line for each way to choose who votes, a column for each contender."""
    contenders = [row for row in rows if row["kind"] == "contender"]
    parts: list[str] = []
    for measure, (heading, unit) in _MEASURES.items():
        if all(row[measure] is None for row in contenders):
            continue
        show = natural if measure == "ood" else percent
        lines = []
        for method, vote in _ways(contenders):
            cells = [show(column(contenders, measure, seeds, method, vote, name)) for name in CONTENDERS]
            heads = natural(column(contenders, "heads", seeds, method, vote, "ensemble"), digits=1)
            lines.append([f"{method}, {vote}", heads, *cells])
        header = [measured(unit, protocol), "heads", *CONTENDERS.values()]
        parts += [f"### {heading}", "", table(header, lines), ""]
        if measure == "ood":
            parts += _remarked([row["ood"] for row in contenders])
    return parts


def column(rows: Sequence[Row], name: str, seeds: int, method: str, vote: str, contender: str) -> FloatArray:
    """A figure of a contender by seed `[seeds]`, NaN where there is none."""
    return by_seed(rows, name, seeds, {"method": method, "vote": vote, "contender": contender})


def window_table(rows: Sequence[Row], dataset: str, seeds: int, protocol: str) -> list[str]:
    """Majority votes of the published windows beside the best of their members, and the published figures."""
    windows = [row for row in rows if row["kind"] == "window"]
    parts: list[str] = []
    for by in distinct(windows, "by"):
        heading, unit = _MEASURES[by]
        show = natural if by == "ood" else percent
        published = _PUBLISHED.get(dataset.upper()) if by == "accuracy" else None
        lines = []
        for place, quantiles in enumerate(distinct(windows, "window")):
            where = {"by": by, "window": quantiles}
            names = ("heads", "ensemble", "best_in_hindsight", "best_member")
            heads, *found = (by_seed(windows, name, seeds, where) for name in names)
            beside = [] if published is None else [published.split()[place]]
            empty = "nobody" if not np.nan_to_num(heads).any() else "failed"
            lines.append(
                [quantiles, natural(heads, digits=1), *(show(values, none=empty) for values in found), *beside]
            )
        header = [f"window, {unit}", "members", "their vote", "their best in hindsight", "their best by validation"]
        header = [measured(header[0], protocol), *header[1:], *([] if published is None else ["published (paper)"])]
        parts += [f"### {heading}, by window", "", table(header, lines), ""]
        if by == "ood":
            own = [row for row in windows if row["by"] == by]
            parts += _remarked([row[name] for row in own for name in ("ensemble", "best_in_hindsight", "best_member")])
    return parts


def _remarked(aurocs: Sequence[float | None]) -> list[str]:
    """Lines under a table of these AUROCs."""
    return [line for remark in reversed_remark(aurocs) for line in (remark, "")]


def draw_windows(path: Path, dataset: str, rows: Sequence[Row], seeds: int, protocol: str) -> None:
    """The published figure of one data set: a panel a measure."""
    windows, members = ([row for row in rows if row["kind"] == kind] for kind in ("window", "member"))
    dense = [row for row in rows if row["kind"] == "contender" and row["contender"] == "dense"]
    panels = []
    for by in distinct(windows, "by"):
        scale, unit = (1.0, "test OOD AUROC ↑") if by == "ood" else (100.0, "test accuracy, % ↑")
        quantiles = distinct(windows, "window")
        best, votes = (
            np.stack([by_seed(windows, name, seeds, {"by": by, "window": q}) for q in quantiles])
            for name in ("best_in_hindsight", "ensemble")
        )
        alone = [
            [row["alone"] for row in members if (row["by"], row["window"]) == (by, q) and row["alone"] is not None]
            for q in quantiles
        ]
        known = [row[by] for row in dense if row[by] is not None]
        panels.append(
            WindowPanel(
                f"{dataset}: by {'OOD AUROC' if by == 'ood' else by} on validation",
                unit,
                tuple((int(q.split("-")[0]), int(q.split("-")[1])) for q in quantiles),
                tuple(scale * np.array(values) for values in alone),
                scale * best,
                scale * votes,
                scale * float(np.mean(known)) if known else None,
            )
        )
    title = f"Majority vote of the members between two quantiles of a front, {seeds} seed{'' if seeds == 1 else 's'}"
    write_ensemble_windows(path, panels, title, protocol=protocol)


def overall(rows: Sequence[Row], seeds: int) -> list[str]:
    """What each way to choose gains, pair by pair over data sets and seeds, and how often a window's vote wins."""
    contenders = [row for row in rows if row["kind"] == "contender"]
    datasets = distinct(contenders, "dataset")
    parts: list[str] = []
    for method, vote in _ways(contenders):
        values = {
            title: np.concatenate(
                [
                    column([r for r in contenders if r["dataset"] == d], "accuracy", seeds, method, vote, name)
                    for d in datasets
                ]
            )
            for name, title in CONTENDERS.items()
        }
        parts += [f"### {escaped(method)}, {vote} vote: test accuracy", "", *comparison(values, CONTENDERS["ensemble"])]
    # One member has nobody to vote with.
    windows = [row for row in rows if row["kind"] == "window" and row["heads"] > 1 and row["ensemble"] is not None]
    lines = []
    for by in distinct(windows, "by"):
        own = [row for row in windows if row["by"] == by]
        gains = {name: [row["ensemble"] - row[name] for row in own] for name in ("best_in_hindsight", "best_member")}
        counted = [
            f"{sum(gain > 0 for gain in found)}/{len(found)} ({100 * float(np.mean(found)):+.2f})"
            for found in gains.values()
        ]
        lines.append([_MEASURES[by][1].split(",")[0], *counted])
    return [
        *parts,
        "### Windows in which the vote beats its best member (mean difference, points)",
        "",
        table(["windows of two members or more", "in hindsight, as published", "by validation"], lines),
    ]


def _ways(contenders: Sequence[Row]) -> list[tuple[str, str]]:
    """Methods with their votes, as they come."""
    return list(dict.fromkeys((str(row["method"]), str(row["vote"])) for row in contenders))
