"""The form of a result as a run stores it, checked before anything is shown or drawn from it."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

_Number = Annotated[int, Field(ge=-1, le=2**53)]
_Figures = dict[str, float | None]
"""By name; None for a figure that a diverged training does not have."""


class _Part(BaseModel):
    # Runs of later versions may say more.
    model_config = ConfigDict(strict=True, extra="ignore")


class _Objective(_Part):
    name: str
    title: str
    maximize: bool


class _Head(_Part):
    id: _Number
    values: _Figures
    validation: _Figures
    validation_std: _Figures
    test: _Figures
    test_std: _Figures
    seeds: _Number
    active_neurons: _Number
    active_share: Annotated[float, Field(ge=0, le=1)]
    parameters: _Number
    multiply_adds: _Number
    validation_accuracy: float | None
    validation_accuracy_std: float | None
    test_accuracy: float | None
    test_accuracy_std: float | None

    @model_validator(mode="after")
    def _has_spreads(self) -> _Head:
        pairs = [
            (self.validation_accuracy, self.validation_accuracy_std),
            (self.test_accuracy, self.test_accuracy_std),
            *((mean, self.validation_std.get(name)) for name, mean in self.validation.items()),
            *((mean, self.test_std.get(name)) for name, mean in self.test.items()),
        ]
        if any(mean is not None and spread is None for mean, spread in pairs):
            raise ValueError("a mean has no standard deviation")
        return self


class _Hypervolume(_Part):
    reference: dict[str, float]
    search: float | None
    test: float | None


class _Overfitting(_Part):
    chosen: float
    random: float
    random_std: float
    random_masks: _Number


class _Summary(_Part):
    run: str
    protocol: str
    encoding: str
    evaluations: _Number
    failed: _Number
    seconds: float
    objectives: Annotated[list[_Objective], Field(min_length=1)]
    dense: _Head
    best: _Head
    front: Annotated[list[_Head], Field(min_length=1)]
    # Runs of earlier versions lack these.
    dense_soft: _Head | None = None
    exposed: _Number = 0
    groups: _Number = 1
    dense_groups: _Number = 1
    hypervolume: _Hypervolume | None = None
    overfitting: _Overfitting | None = None
    broken: _Number = 0
    duplicates: _Number = 0
    data_digest: str = ""
    folds_digest: str = ""
    chosen_by: str | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> _Summary:
        names = {objective.name for objective in self.objectives}
        heads = [self.dense, self.best, *self.front, *([] if self.dense_soft is None else [self.dense_soft])]
        parts = [part for head in heads for part in (head.values, head.validation, head.test)]
        if len(names) < len(self.objectives) or any(not names <= part.keys() for part in parts):
            raise ValueError("a head lacks a figure")
        if self.best.id not in {head.id for head in self.front}:
            raise ValueError("the chosen head is not on the front")
        if len(names) > 1 and self.chosen_by is None:
            raise ValueError("it is not said how one of the front was chosen")
        if self.hypervolume is not None and self.hypervolume.reference.keys() != names:
            raise ValueError("its hypervolume refers to other objectives")
        return self


def is_whole(summary: Any) -> bool:
    """Whether a stored result has the parts that `Result.summary` gives it; one that has not is made again."""
    try:
        _Summary.model_validate(summary)
    except ValidationError:
        return False
    return True
