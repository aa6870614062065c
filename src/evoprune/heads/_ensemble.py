"""Several heads on the same features that vote on the class."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, TypeAlias, get_args

import numpy as np

from evoprune._types import Float32Array, FloatArray, IntArray
from evoprune.errors import ConfigError
from evoprune.heads._compact import CompactHead

Vote: TypeAlias = Literal["soft", "majority"]
"""How members are heard: by the mean of their probabilities, or by the class that each finds most probable."""

TIE_WEIGHT = 1 / 16
"""What the soft vote counts in a majority vote, in votes: less than one, so that it only decides between ties."""

SHARE_FLOOR = 1e-30
"""Smallest class share whose logarithm is taken: about -69, where a share of 0 would give minus infinity."""


def soft_vote(probabilities: FloatArray, votes: IntArray | None = None) -> FloatArray:
    """Mean of the members' class probabilities.

    Args:
        probabilities: of K members `[K, N, C]`, each row summing to 1.
        votes: how often each member counts `[K]`, once by default.

    Returns:
        Shares of the classes `[N, C]`, each row summing to 1; NaN where a member has NaN.

    Raises:
        ConfigError: there is no member, or the votes do not fit.
    """
    weights = _weights(probabilities, votes)
    shares: FloatArray = np.einsum("k,knc->nc", weights, probabilities) / weights.sum()
    return shares


def majority_vote(probabilities: FloatArray, votes: IntArray | None = None) -> FloatArray:
    """Shares of the members' votes, each member voting for its most probable class (of equal ones the first).

    Classes with equally many votes are ordered by the soft vote, which counts as 1/16 of a vote: far too little to
    change any other order, and by so little shares differ from those of the votes alone.

    Args:
        probabilities: of K members `[K, N, C]`, each row summing to 1.
        votes: how often each member counts `[K]`, once by default.

    Returns:
        Shares of the classes `[N, C]`, each row summing to 1; NaN where a member has NaN.

    Raises:
        ConfigError: there is no member, or the votes do not fit.
    """
    weights = _weights(probabilities, votes)
    counted = np.einsum("k,knc->nc", weights, ballots(probabilities))
    summed = np.einsum("k,knc->nc", weights, probabilities)
    return counted_shares(counted, summed, weights.sum())


def ballots(probabilities: FloatArray) -> FloatArray:
    """A 1 at the most probable class of each row (of equal ones the first), 0 elsewhere, `[..., C]`."""
    cast: FloatArray = np.eye(probabilities.shape[-1])[probabilities.argmax(axis=-1)]
    return cast


def counted_shares(counted: FloatArray, summed: FloatArray, voters: float) -> FloatArray:
    """Shares of a majority vote `[N, C]` from sums over its members.

    Args:
        counted: ballots for each class `[N, C]`.
        summed: probabilities of each class `[N, C]`.
        voters: number of members.
    """
    return (counted + TIE_WEIGHT * summed / voters) / (voters + TIE_WEIGHT)


VOTES: dict[str, Callable[[FloatArray, IntArray | None], FloatArray]] = {"soft": soft_vote, "majority": majority_vote}
"""Votes by name."""


def probabilities_of(logits: Float32Array) -> FloatArray:
    """Softmax of logits `[..., C]` over the last axis; NaN where a logit is not finite."""
    exact = logits.astype(np.float64)
    with np.errstate(invalid="ignore"):
        exponentials = np.exp(exact - exact.max(axis=-1, keepdims=True))
    normalised: FloatArray = exponentials / exponentials.sum(axis=-1, keepdims=True)
    return normalised


@dataclass(frozen=True, eq=False)
class EnsembleHead:
    """Several compact heads that vote; a model takes it in the place of one.

    A member that is given twice votes twice, and is computed, counted and stored once (`distinct`).

    Attributes:
        members: K heads on the same features, for the same classes.
        vote: `soft` for the mean of their probabilities, `majority` for the shares of their votes, with ties
            broken by the soft vote (`majority_vote`).

    Raises:
        ConfigError: there is no member, they do not fit together, or the vote is unknown.
    """

    members: tuple[CompactHead, ...]
    vote: Vote = "soft"

    def __post_init__(self) -> None:
        if not self.members:
            raise ConfigError("an ensemble without members cannot vote; give one head or more")
        if self.vote not in get_args(Vote):
            raise ConfigError(f"vote {self.vote!r} is unknown; choose 'soft' or 'majority'")
        shapes = {(head.width, head.classes) for head in self.members}
        if len(shapes) > 1:
            raise ConfigError(
                f"the members of an ensemble differ in their numbers of features and classes ({sorted(shapes)}); "
                "give heads that were made for the same data"
            )

    @property
    def width(self) -> int:
        """D, number of features the heads are given."""
        return self.members[0].width

    @property
    def classes(self) -> int:
        """C, the number of classes."""
        return self.members[0].classes

    @cached_property
    def inputs(self) -> IntArray:
        """Numbers of the features that any member reads, ascending."""
        read: IntArray = np.unique(np.concatenate([head.inputs for head, _ in self.distinct]))
        return read

    @cached_property
    def distinct(self) -> tuple[tuple[CompactHead, int], ...]:
        """The members that differ, in their order, and how many votes each has."""
        found: dict[tuple[object, ...], tuple[CompactHead, int]] = {}
        for head in self.members:
            key = _contents(head)
            first, votes = found.get(key, (head, 0))
            found[key] = first, votes + 1
        return tuple(found.values())

    @property
    def parameters(self) -> int:
        """Weights that exist, plus biases, of the members that differ."""
        return sum(head.parameters for head, _ in self.distinct)

    @property
    def multiply_adds(self) -> int:
        """Multiply-adds of one image's pass through the members that differ."""
        return sum(head.multiply_adds for head, _ in self.distinct)

    def check(self, X: Float32Array) -> None:
        """Refuse what are no features `[N, D]` of these heads.

        Raises:
            DataError: the features have another width.
        """
        self.members[0].check(X)

    def member_logits(self, X: Float32Array) -> Float32Array:
        """Logits `[J, N, C]` of features `[N, D]`, of the J members that differ.

        Raises:
            DataError: the features have another width.
        """
        return np.stack([head.logits(X) for head, _ in self.distinct])

    def logits(self, X: Float32Array) -> Float32Array:
        """Logarithms of the class shares of the vote `[N, C]`, of features `[N, D]`; their softmax are the shares.

        A share below 1e-30 counts as that, so that no logit is infinite.

        Raises:
            DataError: the features have another width.
        """
        votes = np.array([number for _, number in self.distinct], dtype=np.int64)
        shares = VOTES[self.vote](probabilities_of(self.member_logits(X)), votes)
        return log_shares(shares)


def log_shares(shares: FloatArray) -> Float32Array:
    """Logits whose softmax are the shares `[..., C]`: their logarithms, of those below 1e-30 that of 1e-30."""
    return np.log(np.maximum(shares, SHARE_FLOOR)).astype(np.float32)


def _weights(probabilities: FloatArray, votes: IntArray | None) -> FloatArray:
    """How often each member counts `[K]`, checked."""
    if probabilities.ndim != 3 or not len(probabilities):
        raise ConfigError(f"probabilities of shape {probabilities.shape} are of no members; give [K, N, C] with K >= 1")
    weights = np.ones(len(probabilities)) if votes is None else np.asarray(votes, dtype=np.float64)
    if weights.shape != (len(probabilities),) or (weights < 0).any() or not weights.sum():
        raise ConfigError(
            f"votes of shape {weights.shape} do not fit {len(probabilities)} members; "
            "give each 0 or more, and one at least one"
        )
    return weights


def _contents(head: CompactHead) -> tuple[object, ...]:
    """What two heads have in common that give the same logits by the same arithmetic."""
    arrays = (head.inputs, *head.matrices, *head.biases)
    return tuple(None if array is None else (array.shape, array.tobytes()) for array in arrays)
