"""Conditions on objectives, as in "active<=10%, accuracy>=0.9"."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from difflib import get_close_matches

import numpy as np

from evoprune._types import BoolArray, FloatArray
from evoprune.errors import ConfigError

_COMPARISONS = {"<=": operator.le, ">=": operator.ge, "<": operator.lt, ">": operator.gt}
_BETWEEN = re.compile(r",|\sand\s", re.IGNORECASE)
_CONDITION = re.compile(
    r"(?P<name>[^\s<>=]+)\s*(?P<operator><=|>=|<|>)\s*"
    r"(?P<bound>[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d{1,4})?)\s*(?P<percent>%?)",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Condition:
    """A bound on one objective.

    Attributes:
        name: of the objective.
        operator: `<=`, `>=`, `<` or `>`; the objective's value stands on its left.
        bound: a finite number, in the unit and the natural sign of the objective.

    Raises:
        ConfigError: the operator is another one, or the bound is not finite.
    """

    name: str
    operator: str
    bound: float

    def __post_init__(self) -> None:
        if self.operator not in _COMPARISONS:
            raise ConfigError(
                f"operator '{self.operator}' of the condition on {self.name} is unknown; "
                f"choose one of {', '.join(_COMPARISONS)}"
            )
        if not math.isfinite(self.bound):
            raise ConfigError(f"bound {self.bound} of the condition on {self.name} is out of range; give a number")


def parse_conditions(text: str, names: Sequence[str]) -> tuple[Condition, ...]:
    """Read conditions such as "active<=0.1, accuracy>=90%".

    Args:
        text: one condition or more, with commas or `and` between them; each is a name, one of
            `<=`, `>=`, `<`, `>`, and a number, where a percent sign divides it by 100.
        names: the objectives that exist.

    Returns:
        The conditions in their order.

    Raises:
        ConfigError: a name is unknown, or a part cannot be read.
    """
    return tuple(_parse(part.strip(), names) for part in _BETWEEN.split(text))


def satisfying(values: Mapping[str, FloatArray], conditions: Sequence[Condition]) -> BoolArray:
    """Which rows satisfy all conditions.

    Args:
        values: the values `[P]` of each objective by its name, in natural sign.
        conditions: none are satisfied by every row; a value that is not finite (a failed
            evaluation) satisfies none.

    Returns:
        `[P]`, True where all are satisfied.

    Raises:
        ConfigError: a condition's objective has no values, or the objectives have not the same
            number of values.
    """
    columns = {name: np.asarray(column, dtype=np.float64) for name, column in values.items()}
    if len({column.shape for column in columns.values()}) != 1:
        raise ConfigError(
            f"the values of the objectives ({', '.join(columns) or 'none'}) are not equally many; "
            "give one or more columns of the same length"
        )
    satisfied = np.ones(len(next(iter(columns.values()))), dtype=np.bool_)
    for condition in conditions:
        _check_name(condition.name, tuple(columns))
        column = columns[condition.name]
        satisfied &= np.isfinite(column) & _COMPARISONS[condition.operator](column, condition.bound)
    return satisfied


def _parse(part: str, names: Sequence[str]) -> Condition:
    match = _CONDITION.fullmatch(part)
    if match is None:
        raise ConfigError(
            f"condition '{part}' cannot be read; write a name, one of {', '.join(_COMPARISONS)} and a number, "
            "with commas between conditions, as in 'active<=10%, accuracy>=0.9'"
        )
    _check_name(match["name"], names)
    # Divided in decimal, so that 0.7% is the very number that 0.007 is.
    bound = Decimal(match["bound"]) / (100 if match["percent"] else 1)
    return Condition(match["name"], match["operator"], float(bound))


def _check_name(name: str, names: Sequence[str]) -> None:
    if name not in names:
        nearest = get_close_matches(name, names, n=1)
        hint = f"did you mean '{nearest[0]}'? There are" if nearest else "choose one of"
        raise ConfigError(f"condition on '{name}', which is no objective here; {hint} {', '.join(names)}")
