"""Choosing a member of a run's front by what validation says of it."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from evoprune._types import BoolArray, FloatArray
from evoprune.errors import ConfigError
from evoprune.objectives import OBJECTIVES, get_objectives
from evoprune.search import knee, parse_conditions, satisfying, weighted

SIZES = ("active_neurons", "active_share", "parameters", "multiply_adds")
"""Figures of a member that conditions may name beside the measured ones."""


@dataclass(frozen=True)
class Choice:
    """How to choose a member of a front; of `number`, `knee`, `best` and `weights` at most one.

    Attributes:
        number: of its evaluation.
        knee: where any gain begins to cost much.
        best: the best in this figure.
        weights: the best weighted sum of the objectives, by name, scaled over the front.
        where: conditions that it has to satisfy, such as `active<=0.1`.
    """

    number: int | None = None
    knee: bool = False
    best: str | None = None
    weights: Mapping[str, float] | None = None
    where: str | None = None

    def __post_init__(self) -> None:
        ways = (self.number is not None, self.knee, self.best is not None, self.weights is not None)
        if sum(ways) > 1:
            raise ConfigError("several ways to choose are given; give one of --id, --knee, --max, --min and --weights")
        if self.number is not None and self.where is not None:
            raise ConfigError(f"--where does not go with --id {self.number}, which names a member; leave one out")
        if not any(ways) and self.where is None:
            raise ConfigError(
                "nothing says which member to choose; give --knee, --max NAME, --weights, --where or --id"
            )


def choose(summary: Mapping[str, Any], choice: Choice) -> tuple[int, str]:
    """The member of a front that a choice means, and the choice in words.

    Members are compared by their means on the validation part (under the `paper` protocol, on
    the test part), never by what is kept for the report.

    Args:
        summary: as `Result.summary` gives it.
        choice: how to choose.

    Returns:
        The number of its evaluation; and words for tables.

    Raises:
        ConfigError: a name is unknown, or no member satisfies the conditions.
    """
    members = summary["front"]
    names = [objective["name"] for objective in summary["objectives"]]
    if choice.number is not None:
        numbers = [member["id"] for member in members]
        if choice.number not in numbers:
            raise ConfigError(
                f"evaluation {choice.number} is not on the front of {summary['run']}; "
                f"its members are {', '.join(map(str, sorted(numbers)))}"
            )
        return choice.number, "by its number"
    rows = np.arange(len(members))
    said = ""
    if choice.where is not None:
        rows = np.flatnonzero(_allowed(members, choice.where))
        said = f" where {choice.where}"
        if not len(rows):
            raise ConfigError(
                f"no member of the front of {summary['run']} satisfies {choice.where!r} on the validation part; "
                "`evoprune front` shows what there is"
            )
    values = np.array([[_number(members[r]["validation"].get(name)) for name in names] for r in rows])
    maximize = tuple(objective["maximize"] for objective in summary["objectives"])
    if choice.knee:
        return int(members[rows[_of_finite(values, maximize, None)]]["id"]), f"knee of the front{said}"
    if choice.weights is not None:
        weights = _weights(choice.weights, names)
        words = ", ".join(f"{name} {weight:g}" for name, weight in choice.weights.items())
        return int(members[rows[_of_finite(values, maximize, weights)]]["id"]), f"weights {words}{said}"
    name = choice.best or names[0]
    larger = _direction(name, members)
    figures = np.array([_figure(members[r], name) for r in rows])
    # Ties go to the smaller head.
    active = np.array([members[r]["active_neurons"] for r in rows])
    order = np.lexsort((active, -figures if larger else figures))
    return int(members[rows[order[0]]]["id"]), f"{'highest' if larger else 'lowest'} {name}{said}"


def _of_finite(values: FloatArray, maximize: tuple[bool, ...], weights: Sequence[float] | None) -> int:
    """Row of the knee or the best weighted sum among the rows without NaN."""
    rows = np.flatnonzero(np.isfinite(values).all(axis=1))
    if not len(rows):
        raise ConfigError("no member of the front has all its figures; choose one with --id")
    found = knee(values[rows], maximize) if weights is None else weighted(values[rows], maximize, weights)
    return int(rows[found])


def _allowed(members: Sequence[Mapping[str, Any]], where: str) -> BoolArray:
    names = _names(members)
    conditions = parse_conditions(where, names)
    for condition in conditions:
        known = OBJECTIVES.get(condition.name)
        share = condition.name == "active_share" or (known is not None and (known.lower, known.upper) == (0.0, 1.0))
        if share and not 0 <= condition.bound <= 1:
            raise ConfigError(
                f"{condition.name} lies between 0 and 1, so {condition.name}{condition.operator}{condition.bound:g} "
                f"says nothing; did you mean {condition.bound:g}%?"
            )
    return satisfying({name: np.array([_figure(m, name) for m in members]) for name in names}, conditions)


def _names(members: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*members[0]["validation"], "active", *SIZES)))


def _figure(member: Mapping[str, Any], name: str) -> float:
    if name == "active":
        return float(member["active_share"])
    return _number(member[name] if name in SIZES else member["validation"].get(name))


def _number(value: float | None) -> float:
    return np.nan if value is None else float(value)


def _direction(name: str, members: Sequence[Mapping[str, Any]]) -> bool:
    """Whether larger is better."""
    names = _names(members)
    if name not in names:
        near = difflib.get_close_matches(name, names, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise ConfigError(f"{name!r} is no figure of this front; {hint}choose among {', '.join(names)}")
    if name in SIZES:
        return False
    return get_objectives((name,))[0].maximize


def _weights(weights: Mapping[str, float], names: Sequence[str]) -> list[float]:
    unknown = [name for name in weights if name not in names]
    if unknown:
        raise ConfigError(f"weight of {unknown[0]!r}, which is no objective of this run; its are {', '.join(names)}")
    return [float(weights.get(name, 0.0)) for name in names]
