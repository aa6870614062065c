"""What is known of single connections out of the features: how important the feature is that each one reads.

Which hidden unit a connection leads to says nothing before the training, for hidden units are all alike then. So
connections are drawn at random, those of important features more often than others.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from evoprune._types import BoolArray, FloatArray

TILTS = (1.0, 2.0, 4.0)
"""How much more often connections of the most important feature are drawn than those of the least, as natural
logarithms; one draw after the other takes the next."""

_DRAWS, _CHILDREN = range(2)


class Scores(Protocol):
    """Says how important features are."""

    def scores(self) -> FloatArray:
        """Importance of each feature by several sources `[S, D]`, higher is more important."""


class ConnectionGuide:
    """Scores of connections drawn by the importance of their feature, and connections recombined at random.

    A score is the logarithm of the rate at which a connection is drawn plus Gumbel noise, so that the highest are a
    draw without replacement (Kool, van Hoof, Welling, 2019, arXiv 1903.06059). Deterministic in the arguments.

    Args:
        features: which features are important.
        units: hidden units that each feature is connected to.
        seed: of all that is drawn.
    """

    def __init__(self, features: Scores, units: int, seed: int = 0) -> None:
        self._features = features
        self._units = units
        self._seed = seed

    def scores(self) -> FloatArray:
        """Importance of each connection in several draws `[S, D * h]`, higher is more important.

        Connections are in the order of a genome: those of the first feature to all units come first.
        """
        drawn = np.random.default_rng([self._seed, _DRAWS])
        found = []
        for number, scores in enumerate(self._features.scores()):
            places = np.empty(scores.size)
            places[np.argsort(-scores, kind="stable")] = np.arange(scores.size) / scores.size
            rates = -TILTS[number % len(TILTS)] * places
            found.append((rates[:, None] + drawn.gumbel(size=(scores.size, self._units))).ravel())
        return np.stack(found)

    def recombine(self, pools: BoolArray, count: int, seed: int) -> BoolArray:
        """`count` connections of each pool, drawn at random.

        Args:
            pools: K pools `[K, D * h]`, each of at least `count` connections.
            count: size of the children.
            seed: of this draw.

        Returns:
            Children `[K, D * h]` with `count` connections each, all of their pool.
        """
        drawn = np.random.default_rng([self._seed, _CHILDREN, seed])
        children = np.zeros_like(pools)
        for child, pool in zip(children, pools, strict=True):
            child[drawn.permutation(np.flatnonzero(pool))[:count]] = True
        return children
