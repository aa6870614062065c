"""NSGA-II, NSGA-III and SPEA2 against pymoo's own runs of them."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
from pymoo.algorithms.moo import nsga2, nsga3, spea2
from pymoo.core.problem import Problem
from pymoo.indicators.hv import HV
from pymoo.operators.crossover.ux import UniformCrossover
from pymoo.operators.mutation.bitflip import BitflipMutation
from pymoo.optimize import minimize
from pymoo.util.ref_dirs import get_reference_directions

from evoprune.search import SearchOptions, create, non_dominated
from evoprune.search._nsga3 import reference_directions

LENGTH = 48
WEIGHTS = np.random.default_rng(11).random((LENGTH, 3))
NAMES = ("nsga2", "nsga3", "spea2")
DIRECTIONS = (True, False, True)


def _natural(genomes: np.ndarray, objectives: int) -> np.ndarray:
    """A share to maximise, an active share to minimise, and another share to maximise."""
    gain = genomes @ WEIGHTS / WEIGHTS.sum(axis=0)
    return np.column_stack([gain[:, 0], genomes.mean(axis=1), gain[:, 1] * (1 - gain[:, 2])])[:, :objectives]


class _Benchmark(Problem):
    def __init__(self, objectives: int) -> None:
        super().__init__(n_var=LENGTH, n_obj=objectives, xl=0, xu=1, vtype=bool)
        self.rows: list[np.ndarray] = []

    def _evaluate(self, x, out, *args, **kwargs):
        self.rows.append(x.astype(bool))
        sign = np.where(DIRECTIONS[: self.n_obj], -1.0, 1.0)
        out["F"] = _natural(x.astype(bool), self.n_obj) * sign


def _oracle(name: str, objectives: int, initial: np.ndarray, offspring: int):
    common = {
        "pop_size": len(initial),
        "n_offsprings": offspring,
        "sampling": initial,
        "crossover": UniformCrossover(prob=1.0),
        "mutation": BitflipMutation(),
    }
    if name == "nsga3":
        # For 30 members: 30 directions of 2 objectives, 28 of 3.
        partitions = {2: 29, 3: 6}[objectives]
        return nsga3.NSGA3(get_reference_directions("das-dennis", objectives, n_partitions=partitions), **common)
    return {"nsga2": nsga2.NSGA2, "spea2": spea2.SPEA2}[name](**common)


def _run(algorithm, turns: int, values) -> np.ndarray:
    asked = []
    for _ in range(turns):
        genomes = algorithm.ask()
        asked.append(genomes)
        algorithm.tell(genomes, values(genomes))
    return np.concatenate(asked)


def _set(genomes: np.ndarray) -> set[bytes]:
    return {genome.tobytes() for genome in genomes.astype(bool)}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("objectives", [2, 3])
@pytest.mark.parametrize("seed", [0, 7])
@pytest.mark.parametrize("offspring", [2, 10])
def test_equals_pymoos_own_run(name, objectives, seed, offspring):
    options = SearchOptions(offspring=offspring)
    algorithm = create(name, length=LENGTH, maximize=DIRECTIONS[:objectives], seed=seed, options=options)
    asked = _run(algorithm, 1 + 170 // offspring, lambda genomes: _natural(genomes, objectives))
    assert len(asked) == 200

    problem = _Benchmark(objectives)
    oracle = _oracle(name, objectives, asked[:30], offspring)
    with warnings.catch_warnings():
        result = minimize(problem, oracle, ("n_eval", 200), seed=seed)
    assert np.array_equal(np.concatenate(problem.rows), asked)

    # pymoo's front is that of its last population, which may have lost solutions to crowding.
    front = asked[non_dominated(_natural(asked, objectives), DIRECTIONS[:objectives])]
    ours = _set(algorithm._pymoo.opt.get("X"))
    assert ours == _set(result.X)
    assert _set(algorithm._pymoo.pop.get("X")) == _set(result.pop.get("X"))
    assert ours & _set(front)


@pytest.mark.parametrize("name", NAMES)
def test_offspring_and_population_are_those_asked_for(name):
    options = SearchOptions(population=10, offspring=6)
    algorithm = create(name, length=LENGTH, maximize=DIRECTIONS, options=options)
    asked = _run(algorithm, 4, lambda genomes: _natural(genomes, 3))
    assert len(asked) == 10 + 3 * 6
    assert len(np.unique(asked[10:], axis=0)) == 18
    assert len(algorithm._pymoo.pop) == 10


@pytest.mark.parametrize("name", NAMES)
def test_turning_a_direction_with_its_sign_changes_nothing(name):
    first = create(name, length=LENGTH, maximize=(True, False))
    second = create(name, length=LENGTH, maximize=(False, False))
    sign = np.array([-1.0, 1.0])
    assert np.array_equal(_run(first, 20, lambda g: _natural(g, 2)), _run(second, 20, lambda g: _natural(g, 2) * sign))


@pytest.mark.parametrize("name", NAMES)
def test_failed_evaluations_are_never_members(name):
    algorithm = create(name, length=LENGTH, maximize=DIRECTIONS, seed=2)

    def fails_with_first_bit(genomes):
        values = _natural(genomes, 3)
        values[genomes[:, 0], 1] = np.nan
        return values

    with np.errstate(all="raise"):
        asked = _run(algorithm, 60, fails_with_first_bit)
    members = algorithm._pymoo.pop
    assert asked[:30, 0].any()
    assert not members.get("X")[:, 0].any()
    assert np.isfinite(members.get("F")).all()
    assert len(members) == 30
    # The first bit can only come back by mutation, with probability 1/48 a child.
    assert asked[30:, 0].mean() < 0.15


@pytest.mark.parametrize("name", NAMES)
def test_search_goes_on_from_a_single_member(name):
    """All initial individuals but one fail, and the population fills up from there."""
    algorithm = create(name, length=LENGTH, maximize=DIRECTIONS)
    genomes = algorithm.ask()
    values = _natural(genomes, 3)
    values[1:] = np.nan
    with np.errstate(all="raise"):
        algorithm.tell(genomes, values)
        _run(algorithm, 60, lambda g: _natural(g, 3))
    assert len(algorithm._pymoo.pop) == 30


@pytest.mark.parametrize("name", NAMES)
def test_search_goes_on_when_pymoo_would_stop(name):
    """All 8 genomes become members, so that no new child exists."""
    algorithm = create(name, length=3, maximize=(True, True))
    asked = _run(algorithm, 40, lambda g: np.column_stack([g[:, 0], ~g[:, 0]]).astype(float))
    assert len(np.unique(asked, axis=0)) == 8
    members = algorithm._pymoo.pop.get("X")
    assert len(np.unique(members, axis=0)) == len(members) == 8


def _front_volume(name: str, values) -> float:
    """Hypervolume of what 300 evaluations find, by the first two objectives."""
    algorithm = create(name, length=LENGTH, maximize=DIRECTIONS[: values(np.zeros((1, LENGTH))).shape[1]], seed=1)
    genomes = _run(algorithm, 10 if name == "random" else 136, values)
    assert len(genomes) == 300
    volume = HV(ref_point=np.array([0.0, 1.0]))
    return float(volume(_natural(genomes, 2) * np.array([-1.0, 1.0])))


@pytest.mark.parametrize("name", NAMES)
def test_evolves_a_better_front_than_random_search(name):
    def values(genomes):
        return _natural(genomes, 2)

    assert _front_volume(name, values) > _front_volume("random", values)


@pytest.mark.parametrize("name", NAMES)
def test_an_objective_with_one_value_leaves_the_others_their_say(name):
    """Such as the accuracy of an easy task; distances and fitness stay numbers."""

    def values(genomes):
        return np.column_stack([_natural(genomes, 2), np.full(len(genomes), 0.5)])

    with np.errstate(all="raise"):
        assert _front_volume(name, values) > _front_volume("random", values)


@pytest.mark.parametrize("name", NAMES)
def test_genomes_of_100000_bits(name):
    algorithm = create(name, length=100_000, maximize=(True, False))
    asked = _run(algorithm, 3, lambda g: np.column_stack([g[:, :500].mean(axis=1), g.mean(axis=1)]))
    assert asked.shape == (34, 100_000)


def _several(genomes: np.ndarray, objectives: int) -> np.ndarray:
    """The shares of ones in as many stretches, the last of them with a price: the share of all ones."""
    shares = np.column_stack([stretch.mean(axis=1) for stretch in np.array_split(genomes, objectives, axis=1)])
    shares[:, -1] -= genomes.mean(axis=1)
    return shares


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("objectives", [2, 3, 4, 5])
@pytest.mark.parametrize("population", [2, 3, 7, 30])
def test_any_number_of_objectives_and_small_populations(name, objectives, population, capsys):
    def search() -> np.ndarray:
        options = SearchOptions(population=population)
        algorithm = create(name, length=LENGTH, maximize=(True,) * objectives, options=options)
        asked = _run(algorithm, 30, lambda genomes: _several(genomes, objectives))
        assert len(algorithm._pymoo.pop) == population
        return asked

    with np.errstate(all="raise"):
        first = search()
    assert np.array_equal(first, search())
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("name", NAMES)
def test_warnings_of_the_process_stay_on(name):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        _run(create(name, length=LENGTH, maximize=DIRECTIONS), 20, lambda g: _natural(g, 3))
        warnings.warn("still heard", stacklevel=1)
    assert [str(warning.message) for warning in caught] == ["still heard"]


@pytest.mark.parametrize("objectives", [2, 3, 4, 5, 8])
@pytest.mark.parametrize("population", [2, 5, 30, 100])
def test_reference_directions_are_the_finest_grid_with_one_for_each_member(objectives, population):
    # Das and Dennis: p partitions give (M + p - 1) over p directions.
    sizes = [math.comb(objectives + partitions - 1, partitions) for partitions in range(population)]
    directions = reference_directions(objectives, population)
    assert len(directions) == max(size for size in sizes if size <= population)
    assert np.allclose(directions.sum(axis=1), 1)
    assert len(np.unique(directions, axis=0)) == len(directions)


def test_fewer_members_than_objectives_have_the_middle_direction():
    assert reference_directions(5, 3).tolist() == [[0.2] * 5]
