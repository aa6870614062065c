"""A user's own objectives: named, guarded, and never in the way of the built-in ones."""

from __future__ import annotations

import numpy as np
import pytest

from evoprune.errors import ConfigError
from evoprune.objectives import OBJECTIVES, Evaluated, get_objectives, register_objective


@pytest.fixture(autouse=True)
def _table_as_it_was():
    before = dict(OBJECTIVES)
    yield
    OBJECTIVES.clear()
    OBJECTIVES.update(before)


def worst_class(candidate: Evaluated) -> float:
    """Accuracy of the worst class."""
    return min(
        float((logits[y == c].argmax(axis=1) == c).mean())
        for fold, y in zip(candidate.trained.logits, candidate.labels, strict=True)
        for logits in fold
        for c in np.unique(y)
    )


def test_a_registered_function_is_an_objective_like_any_other(trained, data):
    objective = register_objective("worst_class", worst_class, maximize=True, lower=0, upper=1)
    assert get_objectives(["accuracy", "worst_class"])[1] is objective
    assert (objective.title, objective.maximize, objective.lower, objective.upper) == ("worst_class", True, 0, 1)
    candidate = Evaluated(np.ones(12, dtype=bool), trained, data)
    assert objective.compute(candidate) == worst_class(candidate) < OBJECTIVES["accuracy"].compute(candidate)


def test_bounds_are_infinite_and_the_title_can_be_given():
    objective = register_objective("worst", worst_class, maximize=False, title="the worst")
    assert (objective.title, objective.lower, objective.upper) == ("the worst", -np.inf, np.inf)


def test_the_same_function_can_be_registered_again():
    register_objective("worst", worst_class, maximize=True)
    assert register_objective("worst", worst_class, maximize=False).maximize is False


def define(value):
    """As a notebook's cell does when it is run: a new function under the old name."""
    namespace = {"__name__": "__main__"}
    exec(f"def score(candidate):\n    return {value}", namespace)  # noqa: S102
    return namespace["score"]


def test_a_function_defined_again_takes_the_place_of_the_former(trained, data):
    register_objective("score", define(0.25), maximize=True)
    register_objective("score", define(0.75), maximize=True)
    assert OBJECTIVES["score"].compute(Evaluated(np.ones(12, dtype=bool), trained, data)) == 0.75


def test_a_name_that_is_taken_is_refused():
    register_objective("worst", worst_class, maximize=True)
    with pytest.raises(ConfigError, match="'worst' is registered with another function; give this one another name"):
        register_objective("worst", lambda candidate: 0.0, maximize=True)
    register_objective("nameless", lambda candidate: 0.0, maximize=True)
    with pytest.raises(ConfigError, match="is registered with another function"):
        register_objective("nameless", lambda candidate: 1.0, maximize=True)


@pytest.mark.parametrize("name", ["accuracy", "ood"])
def test_a_built_in_objective_cannot_be_replaced(name):
    built_in = OBJECTIVES[name]
    with pytest.raises(ConfigError, match=f"'{name}' is built in and cannot be replaced"):
        register_objective(name, built_in.compute, maximize=True)
    assert OBJECTIVES[name] is built_in


@pytest.mark.parametrize("name", ["", "worst class", "1st", "a,b", "worst-class"])
def test_a_name_that_is_no_identifier_is_refused(name):
    with pytest.raises(ConfigError, match="cannot name an objective; give letters"):
        register_objective(name, worst_class, maximize=True)


@pytest.mark.parametrize(("lower", "upper"), [(1, 0), (0, 0), (float("nan"), 1)])
def test_bounds_in_the_wrong_order_are_refused(lower, upper):
    with pytest.raises(ConfigError, match="give a lower bound below the upper"):
        register_objective("worst", worst_class, maximize=True, lower=lower, upper=upper)


def test_an_error_in_the_function_is_one_sentence_that_names_the_objective(trained, data):
    objective = register_objective("broken", lambda candidate: 1 / 0, maximize=True)
    with pytest.raises(ConfigError, match="objective 'broken' failed with ZeroDivisionError: division by zero; mend"):
        objective.compute(Evaluated(np.ones(12, dtype=bool), trained, data))


@pytest.mark.parametrize(
    ("value", "said"), [(None, "None, a NoneType"), ("0.5", "'0.5', a str"), (True, "True, a bool")]
)
def test_something_that_is_no_number_is_refused(trained, data, value, said):
    objective = register_objective("odd", lambda candidate: value, maximize=True)
    with pytest.raises(ConfigError, match=f"objective 'odd' returned {said}; return a number, or NaN"):
        objective.compute(Evaluated(np.ones(12, dtype=bool), trained, data))


@pytest.mark.parametrize("value", [1, np.float32(0.5), np.int64(3), 0.25, float("nan")])
def test_numbers_of_all_kinds_are_taken_nan_among_them(trained, data, value):
    objective = register_objective("fine", lambda candidate: value, maximize=True)
    computed = objective.compute(Evaluated(np.ones(12, dtype=bool), trained, data))
    assert type(computed) is float
    assert computed == value or np.isnan([computed, value]).all()
