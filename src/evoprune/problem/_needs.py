"""Refuses objectives that the data cannot serve, before anything is trained."""

from __future__ import annotations

from collections.abc import Sequence

from evoprune.errors import ConfigError
from evoprune.objectives import OBJECTIVES, Objective
from evoprune.training import TrainingSet

_NEEDED = {
    "ood": (
        "out-of-distribution images",
        "give --ood FOLDER (in Python ood=[...] to extract), or leave it out",
    ),
    "corrupted": (
        "corrupted copies of the images, which a feature file does not have",
        "give a folder of images (in Python corruptions=True to extract), or leave it out",
    ),
}
"""What extra rows are, by the part of their name before the colon, and how to get them."""

_JUDGED = {"classification": "classes", "regression": "values to predict"}


def check_needs(objectives: Sequence[Objective], data: TrainingSet) -> None:
    """Refuse objectives that judge other data, or whose extra rows are absent.

    Raises:
        ConfigError: an objective judges classes where there are values, or the other way round; its extra rows
            are absent; a fold has none; or corrupted images are not as many
            as the evaluation rows that they are copies of.
    """
    for objective in objectives:
        _check_task(objective, data)
        for name in objective.needs:
            kind = name.partition(":")[0]
            what, way_out = _NEEDED.get(kind, (f"extra rows {name!r}", "add them to the training set, or leave it out"))
            if name not in data.extra:
                raise ConfigError(f"objective {objective.name!r} needs {what}; {way_out}")
            for number, (rows, fold) in enumerate(zip(data.extra[name], data.folds, strict=True)):
                if not len(rows):
                    raise ConfigError(
                        f"objective {objective.name!r} needs {what}, and fold {number} has none; "
                        "give more, or leave it out"
                    )
                if kind == "corrupted" and len(rows) != len(fold.evaluate):
                    raise ConfigError(
                        f"objective {objective.name!r} needs one row of {name!r} for each of the "
                        f"{len(fold.evaluate)} evaluation rows of fold {number}, and there are {len(rows)}; "
                        "give them in the same order, or leave it out"
                    )


def _check_task(objective: Objective, data: TrainingSet) -> None:
    task = "regression" if data.loss == "squared" else "classification"
    if objective.task is None or objective.task == task:
        return
    known = ", ".join(name for name, other in OBJECTIVES.items() if other.task in (None, task) and not other.needs)
    raise ConfigError(
        f"objective {objective.name!r} judges {_JUDGED[objective.task]}, and these data have {_JUDGED[task]}; "
        f"choose among {known}"
    )
