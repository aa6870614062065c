"""What every algorithm keeps to: ask and tell by turns, determinism, replay, failed evaluations."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from pydantic import ValidationError

from evoprune.errors import ConfigError
from evoprune.search import ALGORITHMS, SearchOptions, create

LENGTH = 40
DIRECTIONS = {name: (True,) if name == "genetic" else (True, False) for name in ALGORITHMS}


def _values(genomes: np.ndarray, maximize: tuple[bool, ...]) -> np.ndarray:
    """More ones in the first half are better; fewer ones at all are better."""
    return np.column_stack([genomes[:, : LENGTH // 2].mean(axis=1), genomes.mean(axis=1)])[:, : len(maximize)]


def _run(algorithm, turns: int, values=_values) -> list[np.ndarray]:
    asked = []
    for _ in range(turns):
        genomes = algorithm.ask()
        asked.append(genomes)
        algorithm.tell(genomes, values(genomes, algorithm.maximize))
    return asked


def _equal(first: list[np.ndarray], second: list[np.ndarray]) -> bool:
    return len(first) == len(second) and all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


POPULATIONS = [name for name in ALGORITHMS if name != "guided"]
"""Searches that have a population; the guided one keeps all that it has learned, size by size."""


@pytest.fixture(params=ALGORITHMS)
def make(request):
    def build(seed: int = 3, **options):
        return create(
            request.param,
            length=LENGTH,
            maximize=DIRECTIONS[request.param],
            seed=seed,
            options=SearchOptions(**options),
        )

    return build


@pytest.mark.parametrize("make", POPULATIONS, indirect=True)
def test_first_ask_is_the_initial_population(make):
    genomes = make(population=12).ask()
    assert genomes.shape == (12, LENGTH)
    assert genomes.dtype == np.bool_


def test_same_seed_same_genomes_and_another_seed_others(make):
    assert _equal(_run(make(), 15), _run(make(), 15))
    assert not _equal(_run(make(), 15), _run(make(seed=4), 15))


def test_numpys_global_random_state_is_neither_used_nor_changed(make):
    np.random.seed(1)  # noqa: NPY002
    first = _run(make(), 15)
    np.random.seed(2)  # noqa: NPY002
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    assert _equal(first, _run(make(), 15))
    assert (np.random.get_state()[1] == state).all()  # noqa: NPY002


def test_replaying_stored_values_continues_the_run(make):
    whole = _run(make(), 20)
    replayed = make()
    for genomes in whole[:12]:
        assert np.array_equal(replayed.ask(), genomes)
        replayed.tell(genomes, _values(genomes, replayed.maximize))
    assert _equal(_run(replayed, 8), whole[12:])


def test_two_algorithms_side_by_side_do_not_disturb_each_other(make):
    alone = _run(make(), 10)
    first, second = make(), make(seed=9)
    asked = []
    for _ in range(10):
        asked += _run(first, 1)
        _run(second, 1)
    assert _equal(asked, alone)


def test_every_ask_needs_exactly_one_tell(make):
    algorithm = make()
    with pytest.raises(ConfigError, match=r"without ask\(\)"):
        algorithm.tell(np.zeros((1, LENGTH), dtype=np.bool_), np.zeros((1, len(algorithm.maximize))))
    genomes = algorithm.ask()
    with pytest.raises(ConfigError, match="twice in a row"):
        algorithm.ask()
    values = _values(genomes, algorithm.maximize)
    algorithm.tell(genomes, values)
    with pytest.raises(ConfigError, match=r"without ask\(\)"):
        algorithm.tell(genomes, values)


def test_other_genomes_or_shapes_are_refused_and_leave_the_algorithm_usable(make):
    algorithm = make()
    genomes = algorithm.ask()
    values = _values(genomes, algorithm.maximize)
    wrong = genomes.copy()
    wrong[0, 0] ^= True
    for other, its_values in [(wrong, values), (genomes[::-1], values), (genomes[:-1], values[:-1])]:
        with pytest.raises(ConfigError, match="same genomes in the same order"):
            algorithm.tell(other, its_values)
    for bad in (values[:-1], values[:, 0], np.column_stack([values, values])):
        with pytest.raises(ConfigError, match="objective values have shape"):
            algorithm.tell(genomes, bad)
    algorithm.tell(genomes, values)
    assert _equal(_run(algorithm, 5), _run(make(), 6)[1:])


def test_changing_the_asked_array_does_not_reach_the_algorithm(make):
    algorithm = make()
    genomes = algorithm.ask()
    genomes[:] = True
    with pytest.raises(ConfigError, match="same genomes"):
        algorithm.tell(genomes, _values(genomes, algorithm.maximize))


@pytest.mark.parametrize("make", POPULATIONS, indirect=True)
def test_when_everything_fails_new_individuals_keep_coming(make):
    asked = _run(make(population=6), 5, lambda genomes, maximize: np.full((len(genomes), len(maximize)), np.nan))
    assert all(genomes.shape == (6, LENGTH) for genomes in asked)
    assert not np.array_equal(asked[0], asked[1])


def test_a_failure_in_one_objective_is_a_failed_evaluation(make):
    def half_failed(genomes, maximize):
        values = _values(genomes, maximize)
        values[::2, -1] = np.nan
        return values

    asked = _run(make(), 30, half_failed)
    assert len(asked) == 30


@pytest.mark.parametrize("name", ALGORITHMS)
@pytest.mark.parametrize("length", [1, 2])
def test_a_space_smaller_than_the_population_does_not_stop_the_search(name, length):
    algorithm = create(name, length=length, maximize=DIRECTIONS[name])
    for _ in range(10):
        genomes = algorithm.ask()
        assert len(genomes) >= 1
        algorithm.tell(genomes, np.tile(genomes[:, :1], len(algorithm.maximize)).astype(float))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"name": "genetik"}, "did you mean 'genetic'"),
        ({"name": "xyz"}, "choose one of guided, genetic, nsga2, nsga3, spea2, random"),
        ({"length": 0}, "genome length 0"),
        ({"seed": -1}, "seed -1"),
        ({"maximize": ()}, "no direction is given"),
        ({"maximize": (True, False)}, "'genetic' takes one objective, but 2 are given.*'nsga2'"),
        ({"name": "nsga2"}, "'nsga2' takes two or more objectives.*'genetic'"),
        ({"name": "nsga3"}, "'nsga3' takes two or more objectives.*'genetic'"),
        ({"name": "spea2"}, "'spea2' takes two or more objectives.*'genetic'"),
        (
            {"name": "random", "options": SearchOptions(selection="roulette")},
            "selection='roulette' has no effect",
        ),
        ({"options": SearchOptions(offspring=4)}, "offspring=4 has no effect in search 'genetic'"),
    ],
)
def test_refusals(arguments, sentence):
    call = {"name": "genetic", "length": 8, "maximize": (True,)} | arguments
    with pytest.raises(ConfigError, match=sentence):
        create(call.pop("name"), **call)


@pytest.mark.parametrize(
    "setting",
    [
        {"population": 1},
        {"offspring": 0},
        {"mutation_probability": 1.5},
        {"mutation_probability": float("nan")},
        {"initial_density": (0.7, 0.3)},
        {"selection": "nma"},
        {"crossover": "two-point"},
        {"colour": "red"},
    ],
)
def test_options_out_of_range_are_refused_naming_the_field(setting):
    with pytest.raises(ValidationError, match=next(iter(setting))):
        SearchOptions(**setting)


def test_importing_the_room_does_not_import_pymoo_or_torch():
    heavy = ("pymoo", "torch", "scipy", "sklearn")
    code = f"import sys, evoprune.search; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", ["nsga2", "nsga3", "spea2"])
def test_nothing_is_printed_even_where_pymoo_is_not_compiled(name):
    code = (
        "import pymoo.functions; pymoo.functions.is_compiled = lambda: False; "
        f"from evoprune.search import create; a = create({name!r}, length=9, maximize=(True, True)); "
        "g = a.ask(); a.tell(g, g[:, :2].astype(float)); a.ask()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == ""
    assert done.stderr == ""
