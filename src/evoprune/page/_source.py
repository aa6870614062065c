"""What a page is made from: a run, finished or not, or a merged front, read without being changed."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from evoprune._types import BoolArray, FloatArray
from evoprune.objectives import OBJECTIVES
from evoprune.page._kept import KEPT, whole
from evoprune.search import non_dominated
from evoprune.study import Evaluation, Store
from evoprune.workflow import RunConfig, RunFolder, read_front, read_merged, read_status


@dataclass(frozen=True, eq=False)
class Source:
    """A run or a merged front as it lies on disk.

    Attributes:
        folder: where it lies.
        summary: its result as JSON object, or None before it has one.
        protocol: `nested` or `paper`.
        encoding: what the bits of a genome mean.
        objectives: `name`, `title` and `maximize` of each.
        members: figures of the members of its front, as a summary has them; before there is a summary
            they have `id`, `active_neurons`, `active_share` and `values` alone.
        genomes: theirs `[P, L]`.
        config: its settings; None for a merged front.
        budget: evaluations when it is complete; 0 for a merged front.
        evaluations: all that are finished; none of a merged front.
        kept: further results of its store by name.
    """

    folder: Path
    summary: Mapping[str, Any] | None
    protocol: str
    encoding: str
    objectives: list[dict[str, Any]]
    members: list[dict[str, Any]]
    genomes: BoolArray
    config: RunConfig | None = None
    budget: int = 0
    evaluations: tuple[Evaluation, ...] = ()
    kept: Mapping[str, Any] = field(default_factory=dict)

    @property
    def values(self) -> FloatArray:
        """Objective values of all evaluations `[E, M]`, NaN where one failed."""
        return np.array([e.values for e in self.evaluations]).reshape(-1, len(self.objectives))

    @property
    def chosen(self) -> int | None:
        """Number of the chosen member's evaluation, where one is chosen."""
        return None if self.summary is None or "best" not in self.summary else int(self.summary["best"]["id"])

    @property
    def noun(self) -> str:
        """What the rows of the data are called."""
        return "images" if self.config is not None and self.config.kind in ("images", "published") else "rows"


def read_source(folder: Path) -> Source:
    """Read a run or a merged front; another process may be writing to it.

    Raises:
        StorageError: there is none, or it is damaged.
        ConfigError: its configuration is damaged.
    """
    if read_merged(folder) is not None:
        front = read_front(folder)
        return Source(
            folder,
            front.summary,
            front.summary["protocol"],
            front.summary["encoding"],
            front.summary["objectives"],
            front.members,
            front.genomes,
        )
    return _read_run(RunFolder(folder))


def _read_run(run: RunFolder) -> Source:
    status = read_status(run)
    config = run.existing_config()
    objectives = [_objective(name) for name in config.objectives]
    evaluations: tuple[Evaluation, ...] = ()
    kept: dict[str, Any] = {}
    if run.store.is_file():
        with closing(Store(run.store)) as store:
            evaluations = tuple(store.evaluations())
            kept = {name: whole(name, store.result(name)) for name in KEPT}
    summary = status.summary
    # It may have been extended between the two looks.
    if summary is not None and summary["evaluations"] == len(evaluations):
        by_id = {evaluation.id: evaluation.genome for evaluation in evaluations}
        members = [member for member in summary["front"] if member["id"] in by_id]
        genomes = [by_id[member["id"]] for member in members]
        objectives = summary["objectives"]
    else:
        summary = None
        front = _front_so_far(evaluations, tuple(o["maximize"] for o in objectives))
        members = [_member(evaluation, config.objectives) for evaluation in front]
        genomes = [evaluation.genome for evaluation in front]
    return Source(
        run.path,
        summary,
        config.protocol,
        config.encoding,
        objectives,
        members,
        np.stack(genomes) if genomes else np.zeros((0, 0), dtype=np.bool_),
        config,
        status.budget,
        evaluations,
        kept,
    )


def _objective(name: str) -> dict[str, Any]:
    """Name, title and direction; one that a program registered is known by its name alone here."""
    known = OBJECTIVES.get(name)
    return {
        "name": name,
        "title": name if known is None else known.title,
        "maximize": True if known is None else known.maximize,
    }


def _front_so_far(evaluations: tuple[Evaluation, ...], maximize: tuple[bool, ...]) -> list[Evaluation]:
    """What no evaluation so far dominates, from the first objective's best on."""
    complete = [e for e in evaluations if e.state == "complete"]
    if not complete:
        return []
    rows = np.flatnonzero(non_dominated(np.stack([e.values for e in complete]), maximize))
    sign = -1.0 if maximize[0] else 1.0
    front = sorted((complete[row] for row in rows), key=lambda e: (sign * e.values[0], int(e.genome.sum())))
    return front if len(maximize) > 1 else front[:1]


def _member(evaluation: Evaluation, names: tuple[str, ...]) -> dict[str, Any]:
    return {
        "id": evaluation.id,
        "active_neurons": int(evaluation.genome.sum()),
        "active_share": float(evaluation.genome.mean()),
        "values": dict(zip(names, evaluation.values.tolist(), strict=True)),
    }
