"""What tables say where the chosen head is the full one, which looks as if the search had brought nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_SIZES = {"active", "parameters", "flops"}
"""Objectives that reward a smaller head."""

_BOUNDS = (10, 25, 50, 75, 90)
"""Percent of active neurons that a reader may ask for instead."""


def unpruned_remark(summary: Mapping[str, Any], run: str = "RUN") -> list[str]:
    """One sentence where the chosen head has everything switched on, with the way to a smaller one; else none.

    Args:
        summary: as `Result.summary` gives it.
        run: what the command in the sentence calls the run.
    """
    full = summary["dense"]["active_neurons"]
    if summary["best"]["active_neurons"] < full:
        return []
    said = "The full head is chosen, so nothing is pruned"
    if not _SIZES & {objective["name"] for objective in summary["objectives"]}:
        return [f"{said}; with `active` among the --objectives, a search gives smaller heads to choose from."]
    shares = [100 * member["active_share"] for member in summary["front"] if member["active_neurons"] < full]
    bound = next((bound for bound in _BOUNDS if shares and min(shares) <= bound), None)
    if bound is None:
        return [f"{said}."]
    command = f'evoprune select {run} --where "active<={bound}%"'
    return [f"{said}; the best head of at most {bound} % is taken with: {command}"]
