"""A user's own objectives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from numbers import Real

import numpy as np

from evoprune.errors import ConfigError
from evoprune.objectives._evaluated import Evaluated, Objective
from evoprune.objectives._objectives import OBJECTIVES

_BUILT_IN = frozenset(OBJECTIVES)


def register_objective(
    name: str,
    compute: Callable[[Evaluated], float],
    *,
    maximize: bool,
    title: str | None = None,
    lower: float = -np.inf,
    upper: float = np.inf,
) -> Objective:
    """Make a function an objective that a study can name.

    A run keeps the name and the values, not the function. To continue it, register the same
    function first, then call `Study(..., output=...).run()` as before: a command that does
    not register it says that the objective is unknown. Evaluations that are stored already
    are not computed again, so a changed function wants a new run.

    Args:
        name: what studies and configurations call it, a Python identifier. A function can be
            registered again; one that was defined again under its name and in its module (a
            notebook's cell run twice) takes the place of the former.
        compute: from a trained candidate to its value, in its natural sign. Where a recipe has
            several training seeds it is called for each, and the values are averaged. NaN says
            that there is no value; the evaluation then counts as failed.
        maximize: True where more is better.
        title: what tables and figures show; the name by default.
        lower: smallest possible value.
        upper: largest possible value.

    Returns:
        The objective, which is in `OBJECTIVES` from now on.

    Raises:
        ConfigError: the name is no identifier, a built-in objective's or another function's;
            the bounds are in the wrong order. While a study runs: the function raised an
            error, or returned something that is no number.
    """
    if not name.isidentifier():
        raise ConfigError(f"{name!r} cannot name an objective; give letters, digits and _, such as worst_class")
    if name in _BUILT_IN:
        raise ConfigError(f"objective {name!r} is built in and cannot be replaced; give yours another name")
    former = OBJECTIVES.get(name)
    if former is not None and not (isinstance(former.compute, _Guarded) and _same(former.compute.function, compute)):
        raise ConfigError(f"objective {name!r} is registered with another function; give this one another name")
    if not lower < upper:
        raise ConfigError(f"objective {name!r} is bounded by {lower} and {upper}; give a lower bound below the upper")
    objective = Objective(name, title or name, maximize, lower, upper, _Guarded(name, compute))
    OBJECTIVES[name] = objective
    return objective


@dataclass(frozen=True)
class _Guarded:
    """A user's function, whose mistakes become one sentence."""

    name: str
    function: Callable[[Evaluated], float]

    def __call__(self, candidate: Evaluated) -> float:
        try:
            value: object = self.function(candidate)
        except Exception as error:
            raise ConfigError(
                f"objective {self.name!r} failed with {type(error).__name__}: {error}; "
                "mend the function that was given to register_objective"
            ) from error
        if isinstance(value, bool) or not isinstance(value, Real):
            raise ConfigError(
                f"objective {self.name!r} returned {value!r}, a {type(value).__name__}; "
                "return a number, or NaN where there is no value"
            )
        return float(value)


def _same(former: Callable[[Evaluated], float], new: Callable[[Evaluated], float]) -> bool:
    """Whether two functions are one, or the second is the first one's new definition."""
    if former is new:
        return True
    places = [(getattr(f, "__module__", None), getattr(f, "__qualname__", "<")) for f in (former, new)]
    # Functions without a name of their own (<lambda>, <locals>) cannot be told apart by it.
    return places[0] == places[1] and "<" not in places[0][1]
