"""Connections are ranked by iterative magnitude pruning from the same initial weights, and recombined by it."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from evoprune.data import Fold
from evoprune.guidance import ConnectionGuide, guide_for, guided_folds, guided_recipe
from evoprune.guidance._connections import DROP, SMALLEST_SHARE
from evoprune.heads import Head, parse_encoding
from evoprune.training import FAST, TrainingSet, WeightTraining

from .conftest import planted_rows

WIDTH = 24
HEAD = Head(20)
QUICK = FAST.model_copy(update={"epochs": 3, "batch_size": 16, "precision": "float32", "initial_seed": 5})
FOLD = Fold(np.arange(40), np.arange(40, 60))


def encoding(name="connections", head=HEAD):
    return parse_encoding(name, head, width=WIDTH, classes=3)


def training_set():
    X, y, _ = planted_rows(60)
    return TrainingSet(X, y, 3, (FOLD,))


def guide(seed=0, runs=2, **changes):
    recipe = QUICK.model_copy(update=changes)
    return ConnectionGuide(training_set(), FOLD.train, encoding(), recipe, seed, runs)


@pytest.fixture
def known(monkeypatch):
    """Trainings after which each connection has a weight that is known; how many each of them had."""
    weights = np.random.default_rng(4).normal(size=(WIDTH, 20)).astype(np.float32)
    trained = []

    def trained_weights(self, structure, seed, cancelled):
        trained.append((int(structure.connections.sum()), seed))
        return np.where(structure.connections, weights, np.float32(0)), np.ones((20, 3), np.float32)

    monkeypatch.setattr(WeightTraining, "weights", trained_weights)
    return np.abs(weights).ravel(), trained


def test_the_smallest_weights_go_first_round_after_round(known):
    sizes, trained = known
    (scores,) = guide(runs=1).scores()
    smallest = round(SMALLEST_SHARE * sizes.size)
    left = [count for count, _ in trained]
    assert left[0] == sizes.size
    assert left[-1] == smallest
    assert all(after == max(smallest, int(before * (1 - DROP))) for before, after in pairwise(left))
    # Each round has batches of its own.
    assert len({seed for _, seed in trained}) == len(trained)
    assert np.array_equal(np.argsort(-scores), np.argsort(-sizes))
    assert np.array_equal(np.floor(scores), np.sum([scores >= number for number in range(1, len(left))], axis=0))


def test_a_child_is_what_pruning_keeps_of_its_pool(known):
    sizes, trained = known
    pools = np.random.default_rng(0).random((4, sizes.size)) < 0.3
    pools[0] = np.arange(sizes.size) < 50
    before = pools.copy()
    children = guide().recombine(pools, 50, 9)
    assert np.array_equal(pools, before)
    for child, pool in zip(children, pools, strict=True):
        assert np.array_equal(np.flatnonzero(child), np.sort(np.flatnonzero(pool)[np.argsort(-sizes[pool])[:50]]))
    # One that has as many as are wanted is not trained.
    assert 50 not in {count for count, _ in trained}


def test_a_training_that_diverges_does_no_harm(monkeypatch):
    nothing = (np.full((WIDTH, 20), np.nan, np.float32), np.ones((20, 3), np.float32))
    monkeypatch.setattr(WeightTraining, "weights", lambda *_: nothing)
    assert np.isfinite(guide().scores()).all()
    assert guide().recombine(np.ones((1, WIDTH * 20), dtype=bool), 7, 0).sum() == 7


def test_an_interrupt_ends_all_of_them(monkeypatch):
    heard = []

    def interrupted(self, structure, seed, cancelled):
        if not heard:
            heard.append(seed)
            raise KeyboardInterrupt
        while not cancelled():
            pass
        raise RuntimeError("given up")

    monkeypatch.setattr(WeightTraining, "weights", interrupted)
    with pytest.raises(KeyboardInterrupt):
        guide(runs=3).scores()


def test_the_seed_decides():
    first, again, other = (guide(seed) for seed in (1, 1, 2))
    pool = np.ones((2, WIDTH * 20), dtype=bool)
    # Asked in another order: no answer depends on those before.
    child = again.recombine(pool, 50, 4)
    scores = first.scores()
    assert scores.shape == (2, WIDTH * 20)
    assert np.array_equal(scores, again.scores())
    assert not np.array_equal(scores[0], scores[1])
    assert not np.array_equal(scores, other.scores())
    assert np.array_equal(first.recombine(pool, 50, 4), child)
    assert not np.array_equal(child[0], child[1])
    assert not np.array_equal(first.recombine(pool, 50, 5), child)


def test_connections_of_planted_features_are_kept():
    X, y, informative = planted_rows(60)
    chosen = parse_encoding("connections", HEAD, width=WIDTH, classes=3)
    recipe = QUICK.model_copy(update={"epochs": 15})
    scores = ConnectionGuide(TrainingSet(X, y, 3, (FOLD,)), FOLD.train, chosen, recipe).scores().mean(axis=0)
    kept = np.zeros(chosen.length, dtype=bool)
    kept[np.argsort(-scores)[:40]] = True
    by_feature = kept.reshape(WIDTH, 20).sum(axis=1)
    assert by_feature[informative].mean() > 1.5 * by_feature[~informative].mean()


@pytest.mark.parametrize(
    ("name", "head"), [("connections", HEAD), ("connections:1", Head(5, 4)), ("connections", Head(5, 4))]
)
def test_connections_have_a_guide_where_all_trainings_begin_alike(name, head):
    data, plan = training_set(), encoding(name, head)
    assert guide_for(data, plan, QUICK.model_copy(update={"initial_seed": None}), 0) is None
    found = guide_for(data, plan, QUICK, 3, eliminations=1)
    assert isinstance(found, ConnectionGuide)
    scores = found.scores()
    assert scores.shape == (1, plan.length)
    assert np.array_equal(scores, ConnectionGuide(data, FOLD.train, plan, QUICK, 3, 1).scores())
    # It has seen the rows that candidates are trained on, and no others.
    X = data.X.copy()
    X[FOLD.evaluate] = np.nan
    assert np.array_equal(
        guide_for(TrainingSet(X, data.y, 3, (FOLD,)), plan, QUICK, 3, eliminations=1).scores(), scores
    )


def test_a_search_of_connections_has_initial_weights_and_a_validation_part_of_its_own():
    for name in ("features", "first", "both"):
        assert guided_recipe(FAST, name, 7) is FAST
        assert guided_folds(name) == 3
    for name in ("connections", "connections:1"):
        assert guided_recipe(FAST, name, 7) == FAST.model_copy(update={"initial_seed": 7})
        assert guided_recipe(QUICK, name, 7) is QUICK
        assert guided_folds(name) == 1
