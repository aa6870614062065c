"""Which out-of-distribution (OOD) rows a search may see, and drawing rows evenly over sets and classes."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np

from evoprune._types import IntArray
from evoprune.data._splits import checked_seed
from evoprune.errors import ConfigError


def split_halves(groups: IntArray, keys: Sequence[Hashable], seed: int) -> tuple[IntArray, IntArray]:
    """Divide rows into a half that the search may see and a half kept for the report.

    Rows of equal contents go to the same half. Of the distinct contents (counted in the class of
    their first row), the halves hold equal numbers up to 1, over all and within each class; so
    classes of a single row go to one half and the other in turn.

    Args:
        groups: class of each row `[N]`.
        keys: what the contents of each row are told apart by `[N]`, such as a digest.
        seed: of the random draw.

    Returns:
        Row numbers of the two halves: sorted, disjoint, together 0..N-1.

    Raises:
        ConfigError: a negative seed.
    """
    rng = np.random.default_rng(checked_seed(seed))
    first: dict[Hashable, int] = {}
    leader = np.array([first.setdefault(key, row) for row, key in enumerate(keys)], dtype=np.int64)
    distinct = np.unique(leader)
    classes = groups[distinct]
    shuffled = [rng.permutation(distinct[classes == group]) for group in rng.permutation(np.unique(classes))]
    # Every second row of this order, as cards are dealt: so neither half is ahead by more than one anywhere.
    dealt = np.concatenate([distinct[:0], *shuffled])[rng.integers(2) :: 2]
    searched = np.isin(leader, dealt)
    return np.flatnonzero(searched), np.flatnonzero(~searched)


def even_quotas(capacities: IntArray, total: int, rng: np.random.Generator) -> IntArray:
    """How many to take of each, so that all give the same as far as they can.

    What is too small gives all it has, and the others share the rest evenly again; their quotas
    differ by at most 1, and who gets the remaining ones is drawn.

    Args:
        capacities: how many there are of each `[K]`.
        total: how many to take in all; more than there are takes all.
        rng: of the draw.

    Returns:
        Quotas `[K]`, `0 <= quotas <= capacities`, summing to the smaller of `total` and all there are.

    Raises:
        ConfigError: a negative capacity or total.
    """
    capacities = np.asarray(capacities, dtype=np.int64)
    if total < 0 or (capacities < 0).any():
        raise ConfigError(f"{total} cannot be shared out over {capacities.tolist()}; give numbers of 0 or more")
    quotas = np.zeros_like(capacities)
    unfilled = np.flatnonzero(capacities)
    rest = min(total, int(capacities.sum()))
    while rest:
        share, left = divmod(rest, len(unfilled))
        full = capacities[unfilled] <= share
        if not full.any():
            quotas[unfilled] = share
            quotas[rng.choice(unfilled, left, replace=False)] += 1
            break
        quotas[unfilled[full]] = capacities[unfilled[full]]
        rest -= int(capacities[unfilled[full]].sum())
        unfilled = unfilled[~full]
    return quotas


def sample_evenly(groups: Sequence[IntArray], count: int, rng: np.random.Generator) -> list[IntArray]:
    """Draw rows without replacement, spread evenly over sets and, within each set, over its classes.

    Quotas are those of `even_quotas`, first of the sets, then of the classes of each
    (MO-EvoPruneDeepTL, on the OOD objective); a class whose quota is 0 gives nothing.

    Args:
        groups: class of each available row, one array `[n_s]` a set.
        count: how many rows to draw in all; more than there are takes all.
        rng: of the draw.

    Returns:
        Row numbers of each set, sorted.

    Raises:
        ConfigError: a negative count.
    """
    quotas = even_quotas(np.array([len(rows) for rows in groups], dtype=np.int64), count, rng)
    return [_drawn(rows, int(quota), rng) for rows, quota in zip(groups, quotas, strict=True)]


def _drawn(groups: IntArray, count: int, rng: np.random.Generator) -> IntArray:
    present, sizes = np.unique(groups, return_counts=True)
    quotas = even_quotas(sizes, count, rng)
    drawn = [
        rng.choice(np.flatnonzero(groups == group), quota, replace=False)
        for group, quota in zip(present, quotas, strict=True)
    ]
    return np.sort(np.concatenate([np.zeros(0, dtype=np.int64), *drawn]))
