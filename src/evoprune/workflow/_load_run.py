"""A finished run, opened to read: nothing in its folder is changed, and nothing is computed."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from evoprune._types import BoolArray
from evoprune.backbones import load_backbone
from evoprune.errors import StorageError
from evoprune.model import Model
from evoprune.objectives import get_objectives
from evoprune.search import hypervolume_trace
from evoprune.study import Store, damaged
from evoprune.workflow._conclusion import random_masks
from evoprune.workflow._config import RunConfig
from evoprune.workflow._front import Front
from evoprune.workflow._result import Hypervolume, Overfitting, Result, Scores, Solution
from evoprune.workflow._run import make_study
from evoprune.workflow._run_folder import RunFolder
from evoprune.workflow._status import read_status


@dataclass(frozen=True)
class Run:
    """A finished run.

    Attributes:
        folder: where it lies.
        config: its settings.
        result: what came out of it.
    """

    folder: Path
    config: RunConfig
    result: Result

    @property
    def front(self) -> Front:
        """The members of the front."""
        return Front(self.result.front, self.result.summary)

    @cached_property
    def model(self) -> Model:
        """The chosen model, as the run has stored it.

        Raises:
            StorageError: it is missing or damaged.
            BackboneError: its backbone cannot be loaded.
        """
        given = None
        if self.config.weights is not None:
            # Weights from a file of the user's do not come with the backbone's name.
            given = load_backbone(self.config.backbone or "tiny", self.config.weights)
        return Model.load(RunFolder(self.folder).model, given)

    def _repr_html_(self) -> str:
        return self.result._repr_html_()


def load_run(folder: str | Path) -> Run:
    """Open the folder of a finished run to read.

    The result is the one that `Study.run` gave. Building another member of its front trains it, and needs the
    features of the run for that; `Run.model` only reads the chosen one.

    Args:
        folder: of the run.

    Raises:
        StorageError: there is no run, or it has no result yet.
        DamagedStoreError: what is stored is damaged.
        ConfigError: its configuration is damaged, or one of its objectives is not registered.
    """
    run = RunFolder(folder)
    config = run.existing_config()
    status = read_status(run)
    if status.summary is None:
        raise StorageError(
            f"{folder} has {status.evaluations} of {status.budget} evaluations and no result yet; "
            f"continue with: evoprune resume {shlex.quote(str(folder))}"
        )
    store = Store(run.store)
    try:
        return Run(run.path, config, _result(run, config, status.summary, store))
    except (KeyError, TypeError, ValueError) as error:
        raise damaged(run.store, f"its result cannot be read: {error!r}") from error
    finally:
        store.close()


def _result(run: RunFolder, config: RunConfig, summary: Mapping[str, Any], store: Store) -> Result:
    def build(genome: BoolArray) -> Model:
        return make_study(run).build(genome)

    history = store.evaluations()
    genomes = {evaluation.id: evaluation.genome for evaluation in history}
    genomes[0] = np.ones_like(history[0].genome)

    def solution(figures: Mapping[str, Any]) -> Solution:
        scores = Scores(**{field.name: _numbers(figures[field.name]) for field in fields(Scores)})
        return Solution(figures["id"], genomes[figures["id"]], scores.values, scores, build)

    front = tuple(map(solution, summary["front"]))
    objectives = get_objectives(config.objectives)
    best = next(member for member in front if member.id == summary["best"]["id"])
    # Runs of earlier versions lack what follows here.
    volume = summary.get("hypervolume")
    if volume is not None:
        values = np.stack([evaluation.values for evaluation in history])
        reference = np.array([volume["reference"][objective.name] for objective in objectives])
        trace = hypervolume_trace(values, tuple(objective.maximize for objective in objectives), reference)
        volume = Hypervolume(volume["reference"], trace, _numbers(volume["test"]))
    fitted, gaps = summary.get("overfitting"), store.result(random_masks(best.active_neurons))
    overfitting = None if fitted is None or gaps is None else Overfitting(fitted["chosen"], tuple(gaps))
    return Result(
        run=str(run.path),
        protocol=summary["protocol"],
        encoding=summary["encoding"],
        best=best,
        dense=solution(summary["dense"]),
        front=front,
        evaluations=summary["evaluations"],
        failed=summary["failed"],
        seconds=store.seconds(),
        history=tuple(history),
        objectives=objectives,
        data_digest=summary.get("data_digest", ""),
        folds_digest=summary.get("folds_digest", ""),
        chosen_by=summary.get("chosen_by", ""),
        hypervolume=volume,
        broken=summary.get("broken", 0),
        duplicates=summary.get("duplicates", 0),
        overfitting=overfitting,
    )


def _numbers(value: Any) -> Any:
    """A figure, or figures by name, with NaN for what JSON holds as null."""
    if isinstance(value, dict):
        return {name: _numbers(item) for name, item in value.items()}
    return np.nan if value is None else value
