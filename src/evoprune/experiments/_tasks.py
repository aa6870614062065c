"""The pieces of work of an experiment, computed in processes of their own and committed one by one."""

from __future__ import annotations

import hashlib
import json
import logging
import multiprocessing
import os
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import connection
from typing import Any, Protocol, TypeAlias

from evoprune.errors import EvoPruneError
from evoprune.experiments._store import TaskStore
from evoprune.features import Features
from evoprune.workflow import RunConfig, load_features

logger = logging.getLogger(__name__)

Row: TypeAlias = dict[str, Any]
"""One line of the tidy table: names to JSON values."""

Compute: TypeAlias = Callable[[Features, RunConfig, Mapping[str, Any]], list[Row]]
"""What computes a task: features, settings of the data set, arguments of the task."""


@dataclass(frozen=True)
class Task:
    """One piece of work, which gives rows of the table.

    Attributes:
        id: says what it is; the same in every call, since what is done is found by it.
        config: settings of its data set, recipe, head and encoding.
        compute: a function of a module, since it runs in another process.
        arguments: JSON values.
    """

    id: str
    config: RunConfig
    compute: Compute
    arguments: Mapping[str, Any]

    @property
    def key(self) -> str:
        """What it is stored by: a task with other settings or arguments is another one."""
        text = json.dumps([self.config.identity(), dict(self.arguments)], sort_keys=True)
        return f"{self.id} {hashlib.sha256(text.encode()).hexdigest()[:16]}"


class Progress(Protocol):
    """Hears how far an experiment is."""

    def __call__(self, done: int, total: int) -> None:
        """Called with the number of tasks done, those of earlier calls included."""


def run_tasks(
    tasks: Sequence[Task],
    store: TaskStore,
    *,
    workers: int,
    on_progress: Progress | None = None,
) -> None:
    """Compute what the store does not hold yet; a task that fails is recorded with its reason.

    Args:
        tasks: all of them.
        store: what is done; each task is committed as it ends.
        workers: processes, each with one thread.
        on_progress: told at the start and after each task.
    """
    left = [task for task in tasks if not store.done(task.key)]
    done = len(tasks) - len(left)
    if on_progress is not None:
        on_progress(done, len(tasks))
    if not left:
        return
    context = multiprocessing.get_context("spawn")
    with (
        _one_thread_each(),
        ProcessPoolExecutor(min(workers, len(left)), mp_context=context, initializer=_end_with_parent) as pool,
    ):
        waiting: dict[Future[tuple[list[Row] | None, str, float]], Task] = {
            pool.submit(_computed, task): task for task in left
        }
        try:
            while waiting:
                # With a time limit, so that an interrupt is heard on every system.
                ended, _ = wait(waiting, timeout=0.5, return_when=FIRST_COMPLETED)
                for future in ended:
                    _commit(store, waiting.pop(future), future)
                    done += 1
                    if on_progress is not None:
                        on_progress(done, len(tasks))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            # What is under way would go on for minutes, and nobody waits for it.
            for process in multiprocessing.active_children():
                process.terminate()
            raise


def _end_with_parent() -> None:
    """End this process when the one that started it is killed: it would compute on, and nobody would hear of it."""
    parent = multiprocessing.parent_process()

    def watch() -> None:
        if parent is not None:
            connection.wait([parent.sentinel])
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _commit(store: TaskStore, task: Task, future: Future[tuple[list[Row] | None, str, float]]) -> None:
    try:
        rows, error, seconds = future.result()
    except BrokenProcessPool as problem:
        raise EvoPruneError(
            f"a process of the experiment ended without a word during {task.id} (out of memory?); "
            "what is done is kept: run the same command again, with fewer --workers"
        ) from problem
    if rows is None:
        logger.warning("task %s failed: %s", task.id, error)
    store.commit(task.key, rows, error, seconds)


_NOT_OF_THE_DATA = {
    "head",
    "encoding",
    "recipe",
    "algorithm",
    "search",
    "protocol",
    "evaluations",
    "batch",
    "report_seeds",
}
"""Settings that do not change which features are read."""

_LOADED: dict[str, Features] = {}
"""Features that this process has read, by the settings of their data."""


def _computed(task: Task) -> tuple[list[Row] | None, str, float]:
    """Rows of a task, or None and the reason; and the seconds that it took."""
    source = task.config.model_dump_json(exclude=_NOT_OF_THE_DATA)
    if source not in _LOADED:
        # One at a time: tasks come data set by data set, and memory is for training.
        _LOADED.clear()
        _LOADED[source] = load_features(task.config)
    started = time.perf_counter()
    try:
        rows, error = task.compute(_LOADED[source], task.config, task.arguments), ""
    except EvoPruneError as problem:
        return None, str(problem), time.perf_counter() - started
    except Exception:
        # A defect of one method must not take the others' figures with it; the whole of it is kept.
        return None, traceback.format_exc(), time.perf_counter() - started
    return rows, error, time.perf_counter() - started


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Child processes started within use one thread each: they share the cores among themselves."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
