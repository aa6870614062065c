"""Conditions on objectives."""

from __future__ import annotations

import operator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evoprune.errors import ConfigError
from evoprune.search import Condition, parse_conditions, satisfying

NAMES = ("accuracy", "active", "parameters")
NAN = float("nan")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("active<=0.1", [("active", "<=", 0.1)]),
        ("active <= 0.1, accuracy >= 0.9", [("active", "<=", 0.1), ("accuracy", ">=", 0.9)]),
        ("active<10% and accuracy>90 %", [("active", "<", 0.1), ("accuracy", ">", 0.9)]),
        ("active<0.7%", [("active", "<", 0.007)]),
        ("  parameters>1e3 AND parameters<1.5E+06 ", [("parameters", ">", 1000.0), ("parameters", "<", 1.5e6)]),
        ("accuracy>=.5,active<1.", [("accuracy", ">=", 0.5), ("active", "<", 1.0)]),
        ("accuracy>-1,accuracy<+2", [("accuracy", ">", -1.0), ("accuracy", "<", 2.0)]),
    ],
)
def test_what_can_be_read(text, expected):
    assert parse_conditions(text, NAMES) == tuple(Condition(*parts) for parts in expected)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", ""),
        ("active<=0.1,", ""),
        ("active=0.1", "active=0.1"),
        ("active==0.1", "active==0.1"),
        ("active=<0.1", "active=<0.1"),
        ("accuracy>0.9, active", "active"),
        ("accuracy>=0,9", "9"),
        ("active<=", "active<="),
        ("<=0.1", "<=0.1"),
        ("active<=much", "active<=much"),
        ("active<=nan", "active<=nan"),
        ("0.1>active", "0.1>active"),
        ("0<active<1", "0<active<1"),
        ("active<=0.1 or accuracy>1", "active<=0.1 or accuracy>1"),
        ("active<=1_0", "active<=1_0"),
        ("active<=1e99999999999999999999", "active<=1e99999999999999999999"),
    ],
)
def test_a_part_that_cannot_be_read_is_named(text, part):
    with pytest.raises(ConfigError) as caught:
        parse_conditions(text, NAMES)
    assert str(caught.value).startswith(f"condition '{part}' cannot be read; write a name")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("acuracy>=0.9", "'acuracy', which is no objective here; did you mean 'accuracy'"),
        ("xyz>=0.9", "'xyz', which is no objective here; choose one of accuracy, active, parameters"),
        ("active<1e999", "bound inf of the condition on active is out of range"),
    ],
)
def test_refusals_of_names_and_numbers(text, sentence):
    with pytest.raises(ConfigError, match=sentence):
        parse_conditions(text, NAMES)


@settings(deadline=None)
@given(
    rows=st.lists(st.tuples(*[st.sampled_from([0.0, 0.1, 0.5, 0.9, NAN])] * 2), max_size=8),
    bounds=st.tuples(*[st.sampled_from([0.0, 0.1, 0.5, 1.0])] * 2),
    signs=st.tuples(*[st.sampled_from(["<=", ">=", "<", ">"])] * 2),
)
def test_rows_that_satisfy_equal_brute_force(rows, bounds, signs):
    compare = {"<=": operator.le, ">=": operator.ge, "<": operator.lt, ">": operator.gt}
    text = f"accuracy{signs[0]}{bounds[0]} and active{signs[1]}{bounds[1]}"
    table = np.array(rows).reshape(len(rows), 2)
    values = {"accuracy": table[:, 0], "active": table[:, 1], "parameters": np.full(len(rows), NAN)}
    expected = [all(compare[s](x, b) for x, b, s in zip(row, bounds, signs, strict=True)) for row in rows]
    satisfied = satisfying(values, parse_conditions(text, NAMES))
    assert satisfied.dtype == np.bool_
    assert satisfied.tolist() == expected


def test_infinite_values_are_failures_and_no_condition_is_satisfied_by_all():
    values = {"accuracy": np.array([0.5, np.inf, NAN])}
    assert satisfying(values, [Condition("accuracy", ">", 0.0)]).tolist() == [True, False, False]
    assert satisfying(values, []).tolist() == [True, True, True]


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: Condition("active", "=", 0.1), "operator '=' of the condition on active is unknown"),
        (lambda: Condition("active", "<", NAN), "bound nan"),
        (lambda: satisfying({"active": np.zeros(2)}, [Condition("activ", "<", 1.0)]), "did you mean 'active'"),
        (lambda: satisfying({"active": np.zeros(2), "accuracy": np.zeros(3)}, []), "not equally many"),
        (lambda: satisfying({}, []), r"\(none\)"),
    ],
)
def test_refusals(call, sentence):
    with pytest.raises(ConfigError, match=sentence):
        call()
