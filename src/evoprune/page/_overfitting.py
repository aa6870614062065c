"""How much better the chosen head looks on the rows it was chosen by than on the test part."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from evoprune.page._experiment import Comparison, random_gap
from evoprune.page._source import Source


def overfitting(source: Source, comparison: Comparison | None) -> dict[str, Any] | None:
    """Accuracy on validation and test part of the chosen head, of the whole front, and of heads nobody chose.

    A head that no search has chosen shows what the two parts differ in anyway: the dense one, and random
    masks of its size where the run or an experiment holds them.

    Returns:
        None before there is a result, and under the `paper` protocol, where the two parts are one.
    """
    if source.summary is None or source.protocol == "paper" or "best" not in source.summary:
        return None
    rows = [_row("chosen head", [source.summary["best"]])]
    if len(source.members) > 1:
        rows.append(_row(f"all {len(source.members)} members of the front", source.members))
    rows.append(_row("not pruned: no search", [source.summary["dense"]]))
    own = source.summary.get("overfitting")
    if own is not None:
        label = f"{own['random_masks']} random masks of this size: no search"
        rows.append({"label": label, "gap": own["random"], "gap_std": own["random_std"], "random": True})
    elif comparison is not None:
        random = random_gap(comparison, source.summary["best"]["active_share"])
        if random is not None:
            label = f"random masks: no search ({100 * random['share']:g} % active, {random['masks']} masks)"
            means = {part: random[part] for part in ("validation", "test")}
            rows.append(_with_gap({"label": label, **means, "random": True}))
    known = [row for row in rows if row["gap"] is not None]
    return {"rows": known} if known else None


def _row(label: str, heads: list[Mapping[str, Any]] | list[dict[str, Any]]) -> dict[str, Any]:
    means = {}
    for part in ("validation", "test"):
        values = [head[f"{part}_accuracy"] for head in heads]
        means[part] = None if None in values else float(np.mean(values))
    return _with_gap({"label": label, **means})


def _with_gap(row: dict[str, Any]) -> dict[str, Any]:
    missing = row["validation"] is None or row["test"] is None
    return {**row, "gap": None if missing else row["validation"] - row["test"]}
