"""Callbacks of a search that want to hear what comes out of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from evoprune.study import Callback
from evoprune.workflow._result import Result


@runtime_checkable
class HearsResult(Protocol):
    """What a search callback may be besides: one that is told the result."""

    def on_result(self, result: Result) -> None:
        """Called once at the end, after the result is stored; it cannot be changed any more."""


def told(result: Result, callbacks: Sequence[Callback]) -> Result:
    """The result, after those callbacks that want to hear of it were told."""
    for callback in callbacks:
        if isinstance(callback, HearsResult):
            callback.on_result(result)
    return result
