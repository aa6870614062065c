"""How a search went: the best so far, the hypervolume, and how long it took."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from evoprune._types import FloatArray
from evoprune.objectives import OBJECTIVES
from evoprune.page._source import Source
from evoprune.report import best_so_far
from evoprune.search import hypervolume_trace


def convergence(source: Source) -> dict[str, Any] | None:
    """The first objective of every evaluation, and its best so far."""
    if not source.evaluations:
        return None
    first = source.objectives[0]
    best = best_so_far(source.values[:, 0], maximize=first["maximize"])
    dense = {} if source.summary is None else source.summary["dense"]["values"]
    return {"figure": first["name"], **_steps(best), "dense": dense.get(first["name"])}


def hypervolume(source: Source) -> dict[str, Any] | None:
    """Hypervolume of the front after each evaluation; where several objectives are searched for."""
    if not source.evaluations or len(source.objectives) < 2:
        return None
    found = None if source.summary is None else source.summary.get("hypervolume")
    names = [objective["name"] for objective in source.objectives]
    maximize = tuple(objective["maximize"] for objective in source.objectives)
    if found is None:
        reference = _provisional(source.objectives, source.values)
        if reference is None:
            return None
    else:
        reference = np.array([found["reference"][name] for name in names])
    trace = hypervolume_trace(source.values, maximize, reference)
    return {
        **_steps(trace),
        "reference": dict(zip(names, reference.tolist(), strict=True)),
        "test": None if found is None else found["test"],
        "provisional": found is None,
    }


def _provisional(objectives: Sequence[Mapping[str, Any]], values: FloatArray) -> FloatArray | None:
    """A reference point before the dense head is measured: the worst bound, else the worst value seen so far."""
    seen = values[np.isfinite(values).all(axis=1)]
    if not len(seen):
        return None
    reference = np.empty(len(objectives))
    for index, objective in enumerate(objectives):
        known = OBJECTIVES.get(objective["name"])
        bound = np.inf if known is None else known.lower if known.maximize else known.upper
        worst = seen[:, index].min() if objective["maximize"] else seen[:, index].max()
        reference[index] = bound if np.isfinite(bound) else worst
    return reference


def _steps(trace: FloatArray) -> dict[str, Any]:
    """A curve of steps by its corners: evaluations counted from 1, and values; the last one is always there."""
    known = np.flatnonzero(np.isfinite(trace))
    if not len(known):
        return {"x": [], "y": []}
    changes = known[np.concatenate([[True], np.diff(trace[known]) != 0])]
    corners = np.unique(np.append(changes, known[-1]))
    return {"x": (corners + 1).tolist(), "y": trace[corners].tolist()}
