"""Connections are drawn by the importance of their feature, and recombined at random."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import chisquare

from evoprune.data import Fold
from evoprune.guidance import ConnectionGuide, Guide, guide_for
from evoprune.guidance._connections import TILTS
from evoprune.heads import Head, parse_encoding
from evoprune.training import TrainingSet

from .conftest import planted_rows

WIDTH, UNITS = 24, 300


class Known:
    """Importance of features that is given, `[S, D]`."""

    def __init__(self, scores):
        self._scores = np.asarray(scores, dtype=np.float64)

    def scores(self):
        return self._scores


def best(scores, count):
    """The `count` connections with the highest scores, as `[features, units]`."""
    mask = np.zeros(scores.size, dtype=bool)
    mask[np.argsort(-scores)[:count]] = True
    return mask.reshape(WIDTH, UNITS)


def test_connections_are_drawn_in_proportion_to_what_the_rank_of_their_feature_says():
    importance = np.random.default_rng(0).permutation(WIDTH)
    guide = ConnectionGuide(Known(np.tile(importance, (60, 1))), UNITS)
    scores = guide.scores()
    assert scores.shape == (60, WIDTH * UNITS)
    places = (WIDTH - 1 - importance) / WIDTH
    for number, tilt in enumerate(TILTS):
        # Few of many, so that drawing without replacement is hardly different from drawing with it.
        draws = np.sum([best(own, 36) for own in scores[number :: len(TILTS)]], axis=0)
        rates = np.exp(-tilt * places)
        assert chisquare(draws.sum(axis=1), draws.sum() * rates / rates.sum()).pvalue > 0.001
        # Units are all alike.
        assert chisquare(draws.sum(axis=0)).pvalue > 0.001


def test_each_source_ranks_its_own_features():
    sources = np.zeros((2, WIDTH))
    sources[0, :3] = sources[1, -3:] = 1
    first, second = ConnectionGuide(Known(sources), UNITS).scores().reshape(2, WIDTH, UNITS).mean(axis=2)
    assert first[:3].mean() > first[3:].mean() + 0.3
    assert second[-3:].mean() > second[:-3].mean() + 0.6


def test_the_seed_decides():
    known = Known(np.random.default_rng(1).random((3, WIDTH)))
    first, again, other = (ConnectionGuide(known, UNITS, seed) for seed in (1, 1, 2))
    pool = np.ones((2, WIDTH * UNITS), dtype=bool)
    child = again.recombine(pool, 50, 4)
    assert np.array_equal(first.scores(), again.scores())
    assert not np.array_equal(first.scores(), other.scores())
    assert np.array_equal(first.recombine(pool, 50, 4), child)
    assert not np.array_equal(child[0], child[1])
    assert not np.array_equal(first.recombine(pool, 50, 5), child)
    assert not np.array_equal(other.recombine(pool, 50, 4), child)


def test_a_child_is_any_part_of_its_pool():
    pools = np.random.default_rng(2).random((400, WIDTH * UNITS)) < 0
    pools[:, ::180] = True
    before = pools.copy()
    importance = np.tile(np.arange(WIDTH), (1, 1))
    children = ConnectionGuide(Known(importance), UNITS).recombine(pools, 10, 0)
    assert np.array_equal(pools, before)
    assert (children.sum(axis=1) == 10).all()
    assert not (children & ~pools).any()
    # The pools hold what is important already: no connection is preferred once more.
    assert chisquare(children[:, ::180].sum(axis=0)).pvalue > 0.001


@pytest.mark.usefixtures("few_steps")
@pytest.mark.parametrize(("name", "head"), [("connections", Head(5)), ("connections:1", Head(5, 4))])
def test_connections_out_of_features_have_the_guide_of_their_features(name, head):
    X, y, _ = planted_rows(30)
    data = TrainingSet(X, y, 3, (Fold(np.arange(20), np.arange(20, 30)),))
    encoding = parse_encoding(name, head, width=WIDTH, classes=3)
    asked = []

    def remembered(guide):
        asked.append(guide)
        return guide

    guide = guide_for(data, encoding, "float32", 3, eliminations=2, remembered=remembered)
    assert isinstance(guide, ConnectionGuide)
    # What takes time to work out is remembered, and not a score for each of all connections.
    (features,) = asked
    assert isinstance(features, Guide)
    assert guide.scores().shape == (2, encoding.length)
    assert np.array_equal(guide.scores(), ConnectionGuide(features, 5, 3).scores())


def test_connections_between_hidden_layers_have_none():
    X, y, _ = planted_rows(30)
    data = TrainingSet(X, y, 3, (Fold(np.arange(20), np.arange(20, 30)),))
    for name in ("connections", "connections:2"):
        assert guide_for(data, parse_encoding(name, Head(4, 4), width=WIDTH, classes=3), "float32", 0) is None
