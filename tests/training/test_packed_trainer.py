"""`Trainer` with the packed engine, here forced on the CPU: the results of the other engine, up to rounding."""

from __future__ import annotations

import os
import signal
import threading
import time
from dataclasses import replace

import numpy as np
import pytest

from evoprune.errors import ConfigError
from evoprune.heads import Head, parse_encoding
from evoprune.training import FAST, PAPER, Recipe, Trainer, _population, train_population
from evoprune.training._packed_engine import PackedEngine

QUICK = FAST.model_copy(update={"epochs": 4, "batch_size": 32})
GROUPS = QUICK.model_copy(update={"groups": 2, "name": "groups"})
STOPPING = Recipe(optimizer="sgd", learning_rate=1e-2, batch_size=32, epochs=8, early_stopping={"patience": 2})


@pytest.fixture
def packs(monkeypatch):
    """Use the packed engine from now on; counts how often it is made."""
    made = []
    real = PackedEngine.__init__

    def counted(self, *args):
        made.append(self)
        real(self, *args)

    def use():
        monkeypatch.setattr(_population, "trains_in_packs", lambda device: True)
        monkeypatch.setattr(PackedEngine, "__init__", counted)
        return made

    return use


def candidates(encoding, head, count=5):
    plan = parse_encoding(encoding, head, width=20, classes=3)
    rng = np.random.default_rng(0)
    return [plan.decode(rng.random(plan.length) < share) for share in np.linspace(0, 1, count)]


@pytest.mark.parametrize(
    "recipe", [QUICK, STOPPING, PAPER.model_copy(update={"epochs": 6}), GROUPS], ids=lambda r: r.name
)
@pytest.mark.parametrize(
    ("encoding", "head"),
    [
        ("features", Head(16)),
        ("both", Head(16, 8)),
        ("connections", Head(16)),
        ("connections", Head(130)),
        # From no unit to all: one group and two beside each other.
        ("first", Head(150)),
    ],
)
def test_both_engines_give_the_same_logits(task, packs, encoding, head, recipe):
    structures = candidates(encoding, head)
    data = replace(task, extra={"other": tuple(task.X[:7] + number for number in range(2))})
    usual = Trainer(data, head, recipe).train(structures, [0, 3])
    made = packs()
    packed = Trainer(data, head, recipe).train(structures, [0, 3])
    assert len(made) == 1
    for a, b in zip(usual, packed, strict=True):
        for fold, rows in enumerate(task.folds):
            for seed in range(2):
                assert np.abs(a.logits[fold][seed] - b.logits[fold][seed]).max() <= 1e-4
                assert np.abs(a.extra["other"][fold][seed] - b.extra["other"][fold][seed]).max() <= 1e-3
                hits = [(t.logits[fold][seed].argmax(1) == task.y[rows.evaluate]).mean() for t in (a, b)]
                assert abs(hits[0] - hits[1]) <= 1 / 60
                assert a.epochs[fold][seed] == b.epochs[fold][seed]
                assert a.heads[fold][seed].parameters == b.heads[fold][seed].parameters


@pytest.mark.parametrize(
    ("encoding", "head", "recipe"),
    [("both", Head(16, 8), QUICK), ("first", Head(150), GROUPS)],
    ids=["whole", "groups"],
)
def test_results_do_not_depend_on_the_company(task, packs, encoding, head, recipe):
    packs()
    structures = candidates(encoding, head)
    trainer = Trainer(task, head, recipe)
    together = trainer.train(structures, [0, 1])
    backwards = trainer.train(structures[::-1], [1, 0])[::-1]
    for a, b, structure in zip(together, backwards, structures, strict=True):
        (alone,) = Trainer(task, head, recipe).train([structure], [1])
        for fold in range(2):
            assert a.logits[fold][0].tobytes() == b.logits[fold][1].tobytes()
            assert a.logits[fold][1].tobytes() == b.logits[fold][0].tobytes() == alone.logits[fold][0].tobytes()


def test_features_are_brought_to_the_device_once(task, packs):
    made = packs()
    trainer = Trainer(task, Head(16), QUICK)
    for seed in range(3):
        trainer.train(candidates("features", Head(16)), [seed])
    assert len(made) == 1


def test_progress_counts_every_training(task, packs):
    packs()
    seen = []
    recipe = STOPPING.model_copy(update={"learning_rate": 1.2, "epochs": 40})
    train_population(
        task,
        candidates("features", Head(16), 4),
        head=Head(16),
        recipe=recipe,
        seeds=[0, 1],
        on_progress=lambda done, total: seen.append((done, total)),
    )
    assert seen[-1] == (16, 16)
    assert len(seen) > 1
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_an_interrupt_ends_all_trainings_at_once(task, packs):
    packs()
    recipe = STOPPING.model_copy(update={"epochs": 20_000, "early_stopping": None})
    timer = threading.Timer(0.5, os.kill, [os.getpid(), signal.SIGINT])
    started = time.perf_counter()
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        train_population(task, candidates("features", Head(16)), head=Head(16), recipe=recipe, seeds=[0])
    assert time.perf_counter() - started < 5


def test_an_unknown_device_is_refused_before_anything_is_done(task):
    with pytest.raises(ConfigError, match=r"'gpu' is unknown; did you mean 'cuda'\?"):
        Trainer(task, Head(16), QUICK, "gpu")
