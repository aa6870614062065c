"""Elimination leaves as many features as asked, out of each set, and those that matter last."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from evoprune.guidance import GateData
from evoprune.guidance._elimination import eliminate, elimination_scores

from .conftest import planted_rows


@pytest.fixture(scope="module")
def data():
    X, y, _ = planted_rows(60)
    return GateData.of(X, y, 3)


SETS = np.stack([np.sort(np.random.default_rng(s).choice(24, size=15, replace=False)) for s in range(3)])


@pytest.mark.usefixtures("few_steps")
@pytest.mark.parametrize("size", [1, 2, 7, 14, 15])
def test_so_many_features_as_asked_are_left_of_each_set(data, size):
    left = eliminate(data, SETS, size, seed=0)
    assert left.shape == (3, size)
    for chosen, own in zip(SETS, left, strict=True):
        assert np.array_equal(own, np.unique(own))
        assert set(own) <= set(chosen)


def test_planted_features_survive(planted):
    X, y, informative = planted
    noise = np.flatnonzero(~informative)
    sets = np.stack([np.sort(np.append(np.flatnonzero(informative), noise[start::2])) for start in (0, 1)])
    left = eliminate(GateData.of(X, y, 3), sets, 4, seed=0)
    assert (left == np.flatnonzero(informative)).all()


def test_scores_put_planted_features_first_and_say_who_left_first(planted):
    X, y, informative = planted
    sets = np.tile(np.arange(24), (2, 1))
    scores = elimination_scores(GateData.of(X, y, 3), sets, 4, seed=0)
    assert scores.shape == (2, 24)
    for own in scores:
        assert set(np.argsort(-own)[:4]) == set(np.flatnonzero(informative))
        last = np.floor(own) == np.floor(own.max())
        assert np.array_equal(last, informative)
    assert not np.array_equal(*scores)


@pytest.mark.usefixtures("few_steps")
@pytest.mark.parametrize("smallest", [1, 4, 15, 40])
def test_scores_are_of_the_set_alone_and_all_different(data, smallest):
    scores = elimination_scores(data, SETS, smallest, seed=0)
    for chosen, own in zip(SETS, scores, strict=True):
        inside = np.isin(np.arange(24), chosen)
        assert (own[~inside] == -1).all()
        assert (own[inside] >= 0).all()
        assert len(set(own[inside])) == 15
        assert (np.floor(own) == np.floor(own.max())).sum() == min(smallest, 15)


@pytest.mark.usefixtures("few_steps")
def test_each_round_leaves_fewer_and_drops_those_with_the_smallest_gates(data, monkeypatch):
    rounds = []

    def ranked(data, sets, seed):
        rounds.append((sets.shape[1], seed))
        return (sets * 7 % 24).astype(np.float64)

    monkeypatch.setattr("evoprune.guidance._elimination.gate_sizes", ranked)
    left = eliminate(data, SETS, 3, seed=0)
    for chosen, own in zip(SETS, left, strict=True):
        assert set(own) == set(sorted(chosen, key=lambda feature: -(feature * 7 % 24))[:3])
    sizes, seeds = zip(*rounds, strict=True)
    assert all(a > b for a, b in pairwise(sizes))
    # A round that began with the weights of the last one would hold on to the same features.
    assert len(set(seeds)) == len(rounds) > 1
    scores = elimination_scores(data, SETS, 1, seed=0)
    for chosen, own in zip(SETS, scores, strict=True):
        assert np.array_equal(np.argsort(-own)[:15], sorted(chosen, key=lambda feature: -(feature * 7 % 24)))


@pytest.mark.usefixtures("few_steps")
def test_the_seed_decides(data):
    first, again, other = (elimination_scores(data, SETS, 2, seed) for seed in (3, 3, 4))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    first, again, other = (eliminate(data, SETS, 5, seed) for seed in (3, 3, 4))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
