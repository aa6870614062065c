"""Which of a search's evaluations are its trade-off curve, and which one an estimator takes."""

from __future__ import annotations

import numpy as np

from evoprune._types import BoolArray, FloatArray, IntArray
from evoprune.errors import ConfigError
from evoprune.search import non_dominated, ranking
from evoprune.sklearn._plan import History

NEAR, SIZED = 24, 8
"""Of so many genomes nearest in size to the one that is wanted, so many of the best are brought to that size."""


def front(history: History, maximize: tuple[bool, ...]) -> IntArray:
    """Rows of the evaluations that none other beats in all objectives and in size; the smallest genome first.

    Args:
        history: of the search.
        maximize: M directions.
    """
    sizes = history.genomes.sum(axis=1)
    values = np.column_stack([history.values, sizes])
    rows = np.flatnonzero(non_dominated(values, (*maximize, False)))
    return rows[np.argsort(sizes[rows], kind="stable")]


def best_of(history: History, maximize: tuple[bool, ...], fewest: int, most: int) -> int:
    """Row of the best first objective among genomes of `fewest` to `most` active bits; of equals the smallest.

    Raises:
        ConfigError: there is no such genome.
    """
    sizes = history.genomes.sum(axis=1)
    rows = np.flatnonzero((sizes >= fewest) & (sizes <= most) & np.isfinite(history.values).all(axis=1))
    if not len(rows):
        raise ConfigError(
            f"none of {len(history)} evaluations has a genome of {fewest} to {most} active bits that could be trained; "
            "give more evaluations, or a larger max_share"
        )
    first = ranking(history.genomes[rows], history.values[rows, :1], maximize[:1])
    return int(rows[first[0]])


def of_size(history: History, maximize: tuple[bool, ...], scores: FloatArray | None, size: int) -> BoolArray:
    """New genomes of exactly `size` active bits, made of the best of about that size.

    Larger ones lose, and smaller ones gain, the bits with the lowest and the highest scores.

    Args:
        history: of the search.
        maximize: M directions.
        scores: importance of each bit by several sources `[S, L]`, higher is more important; None to
            go by how often a bit is in the better genomes.
        size: active bits that are wanted.

    Returns:
        `[K, L]`, distinct and none of them in the history; K may be 0.
    """
    fine = np.flatnonzero(np.isfinite(history.values).all(axis=1))
    genomes = history.genomes[fine]
    order = ranking(genomes, history.values[fine, :1], maximize[:1])
    if scores is None:
        merit = genomes[order[: max(1, len(order) // 2)]].mean(axis=0)
    else:
        spread = scores.std(axis=1, keepdims=True)
        merit = ((scores - scores.mean(axis=1, keepdims=True)) / np.where(spread > 0, spread, 1)).mean(axis=0)
    far = np.abs(np.log(np.maximum(genomes.sum(axis=1), 1) / size))
    near = set(np.argsort(far, kind="stable")[:NEAR].tolist())
    parents = genomes[[row for row in order if row in near][:SIZED]]
    # A parent's bits stand above all others; among its own and among the others merit decides.
    rank = merit.argsort(kind="stable").argsort(kind="stable")
    made = np.zeros((len(parents) + 1, genomes.shape[1]), dtype=np.bool_)
    standing = np.concatenate([parents * genomes.shape[1] + rank, rank[None]])
    np.put_along_axis(made, np.argsort(-standing, axis=1, kind="stable")[:, :size], True, axis=1)
    known = {genome.tobytes() for genome in history.genomes}
    new = {genome.tobytes(): genome for genome in made if genome.tobytes() not in known}
    return np.stack(list(new.values())) if new else made[:0]
