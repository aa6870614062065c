"""Candidates measured by the workers of a Ray cluster, or of a Ray on this machine."""

from __future__ import annotations

import time
import uuid
import weakref
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from types import ModuleType
from typing import Any

import numpy as np

from evoprune._types import BoolArray, Float32Array, FloatArray
from evoprune.backbones import Backbone
from evoprune.data import Image
from evoprune.errors import EvoPruneError
from evoprune.executors._blueprint import Blueprint, FeatureFile, feature_file
from evoprune.executors._chunks import chunk_size, costs
from evoprune.executors._connect import connected, undisturbed
from evoprune.executors._crew import Crew, Member
from evoprune.executors._worker import Done, Job, NoFile, Refused
from evoprune.features import compute_here, ray_compute
from evoprune.objectives import Objective
from evoprune.problem import Examined, Problem, Stream

_FATAL = 3
"""Workers that may die at one candidate alone before it is given up."""

_BATCH = 4
"""Candidates of a default batch for each that is trained at a time, so that nobody waits long at its end."""

_FEW_IMAGES = 5_000
"""Fewer images than these go through a backbone in the time that it takes to start workers."""

_EXTRACTION = 2**30
"""Bytes of a local object store for images on their way through a backbone."""

_TICK = 0.5
"""Seconds after which is looked around, where nothing happens."""

_PACK = 16
"""Trainings that a GPU has room for at a time."""


class RayExecutor:
    """Lets the workers of a Ray cluster measure candidates.

    Args:
        address: of the cluster, as `ray.init` takes it; None for a Ray on this machine, or where
            `RAY_ADDRESS` says.
        workers: how many; by default one a machine with all its processors, or as many as there are GPUs for.
        gpus_per_worker: GPUs of each worker; by default 1 where candidates are trained on one.
        notify: called with sentences worth knowing.
    """

    def __init__(
        self,
        address: str | None = None,
        workers: int | None = None,
        gpus_per_worker: float | None = None,
        notify: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.workers = RayWorkers(address, workers, gpus_per_worker, notify)
        self._address = address
        self._count = workers

    def compute(
        self, network: Backbone, images: Sequence[Image], batch_size: int, threads: int
    ) -> Generator[Float32Array, None, None]:
        """Features `[b, D]` of images, batch by batch, by a Ray of its own; few images in this process.

        Batches fall alike in both, so that features have the same bits on equal processors. See `features.Compute`.

        Raises:
            ConfigError: Ray cannot be started or joined.
            BackboneError, DataError: as in this process.
        """
        if len(images) < _FEW_IMAGES:
            yield from compute_here(network, images, batch_size, threads)
            return
        with connected(self._address, _EXTRACTION):
            yield from ray_compute(self._count)(network, images, batch_size, threads)

    @contextmanager
    def running(self, feature_bytes: int) -> Iterator[None]:
        """Within it candidates are measured by workers; they are started when the first is to be.

        Studies that run within it share them, instead of starting workers of their own.

        Args:
            feature_bytes: that a local object store is to have room for.

        Raises:
            ConfigError: Ray is not installed, cannot be started or joined, or has no room for the workers.
        """
        with self.workers.activated(feature_bytes):
            yield


class RayWorkers:
    """Workers of a Ray cluster; see `problem.Workers`. The arguments are those of `RayExecutor`."""

    def __init__(
        self, address: str | None, workers: int | None, gpus_per_worker: float | None, notify: Callable[[str], None]
    ) -> None:
        self.active = False
        self._address = address
        self._count = workers
        self._gpus = gpus_per_worker
        self._notify = notify
        self._feature_bytes = 0
        self._stack = ExitStack()
        self._crew: Crew | None = None
        self._ray: ModuleType | None = None
        self._sent: weakref.WeakKeyDictionary[Problem, tuple[str, Any]] = weakref.WeakKeyDictionary()
        self._places: list[tuple[Float32Array, FeatureFile | None]] = []
        self._stored: list[tuple[Float32Array, Any]] = []

    @contextmanager
    def activated(self, feature_bytes: int) -> Iterator[None]:
        """Within it the workers are asked; see `RayExecutor.running`."""
        if self.active:
            # Studies that run within share the workers.
            yield
            return
        self._feature_bytes = feature_bytes
        self.active = True
        self._stack = ExitStack()
        try:
            yield
        finally:
            with undisturbed():
                self._stack.close()
            self.active = False
            self._crew = self._ray = None
            self._sent.clear()
            self._places.clear()
            self._stored.clear()

    def at_a_time(self, problem: Problem) -> int:
        """Candidates that keep all workers busy with a problem.

        Raises:
            ConfigError: Ray cannot be started or joined, or has no room for the workers.
        """
        _, crew = self._connected(problem)
        return _BATCH * sum(grain(problem, member, len(problem.seeds)) for member in crew.members)

    def examine(
        self,
        problem: Problem,
        genomes: BoolArray,
        seeds: Sequence[int],
        on_progress: Callable[[int, int], None] | None,
        objectives: Sequence[Objective],
        predictions: bool,
    ) -> list[Examined]:
        """Measure genomes `[P, L]`; see `Problem.examine`.

        Raises:
            EvoPruneError: what the problem itself would say; or workers die again and again.
            ConfigError: Ray cannot be started or joined, or has no room for the workers.
        """
        if not len(genomes):
            return []
        dispatch = self._dispatch(problem, seeds, objectives, predictions)
        # Long trainings first, so that short ones are left for the end.
        order = np.argsort(-costs(genomes), kind="stable")
        for row in order:
            dispatch.add(genomes[row])
        found: list[Examined | None] = [None] * len(genomes)
        trainings = len(problem.data.folds) * len(seeds)
        try:
            for done in range(1, len(genomes) + 1):
                number, examined = dispatch.next()
                found[order[number]] = examined
                if on_progress is not None:
                    on_progress(done * trainings, len(genomes) * trainings)
        except BaseException:
            dispatch.abandon()
            raise
        return [examined for examined in found if examined is not None]

    def stream(self, problem: Problem) -> Stream:
        """See `Problem.stream`."""
        return _RayStream(self._dispatch(problem, problem.seeds, problem.objectives, predictions=False))

    def _dispatch(
        self, problem: Problem, seeds: Sequence[int], objectives: Sequence[Objective], predictions: bool
    ) -> _Dispatch:
        ray, crew = self._connected(problem)
        if problem not in self._sent:
            # The key says nothing: a problem lives as long as this process needs it.
            self._sent[problem] = uuid.uuid4().hex, ray.put(Blueprint.of(problem))
        key, blueprint = self._sent[problem]
        X = problem.data.X
        file = self._file(X)

        def job(member: Member) -> Job:
            place = [self._reference(X)] if file is None or member.without_file else file
            return Job(key, [blueprint], place, tuple(seeds), tuple(objectives), predictions)

        return _Dispatch(ray, crew, job, lambda member: grain(problem, member, len(seeds)))

    def _connected(self, problem: Problem) -> tuple[ModuleType, Crew]:
        """Ray and the workers, started where that has not been done."""
        if self._ray is None or self._crew is None:
            on_gpu = problem.trainer.device.type != "cpu"
            gpus = self._gpus if self._gpus is not None else float(on_gpu)
            in_file = self._file(problem.data.X) is not None
            ray = self._stack.enter_context(
                connected(self._address, self._feature_bytes - (problem.data.X.nbytes if in_file else 0))
            )
            device = "cuda:0" if on_gpu else "cpu"
            crew = Crew(ray, self._count, gpus, problem.recipe.precision, device, self._notify)
            self._stack.callback(crew.close)
            crew.start()
            self._ray, self._crew = ray, crew
        return self._ray, self._crew

    def _file(self, X: Float32Array) -> FeatureFile | None:
        """The file that features lie in, looked for once."""
        for known, file in self._places:
            if known is X:
                return file
        self._places.append((X, feature_file(X)))
        return self._places[-1][1]

    def _reference(self, X: Float32Array) -> Any:
        """Features in the object store, put there once; Ray keeps one copy a machine."""
        for known, reference in self._stored:
            if known is X:
                return reference
        if self._ray is None:
            raise RuntimeError("features are sent before Ray is connected")
        self._stored.append((X, self._ray.put(np.ascontiguousarray(X))))
        return self._stored[-1][1]


def grain(problem: Problem, member: Member, seeds: int) -> int:
    """Candidates with so many training seeds each that keep a worker busy."""
    at_once = member.slot.threads if problem.trainer.device.type == "cpu" else _PACK
    return -(-at_once // (len(problem.data.folds) * seeds))


class _Dispatch:
    """Candidates on their way to workers and back.

    Args:
        ray: connected.
        crew: the workers.
        job: what they are measured by, for a worker.
        grain: how many keep a worker busy.
    """

    def __init__(
        self, ray: ModuleType, crew: Crew, job: Callable[[Member], Job], grain: Callable[[Member], int]
    ) -> None:
        self._ray = ray
        self._crew = crew
        self._job = job
        self._grain = grain
        self._genomes: list[BoolArray] = []
        self._costs: list[float] = []
        self._waiting: deque[int] = deque()
        self._deaths: dict[int, int] = {}
        self._references: dict[Any, Member] = {}
        self._ready: deque[tuple[int, Examined]] = deque()

    @property
    def capacity(self) -> int:
        """Candidates that keep all workers busy."""
        return max(1, sum(self._grain(member) for member in self._crew.members))

    def add(self, genome: BoolArray) -> int:
        """Let a genome `[L]` be measured; its number."""
        self._genomes.append(genome)
        self._costs.append(float(costs(genome[None])[0]))
        self._waiting.append(len(self._genomes) - 1)
        return len(self._genomes) - 1

    def genome(self, number: int) -> BoolArray:
        """The genome `[L]` of a number."""
        return self._genomes[number]

    def next(self) -> tuple[int, Examined]:
        """Wait for the next candidate that is done: its number and what was found.

        Raises:
            EvoPruneError: a worker refused it, or workers die at it again and again.
        """
        while not self._ready:
            self._crew.refill()
            self.give_out()
            starting = {m.introduction: m for m in self._crew.members if m.introduction is not None}
            waiting_for = [*self._references, *starting]
            if not waiting_for:
                time.sleep(_TICK)
                continue
            try:
                done, _ = self._ray.wait(waiting_for, num_returns=1, timeout=_TICK)
            except ConnectionError as error:
                raise EvoPruneError(
                    "the connection to the Ray cluster is lost; every finished evaluation is stored: give the same "
                    "command again"
                ) from error
            for reference in done:
                if reference in starting:
                    self._crew.introduced(starting[reference])
                else:
                    self._take(reference, self._references.pop(reference))
            # Now, and not when the caller comes back.
            self.give_out()
        return self._ready.popleft()

    def give_out(self) -> None:
        """Let workers that have nothing to do begin with what waits."""
        for member in self._crew.idle():
            rows = self._chunk(member)
            if rows:
                genomes = np.stack([self._genomes[row] for row in rows])
                cost = sum(self._costs[row] for row in rows)
                self._references[self._crew.submit(member, self._job(member), rows, genomes, cost)] = member

    def abandon(self) -> None:
        """Forget what is under way: the workers end it, and whatever they are given next comes after it."""
        for member in self._references.values():
            member.rows, member.pace.began = (), None
        self._references.clear()

    def _chunk(self, member: Member) -> list[int]:
        """The candidates that a worker gets now."""
        if not self._waiting:
            return []
        if self._waiting[0] in self._deaths:
            # Whoever has seen a worker die goes alone, so that it is known at whom the next one dies.
            return [self._waiting.popleft()]
        waiting = [self._costs[row] for row in self._waiting]
        others = [other.pace for other in self._crew.members if other is not member and other.introduction is None]
        size = chunk_size(waiting, member.pace, others, self._grain(member), time.monotonic())
        return [self._waiting.popleft() for _ in range(size)]

    def _take(self, reference: Any, member: Member) -> None:
        """Take in what came of a worker's candidates."""
        rows = member.rows
        try:
            answer = self._ray.get(reference)
        except self._ray.exceptions.RayTaskError as error:
            # A defect, and not one of the workers: it would be the same here.
            raise error.cause if isinstance(error.cause, Exception) else error from None
        except self._ray.exceptions.RayError as error:
            self._lost(member, error)
            return
        member.rows = ()
        if isinstance(answer, Refused):
            raise answer.error
        if isinstance(answer, NoFile):
            member.without_file = True
            member.pace.began = None
            self._waiting.extendleft(reversed(rows))
            return
        if not isinstance(answer, Done):
            raise TypeError(f"a worker answered with {type(answer).__name__}")
        member.pace.learn(answer.seconds)
        self._ready.extend((row, _own(found)) for row, found in zip(rows, answer.examined, strict=True))

    def _lost(self, member: Member, error: BaseException) -> None:
        rows = self._crew.lost(member, error)
        for row in rows:
            self._deaths[row] = self._deaths.get(row, 0) + (len(rows) == 1)
            if self._deaths[row] >= _FATAL:
                raise EvoPruneError(
                    f"{_FATAL} workers died while they measured a candidate with "
                    f"{int(self._genomes[row].sum())} of {self._genomes[row].size} bits on; give them more memory "
                    "(fewer --workers on a machine), or --executor here, which says more"
                ) from error
        self._waiting.extendleft(reversed(rows))


def _own(found: Examined) -> Examined:
    """The same in memory of this process; what Ray gives lies in its store, which ends before the figures do."""
    predictions = None if found.predictions is None else found.predictions.copy()
    return replace(found, values=found.values.copy(), predictions=predictions)


class _RayStream:
    """A stream of candidates over the workers; see `problem.Stream`."""

    def __init__(self, dispatch: _Dispatch) -> None:
        self._dispatch = dispatch

    @property
    def capacity(self) -> int:
        """How many under way keep all workers busy."""
        return self._dispatch.capacity

    def submit(self, genome: BoolArray) -> None:
        """Let a genome `[L]` be measured."""
        self._dispatch.add(genome)
        self._dispatch.give_out()

    def collect(self) -> tuple[BoolArray, FloatArray]:
        """Wait for the next that is done: genome `[L]` and values `[M]`."""
        number, examined = self._dispatch.next()
        return self._dispatch.genome(number), examined.values.mean(axis=0)
