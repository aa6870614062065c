"""The loop: look-up, budget, replay, failures, stopping."""

from __future__ import annotations

import time

import numpy as np
import pytest

from evoprune.errors import EvoPruneError
from evoprune.search import create
from evoprune.study import Interrupted, Store, StudyKey, search

L = 24
WEIGHTS = np.random.default_rng(3).integers(-50, 50, size=L)


def value_of(genomes):
    return (genomes.astype(np.int64) @ WEIGHTS)[:, None].astype(float)


class Counter:
    """Counts what is evaluated; fails on request."""

    def __init__(self, bad=lambda genome: False):
        self.seen = []
        self.bad = bad

    def __call__(self, genomes, on_progress=None):
        for done, genome in enumerate(genomes, start=1):
            self.seen.append(genome.tobytes())
            if on_progress is not None:
                on_progress(done, len(genomes))
        values = value_of(genomes)
        values[[self.bad(g) for g in genomes]] = np.nan
        return values


def new_store(path=None):
    return Store(path, StudyKey(L, ("accuracy",), "key"))


def genetic(seed=0):
    return create("genetic", length=L, maximize=(True,), seed=seed)


def table(store):
    return [(e.id, e.genome.tobytes(), e.values.tobytes(), e.state, e.error) for e in store.evaluations()]


def test_no_genome_is_evaluated_twice_and_the_budget_is_exact():
    store, count = new_store(), Counter()
    search(genetic(), count, store, budget=150, batch=7)
    assert len(count.seen) == len(set(count.seen)) == len(store) == 150


@pytest.mark.parametrize("batch", [1, 2, 30])
def test_the_batch_changes_nothing(batch):
    reference, other = new_store(), new_store()
    search(genetic(), Counter(), reference, budget=100, batch=10)
    search(genetic(), Counter(), other, budget=100, batch=batch)
    assert table(reference) == table(other)


@pytest.mark.parametrize("cut", [1, 17, 30, 31, 64, 99])
def test_a_search_cut_anywhere_and_resumed_is_the_undisturbed_one(tmp_path, cut):
    undisturbed = new_store()
    search(genetic(), Counter(), undisturbed, budget=100, batch=4)
    first = Counter()
    store = new_store(tmp_path / "s.sqlite")
    search(genetic(), first, store, budget=cut, batch=4)
    store.close()
    store, second = new_store(tmp_path / "s.sqlite"), Counter()
    search(genetic(), second, store, budget=100, batch=4)
    assert table(store) == table(undisturbed)
    assert len(first.seen) == cut
    assert not set(first.seen) & set(second.seen)
    store.close()


def test_failed_evaluations_are_counted_stored_and_not_run_again(tmp_path):
    bad = lambda genome: bool(genome[0])  # noqa: E731
    store, count = new_store(tmp_path / "s.sqlite"), Counter(bad)
    search(genetic(), count, store, budget=80, batch=5)
    failed = [e for e in store.evaluations() if e.state == "failed"]
    assert failed and len(failed) < 80
    before = table(store)
    store.close()
    store, again = new_store(tmp_path / "s.sqlite"), Counter(bad)
    search(genetic(), again, store, budget=80, batch=5)
    assert again.seen == []
    assert table(store) == before
    store.close()


def test_a_search_in_which_everything_fails_stops_with_the_reason():
    with pytest.raises(
        EvoPruneError, match=r"all of the first 30 evaluations failed \(not a finite number: accuracy = nan\)"
    ):
        search(genetic(), Counter(lambda g: True), new_store(), budget=100, batch=10)


def test_stopping_is_between_batches_and_loses_nothing():
    store, count = new_store(), Counter()
    with pytest.raises(Interrupted, match="stopped after 12 of 100"):
        search(genetic(), count, store, budget=100, batch=4, should_stop=lambda: len(count.seen) >= 12)
    assert len(store) == 12


def test_an_exhausted_space_ends_the_search():
    store = Store(None, StudyKey(3, ("accuracy",), "key"))
    algorithm = create("genetic", length=3, maximize=(True,), seed=0)
    search(algorithm, lambda g, _: g.sum(1, keepdims=True).astype(float), store, budget=100, batch=4)
    assert len(store) <= 8


def test_with_all_genomes_known_it_does_not_ask_on():
    store, asks = Store(None, StudyKey(3, ("accuracy",), "key")), []

    class Every:
        def ask(self):
            asks.append(len(store))
            return (np.arange(1, 8)[:, None] >> np.arange(3) & 1).astype(bool)

        def tell(self, genomes, values):
            pass

    search(Every(), lambda g, _: g.sum(1, keepdims=True).astype(float), store, budget=100, batch=4)
    assert asks == [0, 7]


def test_callbacks_hear_of_every_committed_batch():
    store, heard = new_store(), []

    class Listener:
        def on_start(self, earlier, budget):
            assert (len(earlier), budget) == (0, 40)

        def on_training(self, done, budget):
            trained.append((done, budget))

        def on_evaluations(self, genomes, values, progress):
            heard.append((len(genomes), progress.evaluations, len(store)))

    trained = []
    search(genetic(), Counter(), store, budget=40, batch=8, callbacks=(Listener(),))
    assert trained == [(done, 40) for done in range(1, 41)]
    assert sum(n for n, _, _ in heard) == 40
    assert all(reported == stored for _, reported, stored in heard)


class Ponderous:
    """An algorithm that thinks for a while before each ask."""

    def __init__(self, algorithm, seconds):
        self._algorithm, self._seconds = algorithm, seconds

    def ask(self):
        time.sleep(self._seconds)
        return self._algorithm.ask()

    def tell(self, genomes, values):
        self._algorithm.tell(genomes, values)


def test_the_time_of_a_search_holds_what_the_algorithm_thinks_about(tmp_path):
    store, asks = new_store(tmp_path / "s.sqlite"), 4
    random = create("random", length=L, maximize=(True,), seed=0)
    size = len(create("random", length=L, maximize=(True,), seed=0).ask())
    began = time.perf_counter()
    search(Ponderous(random, 0.05), Counter(), store, budget=asks * size, batch=3)
    assert 0.05 * asks <= store.seconds() <= time.perf_counter() - began
    store.close()
