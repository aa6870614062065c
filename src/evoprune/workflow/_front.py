"""The members of a front, as a tuple that a notebook shows as a table."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from evoprune._html import html_of

if TYPE_CHECKING:
    from evoprune.workflow._result import Solution


class Front(tuple["Solution", ...]):
    """The members of a result's front, by the first objective from its best.

    Args:
        members: in that order.
        summary: gives the result that they are of, as `Result.summary`; without it they are a plain tuple.
    """

    _summary: Callable[[], dict[str, Any]] | None

    def __new__(cls, members: Iterable[Solution], summary: Callable[[], dict[str, Any]] | None = None) -> Front:
        """The members; a tuple is made here rather than in `__init__`."""
        front = super().__new__(cls, members)
        front._summary = summary
        return front

    def _repr_html_(self) -> str | None:
        """What a notebook shows: the table of `evoprune front`."""
        from evoprune.report import front_table  # noqa: PLC0415

        return None if self._summary is None else html_of(front_table(self._summary()))
