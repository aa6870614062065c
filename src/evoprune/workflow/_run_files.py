"""The files of a finished run that people read: tables and figures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from evoprune._types import FloatArray
from evoprune.report import (
    FrontData,
    write_convergence,
    write_front,
    write_front_3d,
    write_history,
    write_hypervolume,
    write_hypervolume_curve,
    write_neuron_chord,
    write_pairwise_fronts,
    write_parallel_coordinates,
)
from evoprune.workflow._result import Result, Solution
from evoprune.workflow._run_folder import RunFolder


def write_files(folder: RunFolder, result: Result) -> None:
    """Write tables and figures of a result into its run folder.

    Raises:
        StorageError: one cannot be written.
    """
    dense = {} if result.dense.scores is None else result.dense.scores.values
    write_history(folder.history, result.history, result.objectives)
    write_convergence(folder.convergence, result.history, result.objectives, protocol=result.protocol, dense=dense)
    if result.hypervolume is None:
        return
    write_front(folder.front, result.summary())
    write_hypervolume(folder.hypervolume, result.hypervolume.trace.tolist())
    write_hypervolume_curve(
        folder.figures / "hypervolume.png",
        [np.arange(1, len(result.history) + 1)],
        [result.hypervolume.trace],
        np.array(list(result.hypervolume.reference.values())),
        list(result.hypervolume.reference),
        protocol=result.protocol,
    )
    write_front_figures(folder.figures, front_data(result))


def write_front_figures(figures: Path, front: FrontData) -> None:
    """Write the figures of a front: pairs, parallel coordinates, neurons, and three dimensions where there are three.

    Raises:
        StorageError: one cannot be written.
    """
    write_pairwise_fronts(figures / "front.png", front)
    write_parallel_coordinates(figures / "parallel.png", front)
    write_neuron_chord(figures / "neurons.png", front)
    if len(front.names) == 3:
        write_front_3d(figures / "front_3d.png", front)


def front_data(result: Result) -> FrontData:
    """What the figures of a result's front are drawn from."""
    names = [objective.name for objective in result.objectives]
    members = result.front
    return FrontData(
        names=tuple(names),
        titles=tuple(objective.title for objective in result.objectives),
        maximize=tuple(objective.maximize for objective in result.objectives),
        values=np.array([[member.values[name] for name in names] for member in members]),
        validation=_measured(members, names, "validation"),
        test=_measured(members, names, "test"),
        genomes=np.stack([member.genome for member in members]),
        ids=np.array([member.id for member in members]),
        dense=_measured([result.dense], names, "test")[0],
        dense_validation=_measured([result.dense], names, "validation")[0],
        protocol=result.protocol,
        chosen=[member.id for member in members].index(result.best.id),
        everything=np.stack([evaluation.values for evaluation in result.history]),
    )


def _measured(solutions: Sequence[Solution], names: Sequence[str], part: str) -> FloatArray:
    """Means `[P, M]` on validation or test; NaN where there are none."""
    return np.array(
        [[getattr(solution.scores, part, {}).get(name, np.nan) for name in names] for solution in solutions]
    )
