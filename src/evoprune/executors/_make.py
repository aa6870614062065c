"""Executors by name."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable

from evoprune.errors import ConfigError
from evoprune.executors._executor import Executor, Here
from evoprune.executors._ray import RayExecutor

EXECUTORS = ("here", "ray", "auto")
"""The names that `make_executor` knows; an address of a cluster is the third kind."""


def make_executor(
    name: str = "here",
    workers: int | None = None,
    gpus_per_worker: float | None = None,
    notify: Callable[[str], None] = lambda _: None,
) -> Executor:
    """Who measures candidates.

    Args:
        name: `here` for this process; `ray` for a Ray that is started on this machine, or the cluster that
            `RAY_ADDRESS` names; `auto` for the cluster that this machine is part of; `ray://HOST:PORT` or
            `HOST:PORT` for another one.
        workers: how many; by default one a machine with all its processors, or as many as there are GPUs for.
        gpus_per_worker: GPUs of each worker, 0.5 for two on one; by default 1 where candidates are trained on one.
        notify: called with sentences worth knowing.

    Raises:
        ConfigError: the name is neither, or a number is out of range or without effect.
    """
    if workers is not None and workers < 1:
        raise ConfigError(f"{workers} workers are none; give --workers 1 or more, or leave it out")
    if gpus_per_worker is not None and not 0 < gpus_per_worker <= 64:
        raise ConfigError(f"{gpus_per_worker:g} GPUs a worker are out of range; give a number above 0, or leave it out")
    if name == "here":
        if workers is not None or gpus_per_worker is not None:
            option = "--workers" if workers is not None else "--gpus-per-worker"
            raise ConfigError(f"{option} has no effect without workers; add --executor ray, or leave it out")
        return Here()
    if name == "ray":
        return RayExecutor(None, workers, gpus_per_worker, notify)
    if name == "auto" or re.fullmatch(r"(ray://)?[^\s/]+:\d{1,5}", name):
        return RayExecutor(name, workers, gpus_per_worker, notify)
    near = difflib.get_close_matches(name, EXECUTORS, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise ConfigError(
        f"executor {name!r} is unknown; {hint}give here, ray, or the address of a Ray cluster, as ray://HOST:PORT or "
        "HOST:PORT"
    )
