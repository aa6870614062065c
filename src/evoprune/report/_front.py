"""A front as the figures take it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evoprune._types import BoolArray, FloatArray, IntArray
from evoprune.errors import ConfigError


@dataclass(frozen=True, eq=False)
class FrontData:
    """The members of a front, with all that the figures show of them. Values are in their natural sign.

    Attributes:
        names: M names of objectives, as the user types them.
        titles: M titles, as figures show them.
        maximize: M directions, True where larger is better.
        values: what the search saw, `[P, M]`.
        validation: means over seeds on the validation part, `[P, M]`; NaN where one could not be had.
        test: means over seeds on the test part, `[P, M]`; NaN where one could not be had.
        genomes: bits `[P, L]`.
        ids: numbers of the evaluations `[P]`.
        dense: the head that is not pruned on the test part, `[M]`.
        dense_validation: the same head on the validation part, `[M]`.
        protocol: `nested`, or `paper`: then the search saw the test part, and nothing was held out.
        chosen: row of the member that was chosen.
        everything: what the search saw of all evaluations, `[E, M]`; those with a value that is not finite failed.

    Raises:
        ConfigError: no member, fewer than two objectives, shapes that do not fit, values that are not finite, or a
            `chosen` that is no row.
    """

    names: tuple[str, ...]
    titles: tuple[str, ...]
    maximize: tuple[bool, ...]
    values: FloatArray
    validation: FloatArray | None
    test: FloatArray | None
    genomes: BoolArray
    ids: IntArray
    dense: FloatArray | None
    dense_validation: FloatArray | None
    protocol: str
    chosen: int | None = None
    everything: FloatArray | None = None

    def __post_init__(self) -> None:
        members, objectives = len(self.ids), len(self.names)
        if objectives < 2:
            raise ConfigError(f"a front of {objectives} objective(s) has no trade-off to draw; give two or more")
        if not members:
            raise ConfigError("a front without members cannot be drawn; give one or more")
        wanted = {
            "titles": (objectives,),
            "maximize": (objectives,),
            "values": (members, objectives),
            "validation": (members, objectives),
            "test": (members, objectives),
            "genomes": (members, None),
            "dense": (objectives,),
            "dense_validation": (objectives,),
            "everything": (None, objectives),
        }
        for name, shape in wanted.items():
            if (given := getattr(self, name)) is None:
                continue
            found = np.shape(given)
            fits = len(found) == len(shape) and all(
                want in (None, size) for want, size in zip(shape, found, strict=True)
            )
            if not fits:
                expected = ", ".join("any" if size is None else str(size) for size in shape)
                raise ConfigError(
                    f"{name} of a front of {members} member(s) and {objectives} objectives has the shape "
                    f"{list(found)}; give [{expected}]"
                )
        if not np.isfinite(self.values).all():
            raise ConfigError("a member of the front has a value that is not finite; give evaluations that succeeded")
        if self.chosen is not None and not 0 <= self.chosen < members:
            raise ConfigError(f"the front has no member {self.chosen} to choose; give a row from 0 to {members - 1}")

    @property
    def part(self) -> str:
        """The part of the images that `shown` was measured on: `validation`, or `test` in the paper protocol."""
        return "test" if self.protocol == "paper" else "validation"

    @property
    def shown(self) -> FloatArray:
        """Values of the members `[P, M]` on that part: means over seeds, else what the search saw."""
        measured = self.test if self.protocol == "paper" else self.validation
        if measured is None:
            return self.values
        return np.where(np.isfinite(measured).all(axis=1, keepdims=True), measured, self.values)

    @property
    def dense_shown(self) -> FloatArray:
        """The head that is not pruned on that part: a row `[1, M]`, or none `[0, M]`."""
        return self._row(self.dense if self.protocol == "paper" else self.dense_validation)

    @property
    def held_out(self) -> FloatArray | None:
        """Values of the members `[P, M]` on the test part, NaN where there are none; None if there are none at all.

        In the paper protocol nothing is held out: the test part is the one that was searched on.
        """
        if self.protocol == "paper" or self.test is None or not np.isfinite(self.test).all(axis=1).any():
            return None
        return self.test

    @property
    def dense_held_out(self) -> FloatArray:
        """The head that is not pruned on the test part, if that is held out: a row `[1, M]`, or none `[0, M]`."""
        return self._row(None if self.protocol == "paper" else self.dense)

    def _row(self, values: FloatArray | None) -> FloatArray:
        if values is None or not np.isfinite(values).all():
            return np.empty((0, len(self.names)))
        return values[None]
