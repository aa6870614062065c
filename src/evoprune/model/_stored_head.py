"""A head as a file holds it: 32-bit, 16-bit or 8-bit weights, one member or several that vote."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from evoprune._types import Float32Array, IntArray
from evoprune.heads import CompactHead, EnsembleHead, Vote

_MOST = 1 << 48
"""Beyond any number of features or connections."""

_MOST_VOTES = 100_000
"""Votes of an ensemble; its members are repeated in memory as often as they vote."""

AnyHead: TypeAlias = CompactHead | EnsembleHead
"""What a model classifies features with."""

Numbers: TypeAlias = Literal["float32", "float16", "int8"]
"""In what a file holds the weights of a head."""


@dataclass(frozen=True, eq=False)
class StoredMatrix:
    """A matrix of weights `[inputs, outputs]`.

    Attributes:
        values: float32, float16 or int8.
        scale: of each column `[outputs]`, float32; for int8 alone.
        row_scale: of each row `[inputs]`, float32; for int8 alone, None for a scale of columns only.
    """

    values: NDArray[Any]
    scale: Float32Array | None = None
    row_scale: Float32Array | None = None

    @property
    def weights(self) -> Float32Array:
        """The weights that the numbers stand for, float32."""
        plain: Float32Array = self.values.astype(np.float32)
        if self.scale is not None:
            plain = plain * self.scale
        return plain if self.row_scale is None else plain * self.row_scale[:, None]


@dataclass(frozen=True, eq=False)
class StoredMember:
    """One compact head.

    Attributes:
        inputs: numbers of the features that are read `[d]`, ascending.
        matrices: `[d, h1]`, .., `[h, C]`.
        biases: one array `[outputs]` a matrix, float32, or None where the layer has none.
        connections: number of connections that exist in each matrix.
        votes: how often it votes in an ensemble.
    """

    inputs: IntArray
    matrices: tuple[StoredMatrix, ...]
    biases: tuple[Float32Array | None, ...]
    connections: tuple[int, ...]
    votes: int = 1


@dataclass(frozen=True, eq=False)
class StoredHead:
    """A head with its numbers as a file holds them.

    Attributes:
        width: D, number of features it is given.
        members: the heads that differ; one, or those that vote.
        vote: how members vote; None for a single head that does not.
    """

    width: int
    members: tuple[StoredMember, ...]
    vote: Vote | None = None

    @property
    def classes(self) -> int:
        """C, the number of classes."""
        return int(self.members[0].matrices[-1].values.shape[1])

    @property
    def hidden(self) -> int:
        """h, units of the last hidden layer of the first member, 1 where it has none."""
        return max(1, int(self.members[0].matrices[-1].values.shape[0]))

    def head(self) -> AnyHead:
        """The head that computes with these numbers.

        Raises:
            ConfigError: the members do not fit together.
        """
        heads = [
            CompactHead(m.inputs, self.width, tuple(w.weights for w in m.matrices), m.biases, m.connections)
            for m in self.members
        ]
        if self.vote is None:
            return heads[0]
        repeated = (head for head, m in zip(heads, self.members, strict=True) for _ in range(m.votes))
        return EnsembleHead(tuple(repeated), self.vote)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The arrays by name: `inputs`, `matrix.0`, `scale.0`, `rows.0`, `bias.0`, ..

        In an ensemble after `member.0.` and so on.
        """
        arrays: dict[str, NDArray[Any]] = {}
        for number, member in enumerate(self.members):
            prefix = "" if self.vote is None else f"member.{number}."
            arrays[f"{prefix}inputs"] = member.inputs
            for i, (matrix, bias) in enumerate(zip(member.matrices, member.biases, strict=True)):
                arrays[f"{prefix}matrix.{i}"] = matrix.values
                if matrix.scale is not None:
                    arrays[f"{prefix}scale.{i}"] = matrix.scale
                if matrix.row_scale is not None:
                    arrays[f"{prefix}rows.{i}"] = matrix.row_scale
                if bias is not None:
                    arrays[f"{prefix}bias.{i}"] = bias
        return arrays

    def facts(self) -> dict[str, Any]:
        """What the arrays do not say, for JSON."""
        if self.vote is None:
            return {"width": self.width, "connections": self.members[0].connections}
        members = [{"connections": m.connections, "votes": m.votes} for m in self.members]
        return {"width": self.width, "vote": self.vote, "members": members}


def store_head(head: AnyHead, numbers: Numbers = "float32") -> StoredHead:
    """A head with its matrices in these numbers; biases stay 32-bit.

    int8 is symmetric, with a scale for each row and each column. Rows differ by orders of magnitude, since
    standardisation divides each by the spread of its feature: scales of columns alone cost points of accuracy.
    """
    heads = head.distinct if isinstance(head, EnsembleHead) else ((head, 1),)
    members = tuple(
        StoredMember(h.inputs, tuple(_matrix(m, numbers) for m in h.matrices), h.biases, h.connections, votes)
        for h, votes in heads
    )
    return StoredHead(head.width, members, head.vote if isinstance(head, EnsembleHead) else None)


def _matrix(matrix: Float32Array, numbers: Numbers) -> StoredMatrix:
    if numbers != "int8":
        # What does not fit becomes infinite, quietly; who stores it looks.
        with np.errstate(over="ignore"):
            return StoredMatrix(matrix.astype(numbers))
    rows = _scale(np.abs(matrix).max(axis=1, initial=0))
    evened = matrix / rows[:, None]
    columns = _scale(np.abs(evened).max(axis=0, initial=0) / 127)
    return StoredMatrix(np.rint(evened / columns).clip(-127, 127).astype(np.int8), columns, rows)


def _scale(largest: Float32Array) -> Float32Array:
    """What rows or columns are divided by; 1 for those of zeros."""
    scale: Float32Array = np.where(largest > 0, largest, 1).astype(np.float32)
    return scale


def read_head(arrays: Mapping[str, NDArray[Any]], facts: Mapping[str, Any]) -> StoredHead:
    """A head from its arrays and facts.

    Raises:
        KeyError, TypeError, ValueError: something is missing, or does not fit together.
    """
    width = _count(facts["width"])
    vote = facts.get("vote")
    if vote is None:
        return StoredHead(width, (_member(arrays, "", width, facts["connections"], 1),))
    if vote not in get_args(Vote):
        raise ValueError(f"the vote {vote!r} is unknown")
    members = tuple(
        _member(arrays, f"member.{number}.", width, fact["connections"], _count(fact["votes"]))
        for number, fact in enumerate(facts["members"])
    )
    votes = [member.votes for member in members]
    if not votes or len({m.matrices[-1].values.shape[1] for m in members}) > 1 or min(votes) < 1:
        raise ValueError("its members do not fit together")
    if sum(votes) > _MOST_VOTES:
        raise ValueError(f"it has {sum(votes):,} votes, more than any ensemble")
    return StoredHead(width, members, vote)


def _member(
    arrays: Mapping[str, NDArray[Any]], prefix: str, width: int, connections: list[int], votes: int
) -> StoredMember:
    layers = range(sum(name.startswith(f"{prefix}matrix.") for name in arrays))
    member = StoredMember(
        arrays[f"{prefix}inputs"],
        tuple(
            StoredMatrix(
                arrays[f"{prefix}matrix.{i}"], arrays.get(f"{prefix}scale.{i}"), arrays.get(f"{prefix}rows.{i}")
            )
            for i in layers
        ),
        tuple(arrays.get(f"{prefix}bias.{i}") for i in layers),
        tuple(map(_count, connections)),
        votes,
    )
    if not _fits(member, width):
        raise ValueError("its arrays do not fit together")
    return member


def _count(value: Any) -> int:
    if type(value) is not int or not 0 <= value < _MOST:
        raise ValueError(f"{value!r:.40} is no number of anything")
    return value


def _fits(member: StoredMember, width: int) -> bool:
    """Whether the arrays of a head can be multiplied one after the other."""
    inputs, matrices = member.inputs, [matrix.values for matrix in member.matrices]
    if not matrices or inputs.ndim != 1 or inputs.dtype != np.int64:
        return False
    if any(matrix.ndim != 2 for matrix in matrices) or len(member.connections) != len(matrices):
        return False
    if inputs.size and not 0 <= inputs.min() <= inputs.max() < width:
        return False
    known = all(map(_is_known, member.matrices))
    sizes = (inputs.size, *(matrix.shape[1] for matrix in matrices))
    return known and all(
        matrix.shape[0] == size and (bias is None or _is_vector(bias, matrix.shape[1]))
        for matrix, bias, size in zip(matrices, member.biases, sizes, strict=False)
    )


def _is_known(matrix: StoredMatrix) -> bool:
    """Whether the numbers of a matrix and its scales go together."""
    values, columns, rows = matrix.values, matrix.scale, matrix.row_scale
    if str(values.dtype) in ("float32", "float16"):
        return columns is None and rows is None
    scaled = values.dtype == np.int8 and columns is not None and _is_vector(columns, values.shape[1])
    return scaled and (rows is None or _is_vector(rows, values.shape[0]))


def _is_vector(array: NDArray[Any], size: int) -> bool:
    return array.shape == (size,) and array.dtype == np.float32
