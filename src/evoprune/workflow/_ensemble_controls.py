"""What an ensemble has to be better than: as many heads that nothing was chosen for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from evoprune._types import BoolArray, IntArray
from evoprune.heads import Encoding
from evoprune.problem import Problem
from evoprune.training import shifted
from evoprune.workflow._ensemble_panels import Chorus, train_choruses, train_seeds

_STREAM = 2302_10253
"""Keeps random masks and the seeds of further dense heads apart from other draws with the same seed."""


@dataclass(frozen=True, eq=False)
class Controls:
    """Heads that ensembles are compared with, trained on the rows of the report; one chorus a repetition.

    Attributes:
        members: rows of the front whose sizes the random masks have, ascending `[J]`.
        random: a random mask for each of these; their order is that of `members`.
        dense: heads that are not pruned, each trained with a seed of its own; the first with that of the repetition.
    """

    members: IntArray
    random: tuple[Chorus, ...]
    dense: tuple[Chorus, ...]


def train_controls(
    problem: Problem,
    genomes: BoolArray,
    seeds: Sequence[int],
    selections: Sequence[IntArray],
    on_progress: Callable[[int, int], None] | None = None,
) -> Controls:
    """Train what the ensembles of some selections are compared with.

    A control depends on its member and the repetition's seed alone, not on what else is selected.

    Args:
        problem: of the report.
        genomes: of the front's members `[P, L]`.
        seeds: of the repetitions.
        selections: of each the members that differ `[K]`.
        on_progress: called with the trainings done and their total.
    """
    members = np.unique(np.concatenate(selections))
    heads = max(len(selection) for selection in selections)
    each = len(problem.data.folds)
    total = len(seeds) * each * (len(members) + heads)
    random, dense, done = [], [], 0
    whole = problem.encoding.dense_genome()
    for seed in seeds:
        masks = [
            random_mask(genomes[member], problem.encoding, np.random.default_rng([_STREAM, seed, member]))
            for member in members.tolist()
        ]
        random += train_choruses(problem, np.stack(masks), [seed], shifted(on_progress, done, total))
        done += len(members) * each
        more = np.random.SeedSequence([_STREAM, seed]).generate_state(heads - 1).tolist()
        dense.append(train_seeds(problem, whole, [seed, *more], shifted(on_progress, done, total)))
        done += heads * each
    return Controls(members, tuple(random), tuple(dense))


def random_mask(genome: BoolArray, encoding: Encoding, rng: np.random.Generator) -> BoolArray:
    """A mask `[L]` with as many ones as a genome, at random positions; of two hidden layers as many in each.

    Args:
        genome: whose size it has.
        encoding: what the bits mean.
        rng: that positions are drawn from.
    """
    layers = np.split(genome, [encoding.head.hidden[0]]) if encoding.name == "both" else [genome]
    return np.concatenate([rng.permutation(layer) for layer in layers])
