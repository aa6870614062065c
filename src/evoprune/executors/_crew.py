"""The workers of a cluster: started, replaced where they die, and given candidates."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, Literal

from evoprune._types import BoolArray
from evoprune._version import __version__
from evoprune.errors import ConfigError, EvoPruneError
from evoprune.executors._chunks import Pace
from evoprune.executors._connect import first_line
from evoprune.executors._plan import Node, Slot, plan
from evoprune.executors._rounding import rounding
from evoprune.executors._worker import Job, Worker

logger = logging.getLogger(__name__)

_HOPELESS = 3
"""Workers that end while they start, one after the other, before the search is given up."""

_LOOK_AGAIN = 5.0
"""Seconds between two looks for a machine for a worker that has none."""

_SAY_SO = 30.0
"""Seconds without a worker that has started, after which it is said that the search waits."""

_WAIT_FOR_MACHINES = 120.0
"""Seconds for which a search waits where no machine is left."""


@dataclass(eq=False)
class Member:
    """A worker.

    Attributes:
        slot: its place.
        actor: its handle.
        introduction: reference to what it says of itself once it has started; None when it has.
        pace: how fast it is.
        rows: numbers of the candidates that it is measuring.
        without_file: whether the features' file is not on its machine.
    """

    slot: Slot
    actor: Any
    introduction: Any
    pace: Pace
    rows: tuple[int, ...] = ()
    without_file: bool = False


@dataclass(eq=False)
class Crew:
    """The workers.

    Args:
        ray: connected.
        workers: how many, or None for one a machine (one a GPU).
        gpus_per_worker: GPUs of each.
        precision: of the large products in this study's trainings.
        device: that candidates are trained on.
        notify: called with sentences worth knowing.
    """

    ray: ModuleType
    workers: int | None
    gpus_per_worker: float
    precision: Literal["float32", "bfloat16"]
    device: str
    notify: Callable[[str], None]
    members: list[Member] = field(default_factory=list)
    _vacant: list[Slot] = field(default_factory=list)
    _failed_starts: int = 0
    _looked: float = 0.0
    _alone_since: float | None = None
    _waiting_since: float | None = None
    _warned: bool = False

    def start(self) -> None:
        """Start the workers; they are ready when they are.

        Raises:
            ConfigError: the cluster has no room for so many.
        """
        for slot in plan(self.nodes(), self.workers, self.gpus_per_worker):
            self._hire(slot)
        machines = len({member.slot.node for member in self.members})
        threads = sum(member.slot.threads for member in self.members)
        self._say(
            f"{len(self.members)} worker{'s' * (len(self.members) > 1)} on {machines} "
            f"machine{'s' * (machines > 1)}, {threads} training{'s' * (threads > 1)} at a time"
            + (f", {self.gpus_per_worker:g} GPU each" if self.gpus_per_worker else "")
        )

    def close(self) -> None:
        """End the workers at once."""
        for member in self.members:
            self.ray.kill(member.actor)
        self.members.clear()

    def nodes(self) -> list[Node]:
        """The machines that are alive."""
        return [
            Node(node["NodeID"], node["Resources"].get("CPU", 0.0), node["Resources"].get("GPU", 0.0))
            for node in self.ray.nodes()
            if node["Alive"]
        ]

    def idle(self) -> list[Member]:
        """Workers that have started and have nothing to do, the fastest first."""
        self._guess_paces()
        found = [member for member in self.members if member.introduction is None and not member.rows]
        return sorted(found, key=lambda member: -member.pace.speed)

    def submit(self, member: Member, job: Job, rows: Sequence[int], genomes: BoolArray, cost: float) -> Any:
        """Give a worker candidates `[P, L]` with these numbers; a reference to what will come of it."""
        member.rows, member.pace.began, member.pace.cost = tuple(rows), time.monotonic(), cost
        return member.actor.examine.remote(job, genomes)

    def introduced(self, member: Member) -> None:
        """Take in what a worker says of itself.

        Raises:
            ConfigError: another version of evoprune is installed there; or none starts.
        """
        try:
            version, rounds = self.ray.get(member.introduction)
        except self.ray.exceptions.RayError as error:
            self._failed_starts += 1
            if self._failed_starts >= _HOPELESS:
                raise ConfigError(
                    f"workers end while they start ({_reason(error)}); check that evoprune {__version__} is installed "
                    "on every machine of the cluster, and that there is memory for them"
                ) from error
            self.lost(member, error)
            return
        member.introduction = None
        self._failed_starts = 0
        if version != __version__:
            raise ConfigError(
                f"a worker has evoprune {version}, this is {__version__}; install the same version on every machine"
            )
        if rounds != self._rounding() and not self._warned:
            self._warned = True
            self._say(
                "a worker's processor rounds differently from this one's: figures may differ in their last digits from "
                "those of other machines"
            )

    def lost(self, member: Member, error: BaseException) -> tuple[int, ...]:
        """A worker has died: let another one take its place; gives the candidates that it had."""
        self.members.remove(member)
        self._vacant.append(member.slot)
        self._looked = 0.0
        self.ray.kill(member.actor)
        rows, member.rows = member.rows, ()
        again = f"; {len(rows)} candidate{'s are' if len(rows) > 1 else ' is'} given to others" if rows else ""
        self._say(f"a worker is lost ({_reason(error)}){again}")
        return rows

    def refill(self) -> None:
        """Start workers in the place of lost ones, where there is room.

        Raises:
            EvoPruneError: no worker has been left for minutes, and no machine for one.
        """
        now = time.monotonic()
        if self._vacant and now - self._looked >= _LOOK_AGAIN:
            self._looked = now
            for slot in tuple(self._vacant):
                place = self._place(slot)
                if place is not None:
                    self._vacant.remove(slot)
                    self._hire(place)
        if any(member.introduction is None for member in self.members):
            self._waiting_since = None
        elif self._waiting_since is None:
            self._waiting_since = now
        elif now - self._waiting_since > _SAY_SO:
            self._waiting_since = float("inf")
            self._say(
                "no worker has started yet: the machines of the cluster are busy with something else, or starting"
            )
        if self.members:
            self._alone_since = None
            return
        self._alone_since = self._alone_since or now
        if now - self._alone_since > _WAIT_FOR_MACHINES:
            raise EvoPruneError(
                f"no worker is left, and for {_WAIT_FOR_MACHINES:.0f} seconds no machine had room for one; what is "
                "evaluated is stored: give the same command again when the cluster is back, or --executor here"
            )

    def _place(self, slot: Slot) -> Slot | None:
        """Where a worker like the one in this place can go: its own machine, or else the one with most room."""
        room = {node.id: (node.cpus, node.gpus) for node in self.nodes()}
        for member in self.members:
            taken = member.slot
            if taken.node in room:
                cpus, gpus = room[taken.node]
                room[taken.node] = cpus - taken.cpus, gpus - taken.gpus
        fits = [node for node, (cpus, gpus) in room.items() if cpus >= slot.cpus and gpus >= slot.gpus - 1e-6]
        if not fits:
            return None
        return Slot(slot.node if slot.node in fits else max(fits, key=lambda node: room[node]), slot.cpus, slot.gpus)

    def _hire(self, slot: Slot) -> None:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy  # noqa: PLC0415

        actor = (
            self.ray.remote(Worker)
            .options(
                num_cpus=slot.cpus,
                num_gpus=slot.gpus,
                max_restarts=0,
                scheduling_strategy=NodeAffinitySchedulingStrategy(slot.node, soft=False),
            )
            .remote(slot.threads)
        )
        introduction = actor.introduce.remote(self.precision, self.device)
        self.members.append(Member(slot, actor, introduction, Pace(slot.cpus)))

    def _guess_paces(self) -> None:
        """Foresee the speed of workers that have done nothing yet by that of the others."""
        known = [member for member in self.members if member.pace.measured]
        if known:
            typical = sum(m.pace.speed for m in known) / sum(m.slot.cpus for m in known)
            for member in self.members:
                if not member.pace.measured:
                    member.pace.speed = typical * member.slot.cpus

    def _rounding(self) -> str:
        return rounding(self.precision, self.device)

    def _say(self, sentence: str) -> None:
        logger.info("%s", sentence)
        self.notify(sentence)


def _reason(error: BaseException) -> str:
    """Why a worker has died, in a few words."""
    kind, text = type(error).__name__, str(error)
    if kind in ("OutOfMemoryError", "ObjectStoreFullError"):
        return "memory ran out"
    if "ModuleNotFoundError" in text:
        return "a package is missing on its machine"
    if kind == "NodeDiedError" or re.search(r"node (has )?died|node was (terminated|drained)|node is dead", text):
        return "its machine is lost"
    return "its process ended" if kind.startswith(("Actor", "RayActor", "WorkerCrashed")) else first_line(error)
