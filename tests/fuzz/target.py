"""A kind of input, and going on after a refusal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypothesis.strategies import SearchStrategy

from evoprune.errors import EvoPruneError

from .guard import GROWTH


@dataclass(frozen=True)
class Target:
    """One kind of input.

    Attributes:
        name: what the table calls it.
        inputs: where they come from.
        read: does with an input, in a folder that is its own, what a command does.
        share: of all inputs; the others' shares are in the same unit.
        allowed: events of Python's audit, otherwise forbidden, that reading takes.
        growth: bytes that one input may take.
    """

    name: str
    inputs: SearchStrategy[Any]
    read: Callable[[Any, Path], object]
    share: int
    allowed: tuple[str, ...] = ()
    growth: int = GROWTH


def or_sentence(read: Callable[[], object]) -> None:
    """Go on after a refusal: another reader sees the same input."""
    try:
        read()
    except EvoPruneError:
        return
