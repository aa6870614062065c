"""The loop: ask, look up, evaluate, store, tell."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from evoprune._types import BoolArray, FloatArray
from evoprune.errors import EvoPruneError
from evoprune.study._store import Evaluation, Store

STALL_LIMIT = 1000
"""Asks in a row without a new genome after which the search space counts as exhausted."""


class AsksAndTells(Protocol):
    """What the loop needs of an algorithm."""

    def ask(self) -> BoolArray:
        """Genomes `[P, L]` to evaluate."""

    def tell(self, genomes: BoolArray, values: FloatArray) -> None:
        """Their values `[P, M]`."""


@dataclass(frozen=True)
class Progress:
    """Where a search stands.

    Attributes:
        evaluations: finished so far, those of earlier sessions included.
        budget: the total asked for.
        new: finished in this session.
        seconds: spent in this session.
    """

    evaluations: int
    budget: int
    new: int
    seconds: float


class Evaluate(Protocol):
    """What measures genomes."""

    def __call__(self, genomes: BoolArray, on_progress: Callable[[int, int], None] | None = None, /) -> FloatArray:
        """Values `[P, M]` of genomes `[P, L]`; `on_progress` hears of the trainings done and their total."""


class Callback(Protocol):
    """Hears of the search; whatever it does cannot change the result."""

    def on_start(self, earlier: Sequence[Evaluation], budget: int) -> None:
        """Called once before the first batch, with the evaluations of earlier sessions."""

    def on_training(self, done: float, budget: int) -> None:
        """Called while a batch is under way: evaluations done, those under way counted by their share of trainings."""

    def on_evaluations(self, genomes: BoolArray, values: FloatArray, progress: Progress) -> None:
        """Called after each batch is committed, with genomes `[P, L]` and values `[P, M]`."""


class Interrupted(EvoPruneError):
    """The search was asked to stop, and stopped after a batch. Everything evaluated is stored."""

    exit_status = 130


def search(
    algorithm: AsksAndTells,
    evaluate: Evaluate,
    store: Store,
    *,
    budget: int,
    batch: int,
    callbacks: tuple[Callback, ...] = (),
    should_stop: Callable[[], bool] = lambda: False,
    seconds: float | None = None,
    began: float | None = None,
) -> None:
    """Search until `budget` distinct genomes have been evaluated in all, or the time is up.

    It also ends where nothing is left: with all genomes known but the empty one, or after many
    asks without a new one. Known genomes are looked up, with all their objectives, and do not count. A resumed
    search replays the stored evaluations through a fresh algorithm in the same way, so
    it continues as if it had never ended.

    Args:
        algorithm: fresh, with its seed.
        evaluate: genomes `[P, L]` to values `[P, M]`, told whom to tell of its progress.
        store: evaluations so far; new ones are committed to it.
        budget: total number of evaluations, those already stored included.
        batch: genomes that are evaluated and committed at a time.
        callbacks: told at the start and after each committed batch.
        should_stop: asked before each batch.
        seconds: time after which no further batch is begun; one is evaluated in any case.
        began: when the search began, by `time.perf_counter`, where something went before; now by default.

    Raises:
        Interrupted: `should_stop` said so.
        EvoPruneError: every evaluation of the first ask failed.
    """
    for callback in callbacks:
        callback.on_start(store.evaluations(), budget)
    at_start, stalled, first_ask = len(store), 0, True
    committed = started = time.perf_counter() if began is None else began
    while len(store) < budget:
        genomes = algorithm.ask()
        new = _unknown(genomes, store)
        within = new[: budget - len(store)]
        for start in range(0, len(within), batch):
            if seconds is not None and len(store) > at_start and time.perf_counter() - started >= seconds:
                return
            if should_stop():
                raise Interrupted(f"stopped after {len(store)} of {budget} evaluations; all of them are stored")
            chunk = within[start : start + batch]
            store.start(chunk)
            values = evaluate(chunk, _told(callbacks, len(store), len(chunk), budget))
            # What the algorithm thought about is part of what the evaluations cost.
            before, committed = committed, time.perf_counter()
            store.finish(chunk, values, committed - before)
            progress = Progress(len(store), budget, len(store) - at_start, time.perf_counter() - started)
            for callback in callbacks:
                callback.on_evaluations(chunk, values, progress)
        if len(within) < len(new):
            # The rest of this batch is evaluated, and the whole batch told, if the budget is raised.
            return
        known = np.stack([_stored(store, genome) for genome in genomes])
        if first_ask and np.isnan(known).all():
            raise EvoPruneError(
                f"all of the first {len(known)} evaluations failed ({store.evaluations()[0].error}); "
                "check the features and the recipe's learning rate"
            )
        first_ask = False
        algorithm.tell(genomes, known)
        stalled = 0 if len(new) else stalled + 1
        if stalled >= STALL_LIMIT or (stalled and _all_known(store, genomes.shape[1])):
            return


def _told(callbacks: tuple[Callback, ...], before: int, size: int, budget: int) -> Callable[[int, int], None] | None:
    """Passes the trainings of a batch on to the callbacks, as a number of evaluations."""

    def tell(done: int, total: int) -> None:
        for callback in callbacks:
            callback.on_training(before + size * done / total, budget)

    return tell if callbacks else None


def _unknown(genomes: BoolArray, store: Store) -> BoolArray:
    """The distinct genomes that the store does not know, in order."""
    distinct = {genome.tobytes(): genome for genome in genomes}
    new = [genome for genome in distinct.values() if store.values(genome) is None]
    return np.stack(new) if new else genomes[:0]


def _all_known(store: Store, length: int) -> bool:
    """Whether nothing is left but the empty genome, which not every search asks for."""
    everything: int = 2**length - 1
    if len(store) < everything:
        return False
    filled = sum(bool(e.genome.any()) for e in store.evaluations())
    return filled == everything


def _stored(store: Store, genome: BoolArray) -> FloatArray:
    values = store.values(genome)
    if values is None:
        raise RuntimeError("a genome of a finished batch is not in the store")
    return values
