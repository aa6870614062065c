"""Candidates measured by the workers of a cluster: the same figures, whoever dies."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import replace

import numpy as np
import pytest

import evoprune as ep
from evoprune.errors import ConfigError, EvoPruneError
from evoprune.executors import RayExecutor
from evoprune.executors._blueprint import feature_file
from evoprune.objectives import OBJECTIVES, register_objective
from evoprune.search import SearchOptions
from evoprune.training import FAST

from .conftest import NODE, busy_workers, make_problem


def test_values_and_predictions_are_those_of_this_process_bit_for_bit(executor, genomes):
    alone = make_problem().examine(genomes, (7, 8), predictions=True)
    told = []
    problem = make_problem(executor.workers)
    spread = problem.examine(genomes, (7, 8), lambda *state: told.append(state), predictions=True)
    one = problem.evaluate(genomes[:1])
    assert [e.values.tobytes() for e in spread] == [e.values.tobytes() for e in alone]
    assert [e.predictions.tobytes() for e in spread] == [e.predictions.tobytes() for e in alone]
    assert [(e.parameters, e.multiply_adds) for e in spread] == [(e.parameters, e.multiply_adds) for e in alone]
    assert one.tobytes() == make_problem().evaluate(genomes[:1]).tobytes()
    assert problem.evaluate(genomes[:0]).shape == (0, 4)
    assert told == [(4 * done, 4 * len(genomes)) for done in range(1, len(genomes) + 1)]
    assert problem.at_a_time == 10
    # On other rows it is measured by the same workers.
    other = problem.on(replace(problem.data, folds=problem.data.folds[::-1]), FAST, seed=3).evaluate(genomes)
    here = make_problem()
    here = here.on(replace(here.data, folds=here.data.folds[::-1]), FAST, seed=3)
    assert other.tobytes() == here.evaluate(genomes).tobytes()


def test_workers_are_there_only_while_they_are_asked_for(cluster, genomes):
    executor = RayExecutor(cluster.address)
    with executor.running(0):
        assert executor.workers.active
    problem = make_problem(executor.workers)
    # None were started, for nobody asked for anything; afterwards the problem measures here.
    assert not executor.workers.active
    assert problem.evaluate(genomes[:1]).tobytes() == make_problem().evaluate(genomes[:1]).tobytes()


def study_on(features, **settings):
    return ep.Study(
        features,
        head=ep.Head(8),
        recipe=FAST.model_copy(update={"epochs": 4, "batch_size": 32}),
        search=SearchOptions(population=8) if settings.get("algorithm") != "guided" else None,
        report_seeds=2,
        **settings,
    )


@pytest.fixture(scope="module")
def features():
    rng = np.random.default_rng(0)
    y = np.tile(np.arange(3), 60)
    X = (rng.normal(size=(3, 24))[y] + rng.normal(size=(180, 24))).astype(np.float32)
    return ep.from_arrays(X[:120], y[:120], X[120:], y[120:], name="blobs")


def table(result):
    return [(e.id, e.genome.tobytes(), e.values.tobytes(), e.state) for e in result.history]


def without_times(summary):
    return {key: value for key, value in summary.items() if key not in ("seconds", "run")}


@pytest.mark.parametrize(
    "settings",
    [
        {"algorithm": "nsga2", "objectives": ("accuracy", "active")},
        {"algorithm": "guided", "objectives": ("calibrated_loss", "active"), "folds": 2},
    ],
    ids=["nsga2", "guided"],
)
def test_a_study_by_workers_is_the_study_in_this_process(features, executor, settings):
    here = study_on(features, **settings).run(24)
    there = study_on(features, **settings, executor=executor).run(24)
    assert table(there) == table(here)
    assert without_times(there.summary()) == without_times(here.summary())


def test_an_asynchronous_study_counts_every_evaluation_once_and_goes_on_anywhere(features, executor, tmp_path):
    def asynchronous(**more):
        return study_on(features, algorithm="genetic", asynchronous=True, output=tmp_path / "run", **more)

    first = asynchronous(executor=executor).run(30)
    assert len({e.genome.tobytes() for e in first.history}) == first.evaluations == 30
    # Each value is the one that this process finds.
    problem = study_on(features, algorithm="genetic").problem
    genomes = np.stack([e.genome for e in first.history])
    assert problem.evaluate(genomes).tobytes() == np.stack([e.values for e in first.history]).tobytes()
    longer = asynchronous().run(36)
    assert table(longer)[:30] == table(first)
    assert longer.evaluations == 36
    with pytest.raises(ConfigError, match="asynchronous: True -> False"):
        study_on(features, algorithm="genetic", output=tmp_path / "run").run(36)


def test_killed_workers_change_nothing(executor, genomes, heard):
    many = np.concatenate([genomes, ~genomes])
    killed = []

    def kill_one(done, total):
        busy = busy_workers()
        if len(killed) < 2 and busy:
            busy[0].kill()
            killed.append(busy[0].pid)

    values = make_problem(executor.workers, epochs=40).evaluate(many, kill_one)
    assert len(killed) == 2
    assert len(heard.losses) == 2
    assert all("its process ended" in sentence for sentence in heard.losses), heard
    assert values.tobytes() == make_problem(epochs=40).evaluate(many).tobytes()


@pytest.mark.skipif(os.environ.get("EVOPRUNE_FAULTS") != "all", reason="takes minutes: make faults")
def test_a_lost_machine_changes_nothing_and_a_new_one_is_used(cluster, executor, heard, genomes):
    many = np.concatenate([genomes, ~genomes])
    lost = []

    def lose(done, total):
        if not lost:
            lost.extend(cluster.worker_nodes)
            cluster.remove_node(lost[0], allow_graceful=False)

    expected = make_problem(epochs=40).evaluate(many)
    assert make_problem(executor.workers, epochs=40).evaluate(many, lose).tobytes() == expected.tobytes()
    problem = make_problem(executor.workers, epochs=40)
    # A worker that had nothing to do when its machine was lost is missed by the next work.
    wait_for(lambda: problem.evaluate(genomes).tobytes() == expected[:12].tobytes() and len(heard.losses) == 1)
    cluster.add_node(**NODE)
    cluster.wait_for_nodes()
    executor.workers._crew._looked = 0.0
    wait_for(lambda: problem.evaluate(genomes).tobytes() == expected[:12].tobytes() and workers_of(executor) == 2)


def workers_of(executor):
    return sum(member.introduction is None for member in executor.workers._crew.members)


def wait_for(condition, seconds=240.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came to be"


def test_a_candidate_at_which_workers_die_is_given_up_in_a_sentence(executor, genomes):
    def deadly(candidate):
        import os

        os._exit(1)

    try:
        register_objective("deadly", deadly, maximize=True)
        with pytest.raises(EvoPruneError, match=r"3 workers died while they measured a candidate with \d+ of 32 bits"):
            make_problem(executor.workers, objectives=("deadly",)).evaluate(genomes[:1])
    finally:
        OBJECTIVES.pop("deadly", None)


def test_a_mistake_in_a_users_objective_is_the_sentence_that_it_is_here(executor, genomes):
    def wrong(candidate):
        raise KeyError("colour")

    try:
        register_objective("wrong", wrong, maximize=True)
        said = []
        for workers in (None, executor.workers):
            with pytest.raises(ConfigError) as error:
                make_problem(workers, objectives=("wrong",)).evaluate(genomes)
            said.append(str(error.value))
    finally:
        OBJECTIVES.pop("wrong", None)
    assert said[0] == said[1]
    assert said[0].startswith("objective 'wrong' failed with KeyError: 'colour'; mend the function")


def test_features_in_a_file_are_mapped_and_those_in_memory_sent_once(executor, genomes, tmp_path):
    X = make_problem().data.X
    np.save(tmp_path / "X.npy", np.concatenate([X[:1], X]))
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r", allow_pickle=False)[1:]
    file = feature_file(mapped)
    assert file is not None and np.array_equal(file.open(), X)
    before = len(executor.workers._stored)
    values = make_problem(executor.workers, X=mapped).evaluate(genomes)
    assert len(executor.workers._stored) == before
    # On a machine without the file the features come from the object store.
    other = make_problem(executor.workers)
    nowhere = type(file)(str(tmp_path / "nowhere.npy"), 0, X.shape, file.probe)
    executor.workers._places.append((other.data.X, nowhere))
    assert other.evaluate(genomes).tobytes() == values.tobytes()
    assert len(executor.workers._stored) == before + 1
    assert values.tobytes() == make_problem().evaluate(genomes).tobytes()


def test_a_file_is_known_by_its_contents(tmp_path):
    X = make_problem().data.X
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r", allow_pickle=False)
    file = feature_file(mapped)
    np.save(tmp_path / "other.npy", X[::-1])
    (tmp_path / "other.npy").replace(tmp_path / "X.npy")
    assert file.open() is None
    assert feature_file(mapped) is None
    (tmp_path / "X.npy").write_bytes(b"short")
    assert file.open() is None
    assert feature_file(X) is None
    assert feature_file(mapped[:, ::2]) is None


def test_more_workers_than_processors_are_refused(cluster, genomes):
    executor = RayExecutor(cluster.address, 9)
    with executor.running(0), pytest.raises(ConfigError, match=r"9 workers were asked for, but .* room for 2 "):
        make_problem(executor.workers).evaluate(genomes)


def test_an_address_where_nobody_is_is_refused_at_once(genomes):
    pytest.importorskip("ray")
    for address in ("127.0.0.1:9", "ray://127.0.0.1:9"):
        executor = RayExecutor(address)
        with executor.running(0), pytest.raises(ConfigError, match=f"no Ray answers at {address} .*ray start --head"):
            make_problem(executor.workers).evaluate(genomes)


def test_a_missing_ray_is_one_sentence(genomes, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    executor = RayExecutor()
    with (
        executor.running(0),
        pytest.raises(ConfigError, match=r'needs ray, which is not installed; run: pip install "evoprune\[ray\]"'),
    ):
        make_problem(executor.workers).evaluate(genomes)
