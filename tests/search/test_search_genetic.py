"""The steady-state genetic algorithm."""

from __future__ import annotations

import numpy as np
import pytest

from evoprune.search import GeneticAlgorithm, RandomSearch, SearchOptions, best_index

NAN = float("nan")


def _members(algorithm: GeneticAlgorithm) -> np.ndarray:
    return algorithm._members


def _agreement(target: np.ndarray):
    """OneMax with a hidden target: the share of bits that are right."""
    return lambda genomes: (genomes == target).mean(axis=1, keepdims=True)


def _search(algorithm, fitness, evaluations: int) -> tuple[np.ndarray, np.ndarray]:
    genomes, values = [], []
    while sum(map(len, genomes)) < evaluations:
        asked = algorithm.ask()
        genomes.append(asked)
        values.append(fitness(asked))
        algorithm.tell(asked, values[-1])
    return np.concatenate(genomes), np.concatenate(values)


def test_thirty_individuals_then_pairs_of_children():
    algorithm = GeneticAlgorithm(20, (True,))
    sizes = []
    for _ in range(4):
        genomes = algorithm.ask()
        sizes.append(len(genomes))
        algorithm.tell(genomes, genomes.mean(axis=1, keepdims=True))
    assert sizes == [30, 2, 2, 2]


@pytest.mark.parametrize("selection", ["nam", "roulette"])
@pytest.mark.parametrize("crossover", ["uniform", "one-point"])
@pytest.mark.parametrize("up", [True, False])
def test_finds_the_optimum_of_a_small_problem(selection, crossover, up):
    # Mutation is frequent here: with the published .07, a bit that the population has lost rarely returns.
    options = SearchOptions(selection=selection, crossover=crossover, mutation_probability=0.7)
    target = np.random.default_rng(0).random(16) < 0.5
    agreement = _agreement(target)
    algorithm = GeneticAlgorithm(16, (up,), seed=1, options=options)
    genomes, values = _search(algorithm, lambda g: agreement(g) if up else 1 - agreement(g), 3000)
    best = best_index(genomes, values, (up,))
    assert (genomes[best] == target).all()
    assert (_members(algorithm)[0] == target).all()


def test_beats_random_search_with_the_same_evaluations():
    ahead = 0
    for seed in range(5):
        fitness = _agreement(np.random.default_rng(100 + seed).random(128) < 0.5)
        evolved = _search(GeneticAlgorithm(128, (True,), seed), fitness, 300)[1].max()
        control = _search(RandomSearch(128, (True,), seed), fitness, 300)[1].max()
        ahead += evolved > control
    assert ahead == 5


def test_members_stay_distinct_and_the_best_is_never_lost():
    algorithm = GeneticAlgorithm(12, (True,), seed=2)
    fitness = _agreement(np.zeros(12, dtype=np.bool_))
    best = 0.0
    for _ in range(200):
        genomes = algorithm.ask()
        values = fitness(genomes)
        algorithm.tell(genomes, values)
        best = max(best, values.max())
        members = _members(algorithm)
        assert len(np.unique(members, axis=0)) == len(members) <= 30
        assert fitness(members).max() == best
    assert len(_members(algorithm)) == 30


def test_steady_state_equals_a_plain_reading_of_the_protocol():
    """Members and children are compared one by one, as the paper words it."""
    algorithm = GeneticAlgorithm(30, (True,), seed=4, options=SearchOptions(population=8, initial_density=(0.5, 0.5)))
    population: list[tuple[float, int, bytes]] = []
    for turn in range(60):
        genomes = algorithm.ask()
        # Few levels, so that ties are common; the level is a function of the genome, as in a look-up.
        values = (np.packbits(genomes, axis=1).sum(axis=1, keepdims=True) % 7).astype(float)
        algorithm.tell(genomes, values)
        new = [(-v, int(g.sum()), g.tobytes()) for g, v in zip(genomes, values[:, 0], strict=True)]
        if turn == 0:
            population = new
        else:
            known = {entry[2] for entry in population}
            children = [c for i, c in enumerate(new) if c[2] not in known and c[2] not in {d[2] for d in new[:i]}]
            population.sort(key=lambda entry: entry[:2])
            contest = sorted(population[-2:] + children, key=lambda entry: entry[:2])
            population[-2:] = contest[:2]
        assert {entry[2] for entry in population} == {g.tobytes() for g in _members(algorithm)}


def test_a_child_equal_to_a_member_is_asked_but_not_inserted():
    options = SearchOptions(population=4, initial_density=(1.0, 1.0), mutation_probability=0.0)
    algorithm = GeneticAlgorithm(6, (True,), options=options)
    for expected in (4, 2, 2):
        genomes = algorithm.ask()
        assert genomes.shape == (expected, 6)
        assert genomes.all()
        algorithm.tell(genomes, np.ones((expected, 1)))
        assert len(_members(algorithm)) == 1


def test_of_equal_fitness_fewer_ones_stay_and_full_ties_favour_members():
    options = SearchOptions(population=5, initial_density=(0.4, 0.6), mutation_probability=1.0)
    algorithm = GeneticAlgorithm(20, (True,), seed=3, options=options)
    before = None
    for _ in range(50):
        genomes = algorithm.ask()
        algorithm.tell(genomes, np.zeros((len(genomes), 1)))
        ones = _members(algorithm).sum(axis=1)
        assert before is None or (np.sort(ones) <= before).all()
        before = np.sort(ones)
    assert before.max() < 8


def test_failed_evaluations_are_never_members_and_the_population_fills_up_again():
    algorithm = GeneticAlgorithm(20, (False,), seed=6, options=SearchOptions(population=10))
    genomes = algorithm.ask()
    values = genomes.mean(axis=1, keepdims=True)
    values[:7] = NAN
    algorithm.tell(genomes, values)
    assert {g.tobytes() for g in _members(algorithm)} == {g.tobytes() for g in genomes[7:]}
    for _ in range(60):
        genomes = algorithm.ask()
        values = genomes.mean(axis=1, keepdims=True)
        failed = genomes[:, 0]
        values[failed] = NAN
        algorithm.tell(genomes, values)
    assert len(_members(algorithm)) == 10


def test_minimising_is_maximising_the_negative():
    def asked(up: bool) -> list[np.ndarray]:
        algorithm = GeneticAlgorithm(24, (up,), seed=8)
        out = []
        for _ in range(30):
            genomes = algorithm.ask()
            score = genomes[:, ::3].mean(axis=1, keepdims=True)
            algorithm.tell(genomes, score if up else -score)
            out.append(genomes)
        return out

    assert all((a == b).all() for a, b in zip(asked(True), asked(False), strict=True))


@pytest.mark.parametrize("selection", ["nam", "roulette"])
def test_genomes_of_700000_bits(selection):
    algorithm = GeneticAlgorithm(700_000, (True,), options=SearchOptions(selection=selection, crossover="one-point"))
    genomes, _ = _search(algorithm, lambda g: g[:, :1000].mean(axis=1, keepdims=True), 60)
    assert genomes.shape == (60, 700_000)
