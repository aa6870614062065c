"""The part of an extraction that takes long, done by the workers of a Ray cluster (Ray Data)."""

from __future__ import annotations

import copy
import logging
from collections.abc import Generator, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evoprune._types import Float32Array
from evoprune.backbones import Backbone
from evoprune.data import Image
from evoprune.errors import BackboneError, ConfigError, DataError
from evoprune.features._compute import Compute, compute_here

_BATCHES = 8
"""Batches that a worker is given at a time."""

_BACKBONE = "backbone: "
"""Stands before what a worker says of the backbone rather than of the data."""


def ray_compute(workers: int | None = None, gpus_per_worker: float = 0.0, cpus_per_worker: float = 1.0) -> Compute:
    """What computes features with Ray Data, on a Ray that this process has initialised already.

    Batches fall as they do in one process, and come back in their order: on equal processors, with as many threads,
    features have the same bits. Backbone and images are sent as objects of this process; image files have to be
    where every worker can read them. What a lost worker was doing, another one does again.

    Args:
        workers: how many; by default as many as the cluster has room for.
        gpus_per_worker: GPUs of each.
        cpus_per_worker: processors of each, for decoding and, without a GPU, the network.

    Raises:
        ConfigError: a number is out of range, or the cluster has no room for one worker.
    """
    if workers is not None and workers < 1:
        raise ConfigError(f"workers={workers} is out of range; give 1 or more, or leave it out")
    if gpus_per_worker < 0 or cpus_per_worker <= 0:
        raise ConfigError(
            f"gpus_per_worker={gpus_per_worker:g}, cpus_per_worker={cpus_per_worker:g} is out of range; give at least "
            "0 GPUs, and processors above 0"
        )

    def compute(
        network: Backbone, images: Sequence[Image], batch_size: int, threads: int
    ) -> Generator[Float32Array, None, None]:
        import ray  # noqa: PLC0415
        import ray.data  # noqa: PLC0415

        count = workers or _room(ray.cluster_resources(), gpus_per_worker, cpus_per_worker)
        step = batch_size * _BATCHES
        # A worker fetches the names of the images that it is given, and never those of a million.
        parts = [ray.put(tuple(images[start : start + step])) for start in range(0, len(images), step)]
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        # Items are there already; a range would be read by tasks, which want processors of their own.
        items = ray.data.from_items([{"part": number} for number in range(len(parts))], override_num_blocks=len(parts))
        dataset = items.map_batches(
            _Worker,
            batch_size=1,
            batch_format="numpy",
            compute=ray.data.ActorPoolStrategy(size=min(count, len(parts))),
            fn_constructor_args=(_sent(network), parts, batch_size, threads),
            num_cpus=cpus_per_worker,
            num_gpus=gpus_per_worker or None,
        )
        dataset.context.execution_options.preserve_order = True
        dataset.context.enable_progress_bars = False
        dataset.context.print_on_execution_start = False
        try:
            for batch in dataset.iter_batches(batch_size=batch_size, batch_format="numpy"):
                _check(batch["refused"])
                yield np.ascontiguousarray(batch["features"], dtype=np.float32)
        except ray.exceptions.RayError as error:
            raise BackboneError(
                f"the workers could not compute the features ({_reason(error)}); mend that, or extract without Ray"
            ) from error

    return compute


class _Worker:
    """Puts images through the network, in a process of Ray's."""

    def __init__(self, network: Any, parts: Sequence[Any], batch_size: int, threads: int) -> None:
        import ray  # noqa: PLC0415

        self._network: Backbone = ray.get(network)
        self._parts = parts
        self._batch_size = batch_size
        self._threads = threads

    def __call__(self, rows: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Features `[n, D]` of the images of one part; or one row, and what was wrong, as `refused`."""
        import ray  # noqa: PLC0415

        images = ray.get(self._parts[int(rows["part"][0])])
        refused = ""
        try:
            features = np.concatenate([*compute_here(self._network, images, self._batch_size, self._threads)])
        except (DataError, BackboneError) as error:
            # Ray Data keeps of an error nothing but its traceback's text.
            refused = ("" if isinstance(error, DataError) else _BACKBONE) + str(error)
            features = np.zeros((1, self._network.width), dtype=np.float32)
        return {"features": features, "refused": np.full(len(features), refused)}


def _room(resources: dict[str, float], gpus: float, cpus: float) -> int:
    """Workers that the resources of a cluster are enough for.

    Raises:
        ConfigError: not for one.
    """
    room = int(resources.get("CPU", 0.0) // cpus)
    if gpus:
        room = min(room, int(resources.get("GPU", 0.0) // gpus))
    if room < 1:
        raise ConfigError(
            f"the cluster has {resources.get('CPU', 0.0):g} processors and {resources.get('GPU', 0.0):g} GPUs, not "
            f"enough for one worker with {cpus:g} and {gpus:g}; give less for each worker"
        )
    return room


def _sent(network: Backbone) -> Any:
    """A reference to the backbone; it goes without what it has opened, where that cannot be sent and is opened anew.

    Raises:
        BackboneError: it cannot be sent even so.
    """
    import ray  # noqa: PLC0415

    bare = copy.copy(network)
    for name in [name for name in vars(bare) if isinstance(getattr(type(bare), name, None), cached_property)]:
        del vars(bare)[name]
    try:
        return ray.put(network)
    except Exception:  # whatever a session raises that cannot be sent
        try:
            return ray.put(bare)
        except Exception as error:
            raise BackboneError(
                f"backbone {network.name!r} cannot be sent to other processes ({_reason(error)}); extract its "
                "features without Ray"
            ) from error


def _check(refused: NDArray[Any]) -> None:
    """Raise what a worker could not do.

    Raises:
        DataError, BackboneError: there is such a thing.
    """
    for sentence in filter(None, map(str, refused)):
        kind = BackboneError if sentence.startswith(_BACKBONE) else DataError
        raise kind(sentence.removeprefix(_BACKBONE))


def _reason(error: BaseException) -> str:
    """The last line of an error, of several errors in one text that of the first."""
    text = str(error).partition("The above exception was")[0]
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
