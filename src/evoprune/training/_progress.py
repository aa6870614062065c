"""Progress of trainings that are done in several parts."""

from __future__ import annotations

from collections.abc import Callable


def shifted(
    on_progress: Callable[[int, int], None] | None, before: int, total: int
) -> Callable[[int, int], None] | None:
    """The progress of one part of the trainings, told as progress of all of them."""
    return None if on_progress is None else lambda done, _: on_progress(before + done, total)
