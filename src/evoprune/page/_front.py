"""The front as the page draws it: figures, members, every evaluation, and the commands for a member."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

import numpy as np

from evoprune.objectives import OBJECTIVES
from evoprune.page._source import Source
from evoprune.report import printable

MOST_POINTS = 4000
"""Evaluations that are drawn on one page."""

_PERCENT = {"accuracy", "active"}
"""Figures that are shown in percent, as the result table shows them."""

_COUNTED = {"active": "active_share", "parameters": "parameters", "flops": "multiply_adds"}
"""Figures that a genome alone decides, and where a member has them."""

_PARTS = ("validation", "test")


def figures(source: Source) -> list[dict[str, Any]]:
    """What members can be compared by: objectives first, then what else is measured and counted."""
    titles = {objective["name"]: objective for objective in source.objectives}
    measured = source.members[0].get("validation", {}) if source.members else {}
    sizes = ["active", *(name for name in _COUNTED if source.members and _COUNTED[name] in source.members[0])]
    return [_figure(name, titles) for name in dict.fromkeys((*titles, *measured, *sizes))]


def _figure(name: str, objectives: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    known = OBJECTIVES.get(name)
    named = objectives.get(name)
    title, maximize = (
        (named["title"], named["maximize"])
        if named is not None
        else (name, True)
        if known is None
        else (known.title, known.maximize)
    )
    return {
        "name": name,
        "title": title,
        "maximize": maximize,
        "unit": "%" if name in _PERCENT else "count" if name in _COUNTED else "",
        "counted": name in _COUNTED,
        "objective": named is not None,
    }


def front(source: Source, most: int = MOST_POINTS) -> dict[str, Any] | None:
    """Members, the dense head, and every evaluation.

    Args:
        source: of the page.
        most: evaluations that are drawn; of more, so many spread evenly over the search.

    Returns:
        None where nothing is evaluated.
    """
    if not source.members:
        return None
    dense = None if source.summary is None else source.summary.get("dense")
    return {
        "members": [member(source, one) for one in source.members],
        "dense": None if dense is None else member(source, dense),
        "chosen": source.chosen,
        "cloud": _cloud(source, most),
        "parts": list(_parts(source)),
        "select": None if source.config is None else f"evoprune select {quoted(source.folder)}",
    }


def _parts(source: Source) -> tuple[str, ...]:
    """Parts of the data that members are measured on; under `paper`, validation and test part are the same."""
    if source.summary is None:
        return ()
    return _PARTS[1:] if source.protocol == "paper" else _PARTS


def member(source: Source, scores: Mapping[str, Any]) -> dict[str, Any]:
    """One head as the page has it: its figures by part, its size, and the commands for it.

    Args:
        source: of the page.
        scores: as a summary has them.
    """
    found = {
        "id": scores["id"],
        "active": scores["active_share"],
        "neurons": scores["active_neurons"],
        "search": _with_sizes(scores, scores["values"]),
        **{name: scores[name] for name in ("parameters", "multiply_adds", "seeds", "attained") if name in scores},
    }
    for part in _parts(source):
        found |= {part: _with_sizes(scores, scores[part]), f"{part}_std": scores[f"{part}_std"]}
    if scores["id"] and source.summary is not None:
        run = str(scores.get("run", source.folder))
        found["commands"] = {
            "select": f"evoprune select {quoted(run)} --id {scores['id']}",
            "export": f"evoprune export {quoted(run)} --member {scores['id']} --format onnx",
            "explain": f"evoprune explain {quoted(run)} --member {scores['id']}",
        }
        if "run" in scores:
            found["run"] = run
    return found


def _with_sizes(scores: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    sizes = {name: scores[place] for name, place in _COUNTED.items() if place in scores}
    return {**sizes, **values}


def quoted(path: object) -> str:
    """A path as one word of a command that can be shown."""
    return printable(shlex.quote(str(path)))


def _cloud(source: Source, most: int) -> dict[str, Any]:
    """Every evaluation that did not fail: numbers, values by objective, active shares."""
    complete = [e for e in source.evaluations if e.state == "complete"]
    if len(complete) > most:
        complete = [complete[row] for row in np.linspace(0, len(complete) - 1, most).round().astype(int)]
    values = np.array([e.values for e in complete]).reshape(-1, len(source.objectives))
    names = [objective["name"] for objective in source.objectives]
    return {
        "id": [e.id for e in complete],
        "values": {
            **{"active": [round(float(e.genome.mean()), 8) for e in complete]},
            **dict(zip(names, values.T.tolist(), strict=True)),
        },
    }
