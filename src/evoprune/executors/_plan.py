"""Which machine of a cluster gets how many workers, and how many processors each of them has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from evoprune.errors import ConfigError


@dataclass(frozen=True)
class Node:
    """A machine of a cluster.

    Attributes:
        id: that the cluster knows it by.
        cpus: processors that it offers.
        gpus: GPUs that it offers.
    """

    id: str
    cpus: float
    gpus: float = 0.0


@dataclass(frozen=True)
class Slot:
    """The place of one worker.

    Attributes:
        node: id of its machine.
        cpus: processors it takes; a whole number, or a share where GPUs outnumber processors.
        gpus: GPUs it takes.
    """

    node: str
    cpus: float
    gpus: float = 0.0

    @property
    def threads(self) -> int:
        """Trainings that the worker runs at a time on processors."""
        return max(1, int(self.cpus))


def plan(nodes: Sequence[Node], workers: int | None, gpus_per_worker: float = 0.0) -> list[Slot]:
    """Places for workers: one a machine with all its processors unless told otherwise; with GPUs one for each.

    Given a number, each worker in turn goes to the machine where it gets most processors. Those
    of a machine are then divided evenly among its workers.

    Args:
        nodes: the machines there are.
        workers: how many, or None.
        gpus_per_worker: GPUs of each; 0 for none, 0.5 for two workers on one.

    Raises:
        ConfigError: there is no room for any, or not for so many.
    """
    rooms = {node.id: _room(node, gpus_per_worker) for node in nodes}
    if not any(rooms.values()):
        what = f"{gpus_per_worker:g} GPU(s)" if gpus_per_worker else "a processor"
        raise ConfigError(
            f"no machine of the cluster offers {what} for a worker; "
            + ("give fewer --gpus-per-worker, or --device cpu" if gpus_per_worker else "add machines to it")
        )
    if workers is None:
        counts = {node.id: rooms[node.id] if gpus_per_worker else min(1, rooms[node.id]) for node in nodes}
    else:
        if workers > sum(rooms.values()):
            raise ConfigError(
                f"{workers} workers were asked for, but the cluster has room for {sum(rooms.values())} "
                f"({_offered(nodes)}); give --workers {sum(rooms.values())} or fewer, or add machines"
            )
        counts = dict.fromkeys(rooms, 0)
        for _ in range(workers):
            free = [node for node in nodes if counts[node.id] < rooms[node.id]]
            counts[max(free, key=lambda node: node.cpus / (counts[node.id] + 1)).id] += 1
    return [
        Slot(node.id, _share(node, counts[node.id]), gpus_per_worker) for node in nodes for _ in range(counts[node.id])
    ]


def _room(node: Node, gpus_per_worker: float) -> int:
    """Workers that a machine has room for."""
    # In hundredths, so that a GPU has room for ten tenths.
    return round(100 * node.gpus) // max(1, round(100 * gpus_per_worker)) if gpus_per_worker else int(node.cpus)


def _share(node: Node, workers: int) -> float:
    """Processors of each of the workers on a machine."""
    return float(node.cpus // workers) if node.cpus >= workers else node.cpus / workers


def _offered(nodes: Sequence[Node]) -> str:
    cpus, gpus = sum(int(node.cpus) for node in nodes), sum(node.gpus for node in nodes)
    return f"{len(nodes)} machine(s), {cpus} processor(s), {gpus:g} GPU(s)"
