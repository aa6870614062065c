"""The front that is explained: of a run, or of merged runs, with the genomes of its members."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from evoprune._types import BoolArray, FloatArray
from evoprune.errors import ConfigError, StorageError
from evoprune.report import FrontData
from evoprune.study import Store
from evoprune.workflow._merge import read_merged
from evoprune.workflow._run_folder import RunFolder
from evoprune.workflow._status import read_status


@dataclass(frozen=True, eq=False)
class ExplainedFront:
    """The members of a front.

    Attributes:
        folder: of the run or the merged runs.
        summary: its result as JSON object.
        members: P figures of members, as the summary has them.
        runs: the run that each member comes from `[P]`.
        genomes: bits `[P, L]`.
        chosen: row of the member that is explained unless another is asked for.
    """

    folder: Path
    summary: dict[str, Any]
    members: list[dict[str, Any]]
    runs: list[RunFolder]
    genomes: BoolArray
    chosen: int

    @property
    def objectives(self) -> list[str]:
        """Names of the M objectives."""
        return [objective["name"] for objective in self.summary["objectives"]]

    def row(self, number: int | None) -> int:
        """The row of the member with this number; of the chosen one for None.

        Raises:
            ConfigError: there is none, or there are several.
        """
        if number is None:
            return self.chosen
        rows = [row for row, member in enumerate(self.members) if member["id"] == number]
        if len(rows) == 1:
            return rows[0]
        if rows:
            run = shlex.quote(str(self.runs[rows[0]].path))
            raise ConfigError(
                f"{len(rows)} members of {self.folder} have the number {number}; explain the run of one: "
                f"evoprune explain {run} --member {number}"
            )
        numbers = ", ".join(str(n) for n in sorted({member["id"] for member in self.members}))
        raise ConfigError(f"evaluation {number} is not on the front of {self.folder}; its members are {numbers}")

    def data(self) -> FrontData:
        """The front as the figures take it; it needs two objectives."""
        objectives = self.summary["objectives"]
        return FrontData(
            names=tuple(self.objectives),
            titles=tuple(objective["title"] for objective in objectives),
            maximize=tuple(objective["maximize"] for objective in objectives),
            values=self._figures("values"),
            validation=self._figures("validation"),
            test=self._figures("test"),
            genomes=self.genomes,
            ids=np.array([member["id"] for member in self.members]),
            dense=None,
            dense_validation=None,
            protocol=self.summary["protocol"],
        )

    def shown(self) -> FloatArray:
        """Objectives of the members `[P, M]` on the part that the search looked at: means over seeds, else its own."""
        measured = self._figures("test" if self.summary["protocol"] == "paper" else "validation")
        return np.where(np.isfinite(measured), measured, self._figures("values"))

    def _figures(self, part: str) -> FloatArray:
        return np.array([[m[part].get(name) for name in self.objectives] for m in self.members], dtype=np.float64)


def read_front(folder: Path) -> ExplainedFront:
    """The front in a folder of a run or of merged runs.

    Raises:
        StorageError: there is none, it is not finished or damaged, or a merged run is not there any more.
        ConfigError: a configuration is damaged.
    """
    merged = read_merged(folder)
    if merged is not None:
        members = merged["front"]
        runs = [_merged_run(folder, str(member["run"])) for member in members]
        return ExplainedFront(folder, merged, members, runs, _genomes(runs, members), 0)
    run = RunFolder(folder)
    status = read_status(run)
    if status.summary is None:
        raise StorageError(
            f"{folder} has {status.evaluations} of {status.budget} evaluations and no result yet; "
            f"continue with: evoprune resume {shlex.quote(str(folder))}"
        )
    members = status.summary["front"]
    chosen = [member["id"] for member in members].index(status.summary["best"]["id"])
    runs = [run] * len(members)
    return ExplainedFront(folder, status.summary, members, runs, _genomes(runs, members), chosen)


def _merged_run(folder: Path, named: str) -> RunFolder:
    """A run that was merged: where it was, or beside the merged front, as `--runs` lays them."""
    for path in (Path(named), folder.parent / Path(named).name):
        if (path / "study.sqlite").is_file():
            return RunFolder(path)
    raise StorageError(
        f"{folder} was merged from {named}, which is not there any more; put that run back, or merge again"
    )


def _genomes(runs: list[RunFolder], members: list[dict[str, Any]]) -> BoolArray:
    known: dict[Path, dict[int, BoolArray]] = {}
    for run in runs:
        if run.path not in known:
            store = Store(run.store)
            try:
                known[run.path] = {evaluation.id: evaluation.genome for evaluation in store.evaluations()}
            finally:
                store.close()
    try:
        return np.stack([known[run.path][member["id"]] for run, member in zip(runs, members, strict=True)])
    except KeyError as error:
        raise StorageError(
            f"evaluation {error} is on a front, but not in its run's study; make the run again"
        ) from error
