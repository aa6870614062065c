"""What a search algorithm is: `ask` for genomes, `tell` it their values."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from typing import ClassVar

import numpy as np

from evoprune._types import BoolArray, FloatArray
from evoprune.errors import ConfigError


class Algorithm(ABC):
    """A search over genomes of L bits with M objectives, by turns of `ask` and `tell`.

    Every `ask` is answered by exactly one `tell` with the same genomes in the same order.
    An algorithm is deterministic: two instances with the same arguments, told the same
    values, ask the same genomes. A run is therefore continued by replaying its stored
    values, and no state is ever written.

    Asked genomes may be known ones, asked before; whether to evaluate them again or to look
    them up is the caller's business, and so is to stop when only known ones come.

    Attributes:
        length: L, the number of bits of a genome.
        maximize: the direction of each of the M objectives, True where larger is better.
        steady: whether it may also be asked while genomes are being evaluated, by `ask_one` and
            `tell_one`; one that works by generations may not.
    """

    steady: ClassVar[bool] = False

    def __init__(self, length: int, maximize: tuple[bool, ...], seed: int) -> None:
        """Check what all algorithms share.

        Args:
            length: L, at least 1.
            maximize: M directions, True where larger is better.
            seed: at least 0.

        Raises:
            ConfigError: one of them is out of range.
        """
        if length < 1:
            raise ConfigError(f"genome length {length} is out of range; give 1 bit or more")
        if not maximize:
            raise ConfigError("a search needs an objective, but no direction is given; give one for each objective")
        if seed < 0:
            raise ConfigError(f"seed {seed} is out of range; give 0 or a larger whole number")
        self.length = length
        self.maximize = tuple(maximize)
        self._asked: BoolArray | None = None
        self._queue: deque[BoolArray] = deque()

    def ask(self) -> BoolArray:
        """The genomes to evaluate next, `[P, L]` with P >= 1; P may differ between calls.

        Raises:
            ConfigError: the genomes asked before have not been told yet.
        """
        if self._asked is not None:
            raise ConfigError("ask() was called twice in a row; call tell() with the asked genomes first")
        self._asked = self._propose()
        return self._asked.copy()

    def tell(self, genomes: BoolArray, values: FloatArray) -> None:
        """Learn the objective values of the genomes that the last `ask` returned.

        Args:
            genomes: the asked genomes `[P, L]`, in the asked order.
            values: objective values `[P, M]` in their natural sign. A row with a value that is
                not finite (NaN) is a failed evaluation: it ranks worst and is never selected.

        Raises:
            ConfigError: nothing was asked, other genomes were asked, or the shape is wrong;
                the algorithm is unchanged and can still be told.
        """
        if self._asked is None:
            raise ConfigError("tell() was called without ask(); call ask() and evaluate what it returns first")
        if not np.array_equal(genomes, self._asked):
            raise ConfigError(
                f"tell() was given genomes {np.shape(genomes)} that are not those {self._asked.shape} "
                "of the last ask(); give the same genomes in the same order"
            )
        values = checked_values(values, len(self._asked), self.maximize)
        asked, self._asked = self._asked, None
        self._learn(asked, values)

    def ask_one(self) -> BoolArray:
        """One genome `[L]` to evaluate next, while those asked before may still be evaluated.

        What it is depends on the order of all calls of `ask_one` and `tell_one` so far, which is what a
        replay has to repeat. It may be a known genome, or one that is being evaluated.

        Raises:
            ConfigError: the algorithm works by generations.
        """
        self.require_steady()
        if not self._queue:
            self._queue.extend(self._propose())
        return self._queue.popleft()

    def tell_one(self, genome: BoolArray, values: FloatArray) -> None:
        """Learn the objective values `[M]` of a genome `[L]` that `ask_one` returned; NaN as for `tell`.

        Raises:
            ConfigError: the algorithm works by generations, or the shape is wrong.
        """
        self.require_steady()
        self._learn(genome[None], checked_values(np.asarray(values)[None], 1, self.maximize))

    def require_steady(self) -> None:
        """Refuse to be asked while genomes are being evaluated, where that cannot be.

        Raises:
            ConfigError: the algorithm works by generations.
        """
        if not self.steady:
            raise ConfigError(
                f"{type(self).__name__} works by generations, each of which waits for all values of the last, and "
                "cannot be asynchronous; leave --asynchronous out, or choose algorithm guided, genetic or random"
            )

    @abstractmethod
    def _propose(self) -> BoolArray:
        """The genomes of the next `ask`, `[P, L]`, an array of their own."""

    @abstractmethod
    def _learn(self, genomes: BoolArray, values: FloatArray) -> None:
        """Take in checked genomes `[P, L]` and values `[P, M]`."""


def checked_values(values: FloatArray, rows: int, maximize: tuple[bool, ...]) -> FloatArray:
    """Objective values as float64 `[P, M]`, after a check of their shape.

    Args:
        values: what should be `[P, M]`.
        rows: P, the number of genomes they belong to.
        maximize: M directions.

    Raises:
        ConfigError: the shape is another one.
    """
    values = np.asarray(values, dtype=np.float64)
    if values.shape != (rows, len(maximize)):
        raise ConfigError(
            f"objective values have shape {values.shape}; "
            f"{rows} genome(s) with {len(maximize)} objective(s) need {(rows, len(maximize))}"
        )
    return values


def succeeded(values: FloatArray) -> BoolArray:
    """Which rows `[P]` of the objective values `[P, M]` are finite, that is, not failed evaluations."""
    return np.asarray(np.isfinite(values).all(axis=1), dtype=np.bool_)
