"""What a guided search asks of its guide."""

from __future__ import annotations

from typing import Protocol

from evoprune._types import BoolArray, FloatArray


class Guide(Protocol):
    """Says which bits are worth having, from the training rows; the same each time it is asked."""

    def scores(self) -> FloatArray:
        """Importance of each bit by several sources `[S, L]`, higher is more important."""

    def recombine(self, pools: BoolArray, count: int, seed: int) -> BoolArray:
        """Children `[K, L]` with `count` ones each, out of K pools `[K, L]` with equally many ones."""
