"""Places for workers, and how much of what is left each one gets."""

from __future__ import annotations

import os
import signal
import time

import numpy as np
import pytest

from evoprune.errors import ConfigError
from evoprune.executors import Here, RayExecutor, make_executor
from evoprune.executors._chunks import Pace, chunk_size, costs
from evoprune.executors._connect import undisturbed
from evoprune.executors._plan import Node, Slot, plan


def counts(slots):
    return {node: sum(slot.node == node for slot in slots) for node in dict.fromkeys(slot.node for slot in slots)}


def test_one_worker_a_machine_has_all_of_its_processors():
    assert plan([Node("a", 8), Node("b", 2), Node("head", 0)], None) == [Slot("a", 8), Slot("b", 2)]
    assert [slot.threads for slot in plan([Node("a", 8), Node("b", 2)], None)] == [8, 2]


def test_workers_go_where_they_get_most_processors_which_they_share():
    assert plan([Node("a", 8), Node("b", 2)], 2) == [Slot("a", 4), Slot("a", 4)]
    assert counts(plan([Node("a", 8), Node("b", 2)], 6)) == {"a": 5, "b": 1}
    assert counts(plan([Node("a", 8), Node("b", 2)], 10)) == {"a": 8, "b": 2}
    # What cannot be divided evenly stays free.
    assert plan([Node("a", 7)], 2) == [Slot("a", 3), Slot("a", 3)]


def test_with_gpus_there_is_a_worker_for_each_or_several_on_one():
    nodes = [Node("a", 16, 4), Node("b", 2, 1), Node("c", 64)]
    assert plan(nodes, None, 1.0) == [Slot("a", 4, 1)] * 4 + [Slot("b", 2, 1)]
    assert counts(plan(nodes, None, 0.5)) == {"a": 8, "b": 2}
    assert counts(plan([Node("a", 16, 1)], None, 0.1)) == {"a": 10}
    assert plan([Node("a", 1, 2)], None, 1.0) == [Slot("a", 0.5, 1)] * 2
    assert plan([Node("a", 1, 2)], None, 1.0)[0].threads == 1


@pytest.mark.parametrize(
    ("nodes", "workers", "gpus", "said"),
    [
        ([Node("a", 2)], 3, 0, r"3 workers .* room for 2 \(1 machine\(s\), 2 processor\(s\), 0 GPU.*give --workers 2"),
        ([Node("a", 2)], None, 1, r"offers 1 GPU\(s\) for a worker; give fewer --gpus-per-worker, or --device cpu"),
        ([Node("head", 0)], None, 0, "offers a processor for a worker; add machines"),
        ([], 1, 0, "offers a processor for a worker; add machines"),
    ],
)
def test_what_has_no_room_is_refused_with_the_way_out(nodes, workers, gpus, said):
    with pytest.raises(ConfigError, match=said):
        plan(nodes, workers, gpus)


def given_out(speeds, waiting, grain=1):
    """Who gets how many candidates, in simulated time; and when everybody is done."""
    paces = [Pace(1.0) for _ in speeds]
    ends = [0.0] * len(speeds)
    sizes = [[] for _ in speeds]
    waiting, now = list(waiting), 0.0
    while waiting or any(pace.began is not None for pace in paces):
        for number in sorted(range(len(speeds)), key=lambda n: -paces[n].speed):
            if paces[number].began is None and waiting:
                others = [pace for other, pace in enumerate(paces) if other != number]
                size = chunk_size(waiting, paces[number], others, grain, now)
                if size:
                    sizes[number].append(size)
                    paces[number].began, paces[number].cost = now, sum(waiting[:size])
                    ends[number] = now + paces[number].cost / speeds[number]
                    del waiting[:size]
        busy = [number for number, pace in enumerate(paces) if pace.began is not None]
        first = min(busy, key=lambda number: ends[number])
        now = ends[first]
        paces[first].learn(now - paces[first].began)
    return sizes, now


def test_a_faster_worker_gets_more_and_all_end_at_about_the_same_time():
    waiting = [1.0] * 400
    sizes, end = given_out([1.0, 4.0], waiting)
    shares = [sum(taken) for taken in sizes]
    assert sum(shares) == 400
    # Nobody's speed is known at first, so that the slow one gets a quarter before the first measurement.
    assert 80 <= shares[0] <= 105
    assert end <= 1.08 * max(100.0, 400 / 5)
    again, end = given_out([1.0, 1.0], waiting)
    assert [sum(taken) for taken in again] == [200, 200]
    assert end == 200.0


def test_a_slow_worker_does_not_begin_what_a_fast_one_would_end_sooner():
    fast, slow = Pace(100.0, measured=True), Pace(1.0, measured=True)
    fast.began, fast.cost = 10.0, 50.0
    assert chunk_size([1.0], slow, [fast], 1, now=10.1) == 0
    # But it does where the fast one is long overdue, or busy for long.
    assert chunk_size([1.0], slow, [fast], 1, now=12.0) == 1
    fast.cost = 500.0
    assert chunk_size([1.0], slow, [fast], 1, now=10.1) == 1
    # The fastest one always begins.
    fast.began = None
    assert chunk_size([1.0], fast, [slow], 1, now=10.1) == 1


def test_workers_get_no_fewer_than_keep_them_busy():
    assert chunk_size([1.0] * 20, Pace(1.0), [Pace(1.0)] * 9, 8, now=0.0) == 8
    assert chunk_size([1.0] * 3, Pace(1.0), [Pace(1.0)] * 9, 8, now=0.0) == 3


def test_the_cost_grows_with_what_is_on():
    genomes = np.array([[False] * 10, [True] * 5 + [False] * 5, [True] * 10])
    np.testing.assert_allclose(costs(genomes), [0.1, 0.6, 1.1])


@pytest.mark.parametrize("name", ["ray", "ray://127.0.0.1:10001", "10.0.0.7:6379", "head.example:6379", "auto"])
def test_executors_have_names_or_addresses(name):
    assert isinstance(make_executor(name, 4, 0.5), RayExecutor)
    assert isinstance(make_executor("here"), Here)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("rey",), "executor 'rey' is unknown; did you mean 'ray'[?] give here, ray, or the address"),
        (("ray:/host",), "is unknown"),
        (("ray", 0), "0 workers are none; give --workers 1 or more"),
        (("ray", None, -1.0), "-1 GPUs a worker are out of range"),
        (("here", 2), "--workers has no effect without workers; add --executor ray"),
        (("here", None, 0.5), "--gpus-per-worker has no effect without workers"),
    ],
)
def test_what_is_no_executor_is_refused_with_the_way_out(arguments, said):
    with pytest.raises(ConfigError, match=said):
        make_executor(*arguments)


def test_ctrl_c_does_not_cut_the_ending_of_workers_short():
    with undisturbed():
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.05)
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(1)
