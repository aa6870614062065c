"""Which neurons stand in the members of a front, and how often."""

from __future__ import annotations

from typing import Any

import numpy as np

from evoprune.page._source import Source

TOP = 24
"""Neurons that are listed."""

_CURVE = 240
"""Points of the curve over all neurons."""


def neurons(source: Source, strengths: dict[int, float] | None = None) -> dict[str, Any] | None:
    """Frequencies of neurons over the members of a front.

    Args:
        source: of the page.
        strengths: of neurons in the explained member, by number, where `explain` has measured them.

    Returns:
        The most frequent neurons with the mean figures of the members that have them, and all frequencies in
        descending order; None where the front has fewer than two members.
    """
    genomes = source.genomes
    if len(genomes) < 2:
        return None
    counts = genomes.sum(axis=0)
    ids = [member["id"] for member in source.members]
    chosen = genomes[ids.index(source.chosen)] if source.chosen in ids else None
    part = "validation" if "validation" in source.members[0] else "values"
    top = sorted(range(len(counts)), key=lambda n: (-counts[n], -(strengths or {}).get(n, 0.0), n))[:TOP]
    falling = np.sort(counts)[::-1] / len(genomes)
    at = np.unique(np.linspace(0, len(falling) - 1, min(_CURVE, len(falling))).round().astype(int))
    return {
        "members": len(genomes),
        "neurons": len(counts),
        "never": int((counts == 0).sum()),
        "always": int((counts == len(genomes)).sum()),
        "part": part,
        "top": [
            {
                "neuron": n,
                "members": int(counts[n]),
                "frequency": float(counts[n] / len(genomes)),
                "chosen": None if chosen is None else bool(chosen[n]),
                "strength": None if strengths is None else strengths.get(n),
                "mean": _means(source, part, n),
            }
            for n in top
            if counts[n]
        ],
        "falling": {"x": (at + 1).tolist(), "y": falling[at].tolist()},
    }


def _means(source: Source, part: str, neuron: int) -> dict[str, float]:
    """Mean objectives of the members that have a neuron."""
    having = [member for member, on in zip(source.members, source.genomes[:, neuron], strict=True) if on]
    values = {
        objective["name"]: [member[part].get(objective["name"]) for member in having] for objective in source.objectives
    }
    return {name: float(np.mean(list(map(float, some)))) for name, some in values.items() if None not in some}
