"""The guide sees training rows alone, is the same each time, and recombines within its pools."""

from __future__ import annotations

import numpy as np
import pytest

from evoprune.data import Fold
from evoprune.guidance import Guide, guide_for
from evoprune.heads import Head, parse_encoding
from evoprune.training import FAST, TrainingSet

from .conftest import planted_rows

WIDTH = 24
QUICK = FAST.model_copy(update={"precision": "float32"})


def encoding(name="features"):
    return parse_encoding(name, Head(4, 4) if name in ("second", "both") else Head(4), width=WIDTH, classes=3)


def pools(seed, count=3, size=14):
    rng = np.random.default_rng(seed)
    found = np.zeros((count, WIDTH), dtype=bool)
    for pool in found:
        pool[rng.choice(WIDTH, size=size, replace=False)] = True
    return found


@pytest.fixture
def gates_seen(monkeypatch):
    """The data that gates are trained on; the gates are random numbers."""
    seen = []

    def drawn(data, sets, seed):
        seen.append(data)
        return np.random.default_rng(seed).random(sets.shape)

    monkeypatch.setattr("evoprune.guidance._elimination.gate_sizes", drawn)
    return seen


@pytest.mark.usefixtures("few_steps")
@pytest.mark.parametrize("count", [1, 5, 13, 14])
def test_children_have_as_many_features_as_asked_all_of_their_pool(count):
    X, y, _ = planted_rows(60)
    asked = pools(1)
    before = asked.copy()
    children = Guide(X, y, 3, eliminations=2).recombine(asked, count, 0)
    assert children.dtype == np.bool_
    assert (children.sum(axis=1) == count).all()
    assert not (children & ~asked).any()
    assert np.array_equal(asked, before)


def test_planted_features_stay_in_the_children_and_score_highest(planted):
    X, y, informative = planted
    guide = Guide(X, y, 3, eliminations=2)
    full = np.ones((2, WIDTH), dtype=bool)
    assert (guide.recombine(full, 4, 0) == informative).all()
    for own in guide.scores():
        assert set(np.argsort(-own)[:4]) == set(np.flatnonzero(informative))


@pytest.mark.usefixtures("few_steps")
def test_two_guides_with_the_same_arguments_agree_and_another_seed_does_not():
    X, y, _ = planted_rows(60)
    first, second, other = (Guide(X, y, 3, seed=seed, eliminations=3) for seed in (1, 1, 2))
    # Asked in another order: no answer depends on those before.
    child = second.recombine(pools(3), 6, 9)
    assert np.array_equal(first.scores(), second.scores())
    assert first.scores().shape == (3, WIDTH)
    assert not np.array_equal(first.scores(), other.scores())
    assert np.array_equal(first.recombine(pools(3), 6, 9), child)
    assert not np.array_equal(first.recombine(pools(3), 6, 10), child)
    assert not np.array_equal(other.recombine(pools(3), 6, 9), child)


@pytest.mark.usefixtures("gates_seen")
def test_changing_the_scores_that_were_given_does_not_reach_the_guide():
    guide = Guide(*planted_rows(30)[:2], 3)
    scores = guide.scores()
    kept = scores.copy()
    scores[:] = 0
    assert np.array_equal(guide.scores(), kept)


def test_of_many_rows_so_many_are_drawn_by_the_seed(gates_seen, monkeypatch):
    X, y, _ = planted_rows(90)
    X[:, 0] = y
    monkeypatch.setattr("evoprune.guidance._guide.MOST_ROWS", 40)
    for seed in (0, 0, 1):
        Guide(X, y, 3, seed=seed, eliminations=1).recombine(pools(4), 13, 0)
    first, again, other = gates_seen
    assert first.rows == other.rows == 40
    assert np.array_equal(first.X.numpy(), again.X.numpy())
    assert not np.array_equal(first.X.numpy(), other.X.numpy())
    # A row keeps its label.
    assert np.array_equal(np.unique(first.X[:, 0], return_inverse=True)[1], first.targets.numpy().argmax(axis=1))


def test_features_are_standardised_and_a_constant_one_does_no_harm(gates_seen):
    X, y, _ = planted_rows(60)
    X = X * 30 + 5
    X[:, 3] = 8
    Guide(X, y, 3, eliminations=1).recombine(pools(5), 13, 0)
    seen = gates_seen[0].X.numpy()
    assert seen.mean(axis=0) == pytest.approx(np.zeros(WIDTH), abs=1e-5)
    expected = np.ones(WIDTH)
    expected[3] = 0
    assert seen.std(axis=0) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("name", ["first", "second", "both"])
def test_hidden_units_have_no_guide(name):
    X, y, _ = planted_rows(30)
    data = TrainingSet(X, y, 3, (Fold(np.arange(20), np.arange(20, 30)),))
    assert guide_for(data, encoding(name), QUICK, 0) is None
    assert isinstance(guide_for(data, encoding(), QUICK, 0), Guide)


@pytest.mark.usefixtures("few_steps")
def test_a_guide_to_one_fold_sees_only_its_training_rows():
    X, y, _ = planted_rows(60)
    train, evaluate = np.arange(0, 60, 2), np.arange(1, 60, 2)
    other_X, other_y = X.copy(), y.copy()
    other_X[evaluate], other_y[evaluate] = 9, 0
    scores = [
        guide_for(TrainingSet(a, b, 3, (Fold(train, evaluate),)), encoding(), QUICK, 0, eliminations=1).scores()
        for a, b in ((X, y), (other_X, other_y))
    ]
    assert np.array_equal(*scores)
    other_y = y.copy()
    other_y[train[:10]] = (y[train[:10]] + 1) % 3
    changed = TrainingSet(X, other_y, 3, (Fold(train, evaluate),))
    assert not np.array_equal(guide_for(changed, encoding(), QUICK, 0, eliminations=1).scores(), scores[0])


def test_a_guide_to_several_folds_sees_what_any_of_them_trains_on_once(gates_seen):
    X, y, _ = planted_rows(60)
    parts = np.array_split(np.arange(50), 3)
    folds = tuple(Fold(np.setdiff1d(np.arange(50), part), part) for part in parts)
    guide_for(TrainingSet(X, y, 3, folds), encoding(), QUICK, 0, eliminations=1).recombine(pools(6), 13, 0)
    assert gates_seen[0].rows == 50
    assert np.array_equal(gates_seen[0].targets.numpy().argmax(axis=1), y[:50])
