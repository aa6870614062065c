"""The guided search: every size is searched, what is good is found, and the guide is asked as agreed."""

from __future__ import annotations

from contextlib import closing

import numpy as np
import pytest

from evoprune.errors import ConfigError
from evoprune.search import ALGORITHMS, GuidedSearch, SearchOptions, create
from evoprune.search._guided import GUIDED_SHARE, SHARES
from evoprune.study import Store, StudyKey, search

LENGTH = 64
PLANTED = np.isin(np.arange(LENGTH), np.random.default_rng(8).choice(LENGTH, size=6, replace=False))
DIRECTIONS = [(False,), (False, False), (False, False, True)]


@pytest.fixture(autouse=True)
def gates_for_few_bits(monkeypatch):
    """The genomes here are short, and are recombined all the same."""
    monkeypatch.setattr("evoprune.search._guided.GATED_FROM", 1)


class FakeGuide:
    """Knows the planted bits only dimly, and checks that it is asked as agreed."""

    def __init__(self, length=LENGTH, seed=0, noise=0.5):
        self.length, self.seed, self.noise = length, seed, noise
        self.pools: list[np.ndarray] = []
        self.counts: list[int] = []
        self.questions: list[tuple[bytes, int, int]] = []

    def _importance(self, seed, rows):
        noise = np.random.default_rng([self.seed, seed]).normal(size=(rows, self.length))
        return PLANTED[: self.length] + self.noise * noise

    def scores(self):
        return self._importance(0, 6)

    def recombine(self, pools, count, seed):
        assert pools.dtype == np.bool_
        assert pools.shape[1] == self.length
        assert len(set(pools.sum(axis=1))) == 1
        assert 1 <= count <= pools[0].sum()
        self.pools.append(pools.copy())
        self.counts.append(count)
        self.questions.append((pools.tobytes(), count, seed))
        importance = np.where(pools, self._importance(seed + 1, len(pools)), -np.inf)
        children = np.zeros_like(pools)
        np.put_along_axis(children, np.argsort(-importance, axis=1)[:, :count], True, axis=1)
        return children


def values_of(genomes, maximize):
    """Planted bits that are missing, active share, and how much of the first half is active."""
    length = genomes.shape[1]
    missing = (~genomes & PLANTED[:length]).sum(axis=1)
    return np.column_stack([missing, genomes.mean(axis=1), genomes[:, : -(-length // 2)].mean(axis=1)])[
        :, : len(maximize)
    ].astype(float)


def turns(algorithm, count, values=values_of):
    asked = []
    for _ in range(count):
        genomes = algorithm.ask()
        asked.append(genomes)
        algorithm.tell(genomes, values(genomes, algorithm.maximize))
    return asked


def run(algorithm, budget, values=values_of, batch=7):
    """Genomes and values of the evaluations of a whole search."""
    names = tuple(f"o{number}" for number in range(len(algorithm.maximize)))
    with closing(Store(None, StudyKey(algorithm.length, names, "key"))) as store:
        search(
            algorithm, lambda g, on_progress=None, /: values(g, algorithm.maximize), store, budget=budget, batch=batch
        )
        stored = store.evaluations()
    return np.stack([e.genome for e in stored]), np.stack([e.values for e in stored])


def equal(first, second):
    return len(first) == len(second) and all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


@pytest.fixture(params=["guide", "no guide"])
def guide_or_none(request):
    return FakeGuide if request.param == "guide" else lambda *arguments: None


def sizes(guide_or_none):
    """All sizes that are searched, the full genome apart."""
    shares = SHARES if guide_or_none() is None else (*SHARES, GUIDED_SHARE)
    return {max(1, round(share * LENGTH)) for share in shares} - {LENGTH}


@pytest.mark.parametrize("maximize", DIRECTIONS)
def test_every_size_is_searched_from_the_first_ask_on_and_no_other(guide_or_none, maximize):
    algorithm = GuidedSearch(LENGTH, maximize, 0, guide=guide_or_none())
    searched = sizes(guide_or_none)
    asked = turns(algorithm, 1 + 2 * len(searched))
    assert set(asked[0].sum(axis=1)) == {*searched, LENGTH}
    later = np.concatenate(asked[1:]).sum(axis=1)
    assert set(later) == searched
    for genomes in asked:
        assert len(np.unique(genomes, axis=0)) == len(genomes)


@pytest.mark.parametrize("maximize", DIRECTIONS)
@pytest.mark.parametrize("length", [1, 2, 5, 64])
def test_any_length_and_number_of_objectives_will_do(guide_or_none, length, maximize):
    algorithm = GuidedSearch(length, maximize, 1, guide=guide_or_none(length))
    for genomes in turns(algorithm, 30):
        assert genomes.dtype == np.bool_
        assert genomes.shape[1] == length
        assert genomes.any(axis=1).all()
    if length < 3:
        genomes, _ = run(GuidedSearch(length, maximize, 1, guide=guide_or_none(length)), 2**length)
        assert len(genomes) == len(np.unique(genomes, axis=0)) >= min(2, length)
        assert genomes[0].all()


@pytest.mark.parametrize("maximize", DIRECTIONS)
def test_a_run_is_replayed_by_telling_it_the_same_values(guide_or_none, maximize):
    guide, again = guide_or_none(), guide_or_none()
    whole = turns(GuidedSearch(LENGTH, maximize, 5, guide=guide), 30)
    replayed = GuidedSearch(LENGTH, maximize, 5, guide=again)
    for genomes in whole[:17]:
        assert np.array_equal(replayed.ask(), genomes)
        replayed.tell(genomes, values_of(genomes, maximize))
    assert equal(turns(replayed, 13), whole[17:])
    assert not equal(turns(GuidedSearch(LENGTH, maximize, 6, guide=guide_or_none()), 30), whole)
    if guide is not None:
        # Asked again in the same words, so that stored answers serve.
        assert guide.questions == again.questions


def test_a_longer_budget_begins_with_the_same_genomes_whatever_the_batch(guide_or_none):
    short, _ = run(GuidedSearch(LENGTH, (False, False), 2, guide=guide_or_none()), 61)
    long, _ = run(GuidedSearch(LENGTH, (False, False), 2, guide=guide_or_none()), 130, batch=30)
    assert (len(short), len(long)) == (61, 130)
    assert np.array_equal(long[:61], short)


def hits_within(genomes, share):
    return int((genomes & PLANTED).sum(axis=1)[genomes.mean(axis=1) <= share].max(initial=0))


def mean_hits(genomes):
    """Planted bits of the best genome within a share of active bits, mean over some shares."""
    return np.mean([hits_within(genomes, share) for share in (0.1, 0.15, 0.25, 0.35)])


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_planted_bits_are_found_in_a_budget_in_which_random_search_finds_few(guide_or_none, seed):
    found, _ = run(GuidedSearch(LENGTH, (False, False), seed, guide=guide_or_none(LENGTH, seed)), 150)
    chance, _ = run(create("random", length=LENGTH, maximize=(False, False), seed=seed), 150)
    assert mean_hits(found) > mean_hits(chance) + 1


def test_evaluations_improve_on_what_a_misled_guide_says():
    # It rates noise as high as what is planted: better than its own best is only what evaluations have shown.
    guide = FakeGuide(noise=1.5)
    genomes, _ = run(GuidedSearch(LENGTH, (False, False), 0, guide=guide), 300)
    best_by_scores = [hits_within(np.argsort(np.argsort(-own))[None] < 10, 1) for own in guide.scores()]
    assert hits_within(genomes, 10 / LENGTH) > max(best_by_scores)


def test_directions_decide_and_not_signs(guide_or_none):
    first = turns(GuidedSearch(LENGTH, (False, False), 3, guide=guide_or_none()), 25)
    turned = turns(
        GuidedSearch(LENGTH, (True, True), 3, guide=guide_or_none()), 25, lambda g, maximize: -values_of(g, maximize)
    )
    astray = turns(GuidedSearch(LENGTH, (True, True), 3, guide=guide_or_none()), 25)
    assert equal(first, turned)
    assert not equal(first, astray)


@pytest.mark.parametrize("maximize", DIRECTIONS)
def test_failed_evaluations_have_no_children_and_do_not_stop_the_search(guide_or_none, maximize):
    failed = []

    def some_fail(genomes, maximize):
        values = values_of(genomes, maximize)
        bad = np.array([hash(genome.tobytes()[: LENGTH // 2]) % 3 == 0 for genome in genomes]) & ~genomes.all(axis=1)
        values[bad, -1] = np.nan
        failed.extend(genomes[bad])
        return values

    def some_are_worst(genomes, maximize):
        values = some_fail(genomes, maximize)
        values[np.isnan(values).any(axis=1)] = np.nan
        return values

    guide = guide_or_none()
    asked = turns(GuidedSearch(LENGTH, maximize, 4, guide=guide), 40, some_fail)
    again = turns(GuidedSearch(LENGTH, maximize, 4, guide=guide_or_none()), 40, some_are_worst)
    assert len(failed) > 20
    assert equal(asked, again)
    assert hits_within(np.concatenate(asked), 0.25) >= 4


def test_when_everything_fails_random_genomes_keep_coming(guide_or_none):
    algorithm = GuidedSearch(LENGTH, (False,), 0, guide=guide_or_none())
    asked = turns(algorithm, 4, lambda genomes, maximize: np.full((len(genomes), 1), np.nan))
    assert all(set(genomes.sum(axis=1)) == {*sizes(guide_or_none), LENGTH} for genomes in asked)
    assert not np.array_equal(asked[0], asked[1])


def test_pools_hold_two_known_genomes_and_bits_that_neither_has():
    guide = FakeGuide()
    algorithm = GuidedSearch(LENGTH, (False, False), 0, guide=guide)
    known: list[np.ndarray] = []
    checked = new_bits = 0
    for _ in range(30):
        before = len(guide.pools)
        genomes = algorithm.ask()
        for pools, count in zip(guide.pools[before:], guide.counts[before:], strict=True):
            for pool in pools:
                inside = [g for g in known if not (g & ~pool).any()]
                # Parents are of the size itself or larger.
                unions = [
                    a | b for i, a in enumerate(inside) for b in inside[:i] if min(a.sum(), b.sum()) >= count * 0.8
                ]
                assert unions
                new_bits += int(pool.sum()) - max(int(union.sum()) for union in unions)
                checked += 1
        algorithm.tell(genomes, values_of(genomes, algorithm.maximize))
        known += list(genomes)
    assert checked > 10
    assert new_bits > checked


def test_of_few_bits_no_children_are_chosen_by_gates(monkeypatch):
    monkeypatch.setattr("evoprune.search._guided.GATED_FROM", LENGTH + 1)

    class NoChildren(FakeGuide):
        def recombine(self, pools, count, seed):
            raise AssertionError("asked to recombine")

    genomes, _ = run(GuidedSearch(LENGTH, (False, False), 0, guide=NoChildren()), 150)
    assert len(genomes) == 150


def test_each_part_can_be_switched_off():
    class NoScores(FakeGuide):
        def scores(self):
            raise AssertionError("asked for its scores")

    class NoChildren(FakeGuide):
        def recombine(self, pools, count, seed):
            raise AssertionError("asked to recombine")

    recombining, scoring = NoScores(), NoChildren()
    options = SearchOptions(prior=False)
    with_children = turns(GuidedSearch(LENGTH, (False, False), 0, options, recombining), 20)
    assert recombining.counts
    with_scores = turns(GuidedSearch(LENGTH, (False, False), 0, SearchOptions(recombination=False), scoring), 20)
    neither = SearchOptions(prior=False, recombination=False)
    alone = turns(GuidedSearch(LENGTH, (False, False), 0, neither, FakeGuide()), 20)
    assert equal(alone, turns(GuidedSearch(LENGTH, (False, False), 0), 20))
    assert not equal(alone, with_children)
    assert not equal(alone, with_scores)
    # The prior is where a search begins.
    assert hits_within(with_scores[0], 0.1) > hits_within(with_children[0], 0.1)


def test_the_scale_of_a_guides_scores_does_not_matter():
    class Scaled(FakeGuide):
        def scores(self):
            return super().scores() * 8 - 16

    plain, scaled = (turns(GuidedSearch(LENGTH, (False,), 0, guide=guide), 20) for guide in (FakeGuide(), Scaled()))
    assert equal(plain, scaled)


def test_a_guide_that_finds_all_bits_alike_is_no_obstacle():
    class Indifferent(FakeGuide):
        def scores(self):
            return np.zeros((6, self.length))

    asked = turns(GuidedSearch(LENGTH, (False, False), 0, guide=Indifferent()), 10)
    assert all(genomes.any(axis=1).all() for genomes in asked)


@pytest.mark.parametrize("name", [name for name in ALGORITHMS if name != "guided"])
def test_another_search_takes_no_guide(name):
    maximize = (True,) if name == "genetic" else (True, True)
    with pytest.raises(ConfigError, match=f"a guide has no effect in search '{name}'; .*choose search 'guided'"):
        create(name, length=8, maximize=maximize, guide=FakeGuide(8))


def test_create_hands_the_guide_and_the_options_on():
    options = SearchOptions(recombination=False)
    made = create("guided", length=LENGTH, maximize=(False,), seed=2, options=options, guide=FakeGuide())
    assert equal(turns(made, 15), turns(GuidedSearch(LENGTH, (False,), 2, options, FakeGuide()), 15))
    with pytest.raises(ConfigError, match="population=8 has no effect in search 'guided'"):
        create("guided", length=8, maximize=(True,), options=SearchOptions(population=8))
    with pytest.raises(ConfigError, match="prior=False has no effect in search 'genetic'"):
        create("genetic", length=8, maximize=(True,), options=SearchOptions(prior=False))


def test_smaller_sizes_are_searched_where_the_smallest_is_nearly_as_good():
    """Two bits are enough here: below a hundredth of 400 the sizes 2 and 1 are asked too, and not in vain."""
    needed = [11, 222]

    def values(genomes, maximize):
        return np.column_stack([(~genomes[:, needed]).sum(axis=1), genomes.mean(axis=1)]).astype(float)

    class Knows(FakeGuide):
        def _importance(self, seed, rows):
            return np.isin(np.arange(400), needed) + 0.01 * np.random.default_rng(seed).random((rows, 400))

    smallest = min(max(1, round(share * 400)) for share in SHARES)
    algorithm = GuidedSearch(400, (False, False), 0, guide=Knows(400))
    genomes, found = run(algorithm, 80, values)
    sizes = genomes.sum(axis=1)
    assert smallest == 4
    assert {1, 2, 4} <= set(sizes.tolist())
    assert (found[sizes == 2, 0] == 0).any()
    # A longer search begins with the shorter one.
    longer, _ = run(GuidedSearch(400, (False, False), 0, guide=Knows(400)), 120, values)
    assert np.array_equal(longer[:80], genomes)


def test_sizes_stay_as_they_are_where_small_genomes_are_worse():
    algorithm = GuidedSearch(LENGTH * 8, (False, False), 0)
    genomes, _ = run(algorithm, 120, lambda g, m: np.column_stack([1 - g.mean(axis=1), g.mean(axis=1)]))
    assert genomes.sum(axis=1).min() == max(1, round(SHARES[0] * LENGTH * 8))
