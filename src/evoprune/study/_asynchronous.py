"""The asynchronous loop: whenever an evaluation is done, the algorithm hears of it and is asked for the next.

What the algorithm asks depends on what it has heard by then, and so on how long evaluations take. The
order is therefore recorded: evaluations are numbered in the order of telling, and with each one stands how
many had been begun before it was told (the result `told/ID` of the store). A resumed search repeats these
calls, and begins again with what was under way when the last one ended.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np

from evoprune._types import BoolArray, FloatArray
from evoprune.errors import EvoPruneError
from evoprune.study._loop import STALL_LIMIT, Callback, Interrupted, Progress
from evoprune.study._sqlite import damaged
from evoprune.study._store import Evaluation, Store

FEWEST = 30
"""Evaluations that may fail, one after the other from the first on, before a search is given up."""


class AsksOne(Protocol):
    """What the loop needs of an algorithm."""

    def ask_one(self) -> BoolArray:
        """A genome `[L]` to evaluate."""

    def tell_one(self, genome: BoolArray, values: FloatArray) -> None:
        """Its values `[M]`."""


class Stream(Protocol):
    """Genomes under way: given in one by one, and taken out as they are done."""

    @property
    def capacity(self) -> int:
        """How many under way keep everybody busy."""

    def submit(self, genome: BoolArray) -> None:
        """Begin with a genome `[L]`."""

    def collect(self) -> tuple[BoolArray, FloatArray]:
        """Wait for the next that is done: its genome `[L]` and values `[M]`."""


class _Conversation:
    """What has been asked and told, and what is under way."""

    def __init__(self, algorithm: AsksOne) -> None:
        self._algorithm = algorithm
        self._told: dict[bytes, FloatArray] = {}
        self.under_way: dict[bytes, BoolArray] = {}
        self.begun = 0

    def ask(self) -> BoolArray | None:
        """The next genome that is neither known nor under way, now under way; None where none comes."""
        for _ in range(STALL_LIMIT):
            genome = self._algorithm.ask_one()
            key = genome.tobytes()
            if key in self._told:
                self._algorithm.tell_one(genome, self._told[key])
            elif key not in self.under_way:
                self.under_way[key] = genome
                self.begun += 1
                return genome
        return None

    def tell(self, genome: BoolArray, values: FloatArray) -> None:
        """Tell the values `[M]` of a genome `[L]` that is under way."""
        key = genome.tobytes()
        self._told[key] = values
        del self.under_way[key]
        self._algorithm.tell_one(genome, values)

    def repeat(self, store: Store, earlier: Sequence[Evaluation]) -> None:
        """Ask and tell in the order in which an earlier session did.

        Raises:
            DamagedStoreError: the store holds another order than the algorithm's.
        """
        for evaluation in earlier:
            begun = store.result(_name(evaluation.id))
            if not isinstance(begun, int):
                raise damaged(store.path, f"it does not say when evaluation {evaluation.id} was told")
            while self.begun < begun and self.ask() is not None:
                pass
            if self.begun != begun or evaluation.genome.tobytes() not in self.under_way:
                why = (
                    f"evaluation {evaluation.id} is not one that the search asked for, unless another version began it"
                )
                raise damaged(store.path, why)
            self.tell(evaluation.genome, evaluation.values)


def search_asynchronously(
    algorithm: AsksOne,
    stream: Stream,
    store: Store,
    *,
    budget: int,
    adjust: Callable[[BoolArray, FloatArray], FloatArray] | None = None,
    callbacks: tuple[Callback, ...] = (),
    should_stop: Callable[[], bool] = lambda: False,
    seconds: float | None = None,
    began: float | None = None,
) -> None:
    """Search until `budget` distinct genomes have been evaluated in all, or the time is up.

    Args:
        algorithm: fresh, with its seed.
        stream: evaluates; as many genomes are under way as it has capacity for.
        store: evaluations so far; new ones are committed to it one by one, in the order of telling.
        budget: total number of evaluations, those already stored included.
        adjust: genomes `[P, L]` and the values `[P, M]` that the stream gave for them to the values that count.
        callbacks: told at the start and after each committed evaluation.
        should_stop: asked before each evaluation that is begun, and after each that is done.
        seconds: time after which no further evaluation is begun; those under way are waited for.
        began: when the search began, by `time.perf_counter`, where something went before; now by default.

    Raises:
        Interrupted: `should_stop` said so; what is under way will be evaluated again.
        DamagedStoreError: the stored order is not the algorithm's.
        EvoPruneError: the first evaluations all failed.
    """
    earlier = store.evaluations()
    for callback in callbacks:
        callback.on_start(earlier, budget)
    if len(store) >= budget:
        return
    at_start = len(store)
    committed = started = time.perf_counter() if began is None else began
    talk = _Conversation(algorithm)
    talk.repeat(store, earlier)
    any_fine = any(evaluation.state == "complete" for evaluation in earlier)
    for genome in talk.under_way.values():
        stream.submit(genome)
    exhausted = False
    while True:
        while (
            not exhausted
            and len(talk.under_way) < stream.capacity
            and talk.begun < budget
            and not _over(started, seconds)
        ):
            _stop_if(should_stop, store, budget)
            asked = talk.ask()
            if asked is None:
                # Not asked again in this session: a replay repeats only what led to an evaluation.
                exhausted = True
            else:
                stream.submit(asked)
        if not talk.under_way:
            return
        genome, raw = stream.collect()
        values = raw if adjust is None else adjust(genome[None], raw[None])[0]
        store.set_result(_name(len(store) + 1), talk.begun)
        store.start(genome[None])
        before, committed = committed, time.perf_counter()
        store.finish(genome[None], values[None], committed - before)
        stored = store.values(genome)
        talk.tell(genome, values if stored is None else stored)
        any_fine = any_fine or bool(np.isfinite(values).all())
        if len(store) >= FEWEST and not any_fine:
            raise EvoPruneError(
                f"all of the first {len(store)} evaluations failed ({store.evaluations()[0].error}); "
                "check the features and the recipe's learning rate"
            )
        progress = Progress(len(store), budget, len(store) - at_start, time.perf_counter() - started)
        for callback in callbacks:
            callback.on_evaluations(genome[None], values[None], progress)
        if talk.under_way:
            _stop_if(should_stop, store, budget)


def _over(started: float, seconds: float | None) -> bool:
    return seconds is not None and time.perf_counter() - started >= seconds


def _stop_if(should_stop: Callable[[], bool], store: Store, budget: int) -> None:
    if should_stop():
        raise Interrupted(f"stopped after {len(store)} of {budget} evaluations; all of them are stored")


def _name(number: int) -> str:
    """The name under which a store keeps how many evaluations had been begun before this one was told."""
    return f"told/{number}"
