"""How many processor threads a fit uses."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from evoprune.errors import ConfigError
from evoprune.sklearn._sizes import is_whole


@contextmanager
def threads(n_jobs: int | None) -> Iterator[None]:
    """Within the block, torch uses `n_jobs` threads; afterwards as many as before.

    Args:
        n_jobs: number of threads; -1 for all processors, -2 for all but one, ..; None to leave it
            as it is.

    Raises:
        ConfigError: it is 0, or not a whole number.
    """
    if n_jobs is None:
        yield
        return
    if not is_whole(n_jobs) or n_jobs == 0:
        raise ConfigError(f"n_jobs={n_jobs!r} is not possible; give a number of threads, -1 for all, or None")
    before = torch.get_num_threads()
    torch.set_num_threads(int(n_jobs) if n_jobs > 0 else max(1, (os.cpu_count() or 1) + 1 + int(n_jobs)))
    try:
        yield
    finally:
        torch.set_num_threads(before)
