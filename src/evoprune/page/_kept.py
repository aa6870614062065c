"""The form of what a run keeps for its page beside the result; what has another is left out of the page."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

_Count = Annotated[int, Field(ge=0, le=2**53)]
_Class = Annotated[int, Field(ge=0, lt=2**31)]


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore")


class _Broken(_Part):
    image: str
    reason: str


class _Outside(_Part):
    name: str
    search: _Count
    report: _Count


class _Data(_Part):
    rows: _Count
    width: _Count
    classes: list[str]
    train: list[_Count]
    test: list[_Count]
    # Runs of earlier versions lack some of these.
    division: str = ""
    broken: list[_Broken] = []
    ood: list[_Outside] = []
    versions: dict[str, str] = {}

    @model_validator(mode="after")
    def _fits_together(self) -> _Data:
        if not len(self.classes) == len(self.train) == len(self.test):
            raise ValueError("a class has no counts")
        return self


class _Predictions(_Part):
    rows: list[_Count]
    names: list[str] | None
    labels: list[_Class]
    dense: list[list[_Class]]
    evolved: list[list[_Class]]

    @model_validator(mode="after")
    def _fits_together(self) -> _Predictions:
        named = self.rows if self.names is None else self.names
        lengths = {len(self.rows), len(named), len(self.labels), *map(len, self.dense), *map(len, self.evolved)}
        if len(lengths) > 1 or len(self.dense) != len(self.evolved):
            raise ValueError("a row has no prediction")
        return self


_FORMS: dict[str, type[_Part]] = {"data": _Data, "predictions": _Predictions}

KEPT = tuple(_FORMS)
"""Results of a store that pages are made from, beside its summary."""


def whole(name: str, value: Any) -> Any | None:
    """The value where it has the form of the result of this name, else None.

    Args:
        name: one of `KEPT`.
        value: as the store gives it.
    """
    try:
        _FORMS[name].model_validate(value)
    except ValidationError:
        return None
    return value
