"""What an executor is: who measures candidates while a study runs."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Protocol

from evoprune.features import Compute
from evoprune.problem import Workers


class Executor(Protocol):
    """Who measures candidates while a study runs; never part of what a run is."""

    @property
    def workers(self) -> Workers | None:
        """Given to a problem when it is made; None where the problem measures here."""

    @property
    def compute(self) -> Compute | None:
        """What puts images through a backbone; None for this process. See `features.extract`."""

    def running(self, feature_bytes: int) -> AbstractContextManager[None]:
        """Within it the workers are active.

        Args:
            feature_bytes: size of the features, for which room is made.
        """


class Here:
    """Measures in this process."""

    workers = None
    compute = None

    @contextlib.contextmanager
    def running(self, feature_bytes: int) -> Iterator[None]:
        """Nothing has to be started or ended."""
        yield
