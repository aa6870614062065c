"""NSGA-II against pymoo's own run of it."""

from __future__ import annotations

import numpy as np
import pytest
from pymoo.algorithms.moo import nsga2
from pymoo.core.problem import Problem
from pymoo.operators.crossover.ux import UniformCrossover
from pymoo.operators.mutation.bitflip import BitflipMutation
from pymoo.optimize import minimize

from evoprune.search import SearchOptions, create, non_dominated

LENGTH = 48
WEIGHTS = np.random.default_rng(11).random((LENGTH, 3))


def _natural(genomes: np.ndarray, objectives: int) -> np.ndarray:
    """A share to maximise, an active share to minimise, and another share to maximise."""
    gain = genomes @ WEIGHTS / WEIGHTS.sum(axis=0)
    return np.column_stack([gain[:, 0], genomes.mean(axis=1), gain[:, 1] * (1 - gain[:, 2])])[:, :objectives]


DIRECTIONS = (True, False, True)


class _Benchmark(Problem):
    def __init__(self, objectives: int) -> None:
        super().__init__(n_var=LENGTH, n_obj=objectives, xl=0, xu=1, vtype=bool)
        self.rows: list[np.ndarray] = []

    def _evaluate(self, x, out, *args, **kwargs):
        self.rows.append(x.astype(bool))
        sign = np.where(DIRECTIONS[: self.n_obj], -1.0, 1.0)
        out["F"] = _natural(x.astype(bool), self.n_obj) * sign


def _run(algorithm, turns: int, values) -> np.ndarray:
    asked = []
    for _ in range(turns):
        genomes = algorithm.ask()
        asked.append(genomes)
        algorithm.tell(genomes, values(genomes))
    return np.concatenate(asked)


@pytest.mark.parametrize("objectives", [2, 3])
@pytest.mark.parametrize("seed", [0, 7])
def test_equals_pymoos_own_run(objectives, seed):
    algorithm = create("nsga2", length=LENGTH, maximize=DIRECTIONS[:objectives], seed=seed)
    asked = _run(algorithm, 86, lambda genomes: _natural(genomes, objectives))
    assert len(asked) == 200

    problem = _Benchmark(objectives)
    oracle = nsga2.NSGA2(
        pop_size=30,
        n_offsprings=2,
        sampling=asked[:30],
        crossover=UniformCrossover(prob=1.0),
        mutation=BitflipMutation(),
    )
    result = minimize(problem, oracle, ("n_eval", 200), seed=seed)
    assert np.array_equal(np.concatenate(problem.rows), asked)

    # pymoo's front is that of its last population, which may have lost solutions to crowding.
    front = asked[non_dominated(_natural(asked, objectives), DIRECTIONS[:objectives])]
    ours = {g.tobytes() for g in algorithm._pymoo.opt.get("X")}
    assert ours == {g.tobytes() for g in result.X.astype(bool)}
    assert ours & {g.tobytes() for g in front}


def test_offspring_and_population_are_those_asked_for():
    options = SearchOptions(population=10, offspring=6)
    algorithm = create("nsga2", length=LENGTH, maximize=DIRECTIONS, options=options)
    asked = _run(algorithm, 4, lambda genomes: _natural(genomes, 3))
    assert len(asked) == 10 + 3 * 6
    assert len(np.unique(asked[10:], axis=0)) == 18


def test_turning_a_direction_with_its_sign_changes_nothing():
    first = create("nsga2", length=LENGTH, maximize=(True, False))
    second = create("nsga2", length=LENGTH, maximize=(False, False))
    sign = np.array([-1.0, 1.0])
    assert np.array_equal(_run(first, 20, lambda g: _natural(g, 2)), _run(second, 20, lambda g: _natural(g, 2) * sign))


def test_failed_evaluations_are_never_members():
    algorithm = create("nsga2", length=LENGTH, maximize=DIRECTIONS, seed=2)

    def fails_with_first_bit(genomes):
        values = _natural(genomes, 3)
        values[genomes[:, 0], 1] = np.nan
        return values

    with np.errstate(all="raise"):
        asked = _run(algorithm, 60, fails_with_first_bit)
    members = algorithm._pymoo.pop.get("X")
    assert asked[:30, 0].any()
    assert not members[:, 0].any()
    assert len(members) == 30
    # The first bit can only come back by mutation, with probability 1/48 a child.
    assert asked[30:, 0].mean() < 0.15


def test_search_goes_on_when_pymoo_would_stop():
    """All 8 genomes become members, so that no new child exists."""
    algorithm = create("nsga2", length=3, maximize=(True, True))
    asked = _run(algorithm, 40, lambda g: np.column_stack([g[:, 0], ~g[:, 0]]).astype(float))
    assert len(np.unique(asked, axis=0)) == 8
    members = algorithm._pymoo.pop.get("X")
    assert len(np.unique(members, axis=0)) == len(members) == 8


def test_evolves_a_better_front_than_random_search():
    from pymoo.indicators.hv import HV

    volume = HV(ref_point=np.array([0.0, 1.0]))

    def front_volume(name: str) -> float:
        algorithm = create(name, length=LENGTH, maximize=(True, False), seed=1)
        genomes = _run(algorithm, 10 if name == "random" else 136, lambda g: _natural(g, 2))
        assert len(genomes) == 300
        return float(volume(_natural(genomes, 2) * np.array([-1.0, 1.0])))

    assert front_volume("nsga2") > front_volume("random")


def test_genomes_of_100000_bits():
    algorithm = create("nsga2", length=100_000, maximize=(True, False))
    asked = _run(algorithm, 3, lambda g: np.column_stack([g[:, :500].mean(axis=1), g.mean(axis=1)]))
    assert asked.shape == (34, 100_000)
