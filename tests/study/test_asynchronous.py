"""The asynchronous loop: everybody busy, an order that is kept, and a replay that is the search."""

from __future__ import annotations

import time

import numpy as np
import pytest

from evoprune.errors import ConfigError, DamagedStoreError, EvoPruneError
from evoprune.search import create
from evoprune.study import Interrupted, Store, StudyKey, search_asynchronously

L = 24
WEIGHTS = np.random.default_rng(3).integers(-50, 50, size=L)


class Pool:
    """Evaluations that take any length: which of those under way is done next is drawn."""

    def __init__(self, capacity=4, seed=0, bad=lambda genome: False):
        self.capacity = capacity
        self.begun, self.done, self.most = [], [], 0
        self._rng = np.random.default_rng(seed)
        self._under_way = []
        self._bad = bad

    def submit(self, genome):
        self.begun.append(genome.tobytes())
        self._under_way.append(genome)
        self.most = max(self.most, len(self._under_way))

    def collect(self):
        genome = self._under_way.pop(int(self._rng.integers(len(self._under_way))))
        self.done.append(genome.tobytes())
        value = np.nan if self._bad(genome) else float(genome.astype(np.int64) @ WEIGHTS)
        return genome, np.array([value])


def new_store(path=None):
    return Store(path, StudyKey(L, ("accuracy",), "key"))


def algorithm(name="genetic", seed=0):
    return create(name, length=L, maximize=(True,), seed=seed)


def table(store):
    return [(e.id, e.genome.tobytes(), e.values.tobytes(), e.state) for e in store.evaluations()]


@pytest.mark.parametrize("name", ["genetic", "guided", "random"])
@pytest.mark.parametrize("capacity", [1, 4, 70])
def test_everybody_is_busy_no_genome_comes_twice_and_the_budget_is_exact(name, capacity):
    store, pool = new_store(), Pool(capacity)
    search_asynchronously(algorithm(name), pool, store, budget=120)
    assert len(pool.begun) == len(set(pool.begun)) == len(store) == 120
    assert pool.most == capacity
    assert [e.genome.tobytes() for e in store.evaluations()] == pool.done


@pytest.mark.parametrize("name", ["genetic", "guided"])
@pytest.mark.parametrize("cut", [1, 29, 57, 99])
def test_a_search_that_was_cut_goes_on_with_what_was_under_way(tmp_path, name, cut):
    store, first = new_store(tmp_path / "s.sqlite"), Pool(5, seed=1)
    with pytest.raises(Interrupted, match=f"stopped after {cut} of 100"):
        search_asynchronously(algorithm(name), first, store, budget=100, should_stop=lambda: len(first.done) == cut)
    before = table(store)
    store.close()
    store, second = new_store(tmp_path / "s.sqlite"), Pool(5, seed=2)
    search_asynchronously(algorithm(name), second, store, budget=100)
    assert table(store)[:cut] == before
    # What was under way is begun again, in the same order, and nothing that was done.
    under_way = [genome for genome in first.begun if genome not in first.done]
    assert second.begun[: len(under_way)] == under_way
    assert not set(first.done) & set(second.begun)
    assert len(store) == 100
    store.close()


@pytest.mark.parametrize("name", ["genetic", "guided", "random"])
def test_the_stored_order_repeats_the_search(name):
    store = new_store()
    search_asynchronously(algorithm(name), Pool(6, seed=4), store, budget=90)
    order = {e.genome.tobytes(): e.id for e in store.evaluations()}
    begun = [store.result(f"told/{number}") for number in range(1, 91)]
    assert begun == sorted(begun) and begun[-1] == 90

    class InThatOrder(Pool):
        """Is done with whatever was done next in the first search."""

        def collect(self):
            genome = min(self._under_way, key=lambda g: order[g.tobytes()])
            self._under_way = [other for other in self._under_way if other is not genome]
            return genome, np.array([float(genome.astype(np.int64) @ WEIGHTS)])

    again = new_store()
    search_asynchronously(algorithm(name), InThatOrder(6), again, budget=90)
    assert table(again) == table(store)


def test_another_number_of_workers_continues_a_search(tmp_path):
    store = new_store(tmp_path / "s.sqlite")
    search_asynchronously(algorithm(), Pool(8), store, budget=50)
    before = table(store)
    store.close()
    store, one = new_store(tmp_path / "s.sqlite"), Pool(1)
    search_asynchronously(algorithm(), one, store, budget=80)
    assert table(store)[:50] == before
    assert len(one.begun) == 30
    store.close()
    store, eight = new_store(tmp_path / "s.sqlite"), Pool(8)
    search_asynchronously(algorithm(), eight, store, budget=80)
    assert eight.begun == []
    store.close()


def test_a_lost_place_in_the_order_is_said_and_not_guessed(tmp_path):
    store = new_store(tmp_path / "s.sqlite")
    search_asynchronously(algorithm(), Pool(), store, budget=50)
    store.set_result("told/20", 48)
    store.close()
    store = new_store(tmp_path / "s.sqlite")
    with pytest.raises(DamagedStoreError, match="is not one that the search asked for"):
        search_asynchronously(algorithm(), Pool(), store, budget=80)
    store.set_result("told/20", None)
    with pytest.raises(DamagedStoreError, match="does not say when evaluation 20 was told"):
        search_asynchronously(algorithm(), Pool(), store, budget=80)
    store.close()


def test_what_a_guided_search_corrects_is_stored_corrected():
    store = new_store()
    search_asynchronously(
        algorithm("guided"),
        Pool(),
        store,
        budget=40,
        adjust=lambda genomes, values: values - genomes.sum(axis=1)[:, None],
    )
    for e in store.evaluations():
        assert e.values[0] == e.genome.astype(np.int64) @ WEIGHTS - e.genome.sum()


def test_failed_evaluations_are_stored_and_a_search_of_nothing_else_stops_with_the_reason():
    store = new_store()
    search_asynchronously(algorithm(), Pool(bad=lambda g: bool(g[0])), store, budget=80)
    assert 0 < sum(e.state == "failed" for e in store.evaluations()) < 80
    with pytest.raises(EvoPruneError, match=r"all of the first 30 evaluations failed \(not a finite number: accuracy"):
        search_asynchronously(algorithm(), Pool(bad=lambda g: True), new_store(), budget=80)


def test_an_exhausted_space_ends_the_search():
    class Small(Pool):
        def collect(self):
            genome = self._under_way.pop()
            return genome, np.array([float(genome.sum())])

    store = Store(None, StudyKey(3, ("accuracy",), "key"))
    search_asynchronously(create("genetic", length=3, maximize=(True,), seed=0), Small(4), store, budget=100)
    assert 4 <= len(store) <= 8


def test_what_is_under_way_when_the_time_is_up_is_waited_for():
    store, pool = new_store(), Pool(4)
    search_asynchronously(algorithm(), pool, store, budget=100, seconds=1e-9)
    assert len(store) == 0 and pool.begun == []
    began = []
    search_asynchronously(
        algorithm(),
        pool,
        store,
        budget=100,
        seconds=0.05,
        should_stop=lambda: bool(began.append(1)),
        callbacks=(Slow(),),
    )
    assert 4 <= len(store) == len(pool.begun) < 100


class Slow:
    """Takes its time over every evaluation."""

    def on_start(self, earlier, budget):
        pass

    def on_evaluations(self, genomes, values, progress):
        time.sleep(0.01)


def test_the_time_of_a_search_passes_once_whoever_measures():
    store, began = new_store(), time.perf_counter()
    search_asynchronously(algorithm(), Pool(4), store, budget=40, callbacks=(Slow(),))
    # The last one's callback comes after its time.
    assert 39 * 0.01 <= store.seconds() <= time.perf_counter() - began


def test_algorithms_that_work_by_generations_refuse():
    nsga2 = create("nsga2", length=L, maximize=(True, True), seed=0)
    with pytest.raises(ConfigError, match=r"NSGA2 works by generations, .*; leave --asynchronous out, or choose"):
        search_asynchronously(nsga2, Pool(), Store(None, StudyKey(L, ("accuracy", "f1"), "key")), budget=10)
