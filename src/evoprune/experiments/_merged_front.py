"""The merged front of several runs, from the rows of the tidy table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evoprune._types import BoolArray, FloatArray
from evoprune.experiments._tasks import Row
from evoprune.objectives import get_objectives
from evoprune.report import FrontData
from evoprune.search import merge_fronts

_SEARCH = "search_"


@dataclass(frozen=True, eq=False)
class MergedFront:
    """What no evaluation of several runs dominates.

    Attributes:
        data: the members, from the most accurate on, as the figures take them.
        test: their values on the test part `[P, M]`.
        dense: the head that is not pruned on the test part `[M]`, mean over runs.
        everything: what the searches saw of all evaluations `[E, M]`; NaN where one failed.
        runs: of each run its own front: values in the search `[p, M]` and on the test part `[p, M]`.
        wanted: how many runs there should be.
    """

    data: FrontData
    test: FloatArray
    dense: FloatArray
    everything: FloatArray
    runs: tuple[tuple[FloatArray, FloatArray], ...]
    wanted: int

    @classmethod
    def of(cls, rows: Sequence[Row], wanted: int) -> MergedFront:
        """Merge the runs of one data set and search.

        Args:
            rows: of all their evaluations.
            wanted: how many runs there should be.
        """
        names = tuple(column.removeprefix(_SEARCH) for column in rows[0] if column.startswith(_SEARCH))
        objectives = get_objectives(names)
        maximize = tuple(objective.maximize for objective in objectives)
        seeds = sorted({int(row["seed"]) for row in rows})
        runs = [[row for row in rows if row["seed"] == seed and row["id"]] for seed in seeds]
        values = [_values(run, names, "search") for run in runs]
        members = [runs[n][r] for n, r in zip(*merge_fronts(values, maximize), strict=True)]
        members.sort(key=lambda row: (-row["search_accuracy"], row["active_neurons"]))
        # All runs share their rows, so that the full head of each is another training of the same.
        dense = [row for row in rows if not row["id"]]
        test, everything = _values(members, names, "test"), np.concatenate(values)
        dense_test, dense_validation = (_values(dense, names, part).mean(axis=0) for part in ("test", "validation"))
        data = FrontData(
            names=names,
            titles=tuple(objective.title for objective in objectives),
            maximize=maximize,
            values=_values(members, names, "search"),
            validation=_values(members, names, "validation"),
            test=test,
            genomes=np.stack([unpacked(row["genome"], row["length"]) for row in members]),
            ids=np.array([row["id"] for row in members]),
            dense=dense_test,
            dense_validation=dense_validation,
            protocol=str(rows[0]["protocol"]),
            everything=everything,
        )
        fronts = [[row for row in run if "genome" in row] for run in runs]
        own = tuple((_values(front, names, "search"), _values(front, names, "test")) for front in fronts)
        return cls(data, test, dense_test, everything, own, wanted)


def packed(genome: BoolArray) -> str:
    """Bits `[L]` as text: eight to a byte, first bit highest, hexadecimal."""
    return np.packbits(genome).tobytes().hex()


def unpacked(text: str, length: int) -> BoolArray:
    """The bits `[L]` that `packed` has written."""
    bits = np.unpackbits(np.frombuffer(bytes.fromhex(text), dtype=np.uint8), count=length)
    return bits.astype(np.bool_)


def _values(rows: Sequence[Row], names: Sequence[str], part: str) -> FloatArray:
    """Values `[P, M]` of some rows; NaN where there are none."""
    cells = [[row.get(f"{part}_{name}") for name in names] for row in rows]
    return np.array(cells, dtype=np.float64).reshape(len(rows), len(names))
