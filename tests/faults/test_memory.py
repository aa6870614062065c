"""Memory that runs out in training: fewer at a time, said in the log, the same bits; and candidates that diverge."""

from __future__ import annotations

import logging
import threading

import numpy as np
import pytest
import torch

import evoprune as ep
from evoprune.errors import ConfigError, EvoPruneError, is_shortage
from evoprune.features import from_arrays
from evoprune.heads import Head, parse_encoding
from evoprune.search import SearchOptions
from evoprune.training import FAST, Recipe, Trainer
from evoprune.training import _packed_engine as packed_engine
from evoprune.training import _population as population

from ..training.conftest import task  # noqa: F401 - a fixture
from ..training.test_packed_engine import CPU, engine, folds, initial, jobs_of, structures
from .conftest import rare
from .state import SINGLE, left_behind

SHORTAGES = {
    "torch on a CPU": lambda: RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to"),
    "torch on a CPU, Windows": lambda: RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate"),
    "torch on a GPU": lambda: torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB."),
    "Python": MemoryError,
}


@pytest.fixture
def threads(monkeypatch):
    """As if torch had so many threads."""
    monkeypatch.setattr(population.torch, "get_num_threads", lambda: 4)


def candidates(count=6):
    plan = parse_encoding("features", Head(12), width=20, classes=3)
    return [plan.decode(np.random.default_rng(n).random(20) < 0.5) for n in range(count)]


def trainer(data):
    return Trainer(data, Head(12), FAST.model_copy(update={"epochs": 3}))


def bits(trained):
    return [logits.tobytes() for one in trained for fold in one.logits for logits in fold]


@pytest.mark.parametrize("shortage", SHORTAGES.values(), ids=SHORTAGES)
def test_fewer_trainings_run_at_a_time_until_they_fit(monkeypatch, caplog, threads, task, shortage):  # noqa: F811
    wanted = bits(trainer(task).train(candidates(), [1, 2]))
    real, lock, under_way, most = population.train_compact, threading.Lock(), [0], [0]
    apart = threading.Event()

    def crowded(*arguments, **settings):
        with lock:
            under_way[0] += 1
            most[0] = max(most[0], under_way[0])
        try:
            apart.wait(0.02)
            if under_way[0] > 1:
                raise shortage()
            return real(*arguments, **settings)
        finally:
            with lock:
                under_way[0] -= 1

    monkeypatch.setattr(population, "train_compact", crowded)
    heard: list[int] = []
    tight = trainer(task)
    with caplog.at_level(logging.WARNING, "evoprune"):
        assert bits(tight.train(candidates(), [1, 2], lambda done, total: heard.append(done))) == wanted
    assert most[0] > 1
    assert [record.args[0] for record in caplog.records if "memory ran out" in record.message] == [4, 2]
    assert heard[-1] == 24
    caplog.clear()
    # What has been learned about this machine is not forgotten with the batch.
    assert bits(tight.train(candidates(2), [1, 2])) == wanted[:8]
    assert not [record for record in caplog.records if "ran out" in record.message]


def test_memory_that_is_too_short_for_one_training_is_one_sentence(monkeypatch, threads, task):  # noqa: F811
    def short(*arguments, **settings):
        raise MemoryError

    monkeypatch.setattr(population, "train_compact", short)
    with pytest.raises(ConfigError, match=r"the memory of device 'cpu' ran out while training; .* or give a head with"):
        trainer(task).train(candidates(), [1])


def test_a_defect_is_not_taken_for_a_shortage(monkeypatch, threads, task):  # noqa: F811
    def defect(*arguments, **settings):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    monkeypatch.setattr(population, "train_compact", defect)
    with pytest.raises(RuntimeError, match="cannot be multiplied"):
        trainer(task).train(candidates(), [1])
    assert not is_shortage(ValueError("out of memory"))


class Short:
    """Networks of packs for which there is no memory: those with too many slots, at once or after some epochs."""

    def __init__(self, monkeypatch, most, after=0):
        self.slots = []
        real, watch = packed_engine.PackedNetwork, self

        class Network(real):
            def __init__(self, jobs, bucket, slots, *rest):
                watch.slots.append(slots)
                self.epochs = 0
                if slots > most and not after:
                    raise torch.cuda.OutOfMemoryError("CUDA out of memory.")
                super().__init__(jobs, bucket, slots, *rest)

            def run(self, *arguments):
                self.epochs += 1
                if self.slots > most and self.epochs > after:
                    raise torch.cuda.OutOfMemoryError("CUDA out of memory.")
                super().run(*arguments)

        monkeypatch.setattr(packed_engine, "PackedNetwork", Network)


@pytest.mark.parametrize("after", [0, 2])
def test_a_pack_is_halved_until_it_fits(monkeypatch, caplog, task, after):  # noqa: F811
    X, y = folds(task)
    jobs = jobs_of(structures("features", Head(24), (0.2, 0.5, 0.6, 0.7, 0.9, 1.0)))
    recipe = FAST.model_copy(update={"epochs": 4})
    with monkeypatch.context() as patch:
        # An engine that was told beforehand.
        patch.setattr(packed_engine, "affordable_slots", lambda *arguments: 4)
        wanted = dict(engine(X, y, recipe, dtype=torch.float32, master=torch.float32).train(jobs, initial(Head(24))))
    short = Short(monkeypatch, 4, after)
    tight = engine(X, y, recipe, dtype=torch.float32, master=torch.float32)
    with caplog.at_level(logging.WARNING, "evoprune"):
        given = list(tight.train(jobs, initial(Head(24))))
    assert short.slots == [16, 8, 4, 4, 4, 4, 4, 4]
    found = dict(given)
    assert len(given) == len(found) == len(jobs)
    for number, weights in wanted.items():
        assert [m.tobytes() for m in weights.matrices] == [m.tobytes() for m in found[number].matrices]
    said = [record.message for record in caplog.records if "ran out" in record.message]
    assert said[0].startswith("memory of cpu ran out with 16 training(s) in a pack; those not done are trained again")
    assert len(said) == 2
    short.slots.clear()
    list(tight.train(jobs[:2], initial(Head(24))))
    assert short.slots == [4]


def test_a_pack_of_one_that_does_not_fit_is_one_sentence(monkeypatch, task):  # noqa: F811
    X, y = folds(task)
    jobs = jobs_of(structures("features", Head(24), (0.5,)))
    Short(monkeypatch, 0)
    with pytest.raises(ConfigError, match=f"the memory of device '{CPU}' ran out while training"):
        list(engine(X, y, FAST).train(jobs, initial(Head(24))))


@rare
@pytest.mark.parametrize("megabytes", [8, 64, 200, 400, 800])
def test_a_process_with_little_memory_ends_in_a_sentence_or_right(
    nursery, digits, undisturbed, tmp_path, record, megabytes
):
    cache = {"EVOPRUNE_CACHE": str(tmp_path / "cache")}
    command = ("run", digits, *SINGLE, "-o", tmp_path / "run")
    ended = nursery.run(*command, memory=megabytes << 20, **cache)
    if ended.status:
        ended.refusal()
        assert nursery.run(*command, **cache).status == 0
    assert left_behind(tmp_path / "run") == undisturbed.left
    record("memory", what=f"{megabytes} MiB", status=ended.status)


def diverging():
    """Features of which the first makes every head that reads it diverge."""
    rng = np.random.default_rng(0)
    centres = np.zeros((3, 16))
    centres[:, :8] = rng.normal(size=(3, 8))
    y = np.tile(np.arange(3), 80)
    X = (centres[y] + rng.normal(size=(240, 16))).astype(np.float32)
    X[:, 0] *= 1e30
    return from_arrays(X[:170], y[:170], X[170:], y[170:], name="diverging")


PLAIN = Recipe(optimizer="sgd", learning_rate=0.05, batch_size=32, epochs=3, standardize=False)


@pytest.mark.parametrize("algorithm", ["genetic", "nsga2", "guided"])
def test_a_candidate_that_diverges_fails_and_the_search_goes_on(monkeypatch, algorithm):
    monkeypatch.setattr("evoprune.guidance._gates.FEWEST_STEPS", 6)
    monkeypatch.setattr("evoprune.guidance._gates.EPOCHS", 1)
    several = algorithm != "genetic"
    study = ep.Study(
        diverging(),
        head=Head(8),
        recipe=PLAIN,
        algorithm=algorithm,
        objectives=("calibrated_loss", "active") if several else ("accuracy",),
        folds=3 if algorithm == "guided" else 1,
        search=None if algorithm == "guided" else SearchOptions(population=8),
        report_seeds=1,
    )
    result = study.run(24)
    failed = [e for e in result.history if e.state == "failed"]
    assert result.evaluations == 24
    assert 0 < len(failed) == result.failed < 24
    assert all(e.genome[0] for e in failed)
    assert all("not a finite number" in e.error for e in failed)
    assert not any(member.genome[0] for member in result.front)


@pytest.mark.parametrize("algorithm", ["genetic", "guided"])
def test_where_every_candidate_diverges_the_search_says_why(monkeypatch, algorithm):
    monkeypatch.setattr("evoprune.guidance._gates.FEWEST_STEPS", 6)
    monkeypatch.setattr("evoprune.guidance._gates.EPOCHS", 1)
    features = diverging()
    X = np.repeat(features.X[:, :1], 16, axis=1)
    everywhere = from_arrays(X[:170], features.y[:170], X[170:], features.y[170:], name="diverging")
    settings = {
        "genetic": {"search": SearchOptions(initial_density=(0.5, 0.9))},
        "guided": {"folds": 3, "objectives": ("calibrated_loss", "active")},
    }[algorithm]
    study = ep.Study(everywhere, head=Head(8), recipe=PLAIN, algorithm=algorithm, report_seeds=1, **settings)
    with pytest.raises(EvoPruneError, match=r"evaluations failed \(not a finite number: .*; check the features"):
        study.run(40)
