"""The configuration of a run: validated, written as TOML, compared field by field."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, Literal

import tomli_w
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from evoprune._files import write_atomic
from evoprune.errors import ConfigError
from evoprune.search import SearchOptions
from evoprune.training import FAST, Recipe
from evoprune.workflow._toml import problems, read_toml, sealed_toml

_NOT_IDENTITY = {"evaluations", "seconds", "batch", "report_seeds", "soft_targets"}
"""Settings that may change when a run is continued: they do not change any evaluation."""


class RunConfig(BaseModel):
    """Everything that decides the result of a run, besides the images themselves.

    Attributes:
        data: folder of images, `digits`, a feature file, or a published CSV file.
        kind: `images`, `features` (a file), `published` (a CSV file), or `arrays` (from Python).
        dataset: which data set of a published CSV file; None for the first.
        backbone: name of the backbone, None for features.
        weights: file with the backbone's weights, where they do not come with its name.
        skip_broken: leave unreadable images out.
        split: shares of train, validation and test where the data set brings no division.
        head: units of the hidden layers.
        encoding: what a genome's bits mean.
        recipe: how candidates are trained.
        device: that they are trained on: `cpu`, `cuda:0`, ..
        objectives: what is searched for.
        ood: out-of-distribution images: folders, feature files, `class:NAME`.
        ood_score: by which they are told from the data set's own.
        algorithm: search algorithm.
        search: its settings.
        protocol: `nested` or `paper`.
        folds: inner folds.
        held_out: published fold whose test part is kept for the report.
        seed: of search and training, and of splits.
        split_seed: of splits, where it is not `seed`: several runs then share their splits.
        report_seeds: number of trainings behind each figure of the result table.
        soft_targets: train the heads of the front, once they are found, by soft targets instead of labels, and for
            longer and in groups (see `evoprune.training.soften`, `patient_recipe`), and with
            out-of-distribution images, if there are any, to be unsure of; fitness is measured with labels in any case.
        evaluations: total number of evaluations.
        seconds: of searching, after which it ends with what it has; None for no limit. A search that ended so
            is kept as one of as many evaluations as it had, and can be repeated exactly.
        asynchronous: ask for the next candidate whenever one is done, instead of waiting for all that were asked.
        batch: candidates trained and committed at a time; None for as many as keep all workers busy, 10 or more.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    data: str
    kind: Literal["images", "features", "published", "arrays"] = "images"
    dataset: str | None = None
    backbone: str | None = None
    weights: str | None = None
    skip_broken: bool = False
    split: tuple[float, float, float] = (0.6, 0.2, 0.2)
    head: tuple[int, ...] = (512,)
    encoding: str = "features"
    recipe: Recipe = FAST
    device: str = "cpu"
    objectives: tuple[str, ...] = ("accuracy",)
    ood: tuple[str, ...] = ()
    ood_score: str = "odin"
    algorithm: str = "genetic"
    search: SearchOptions = SearchOptions()
    protocol: Literal["nested", "paper"] = "nested"
    folds: int = Field(default=1, ge=1)
    held_out: int = Field(default=0, ge=0)
    seed: int = Field(default=0, ge=0, le=100_000)
    split_seed: int | None = Field(default=None, ge=0, le=100_000)
    report_seeds: int = Field(default=5, ge=1, le=1000)
    soft_targets: bool = False
    evaluations: int = Field(default=200, ge=1)
    seconds: float | None = Field(default=None, gt=0)
    asynchronous: bool = False
    batch: int | None = Field(default=None, ge=1)

    @field_validator("data", "backbone", "weights")
    @classmethod
    def _can_be_written(cls, value: str | None) -> str | None:
        try:
            (value or "").encode("utf-8")
        except UnicodeEncodeError as error:
            raise ValueError("bytes of this path are no UTF-8 text; rename it, or give a link to it") from error
        return value

    @property
    def data_seed(self) -> int:
        """The seed of splits."""
        return self.seed if self.split_seed is None else self.split_seed

    def with_seed(self, seed: int) -> RunConfig:
        """The same with another seed, of initial weights too where all trainings share them.

        Raises:
            ConfigError: it is out of range.
        """
        recipe = self.recipe
        if recipe.initial_seed is not None:
            recipe = recipe.model_copy(update={"initial_seed": seed})
        return make_config(**{**dict(self), "seed": seed, "recipe": recipe})

    def to_toml(self) -> str:
        """As TOML text; settings that are None are left out."""
        return tomli_w.dumps(_without_none(self.model_dump(mode="json")))

    def identity(self) -> str:
        """SHA-256 of what decides the evaluations, hexadecimal."""
        relevant = self.model_dump(mode="json", exclude=_NOT_IDENTITY)
        # Runs that were made before there were these settings keep their identity.
        if not self.asynchronous:
            del relevant["asynchronous"]
        if self.recipe.groups == 1:
            del relevant["recipe"]["groups"]
        if self.recipe.initial_seed is None:
            del relevant["recipe"]["initial_seed"]
        return hashlib.sha256(json.dumps(relevant, sort_keys=True).encode()).hexdigest()

    def differences(self, other: RunConfig) -> list[str]:
        """Settings in which `other` differs and which may not change, as `name: ours -> theirs`."""
        ours, theirs = (_flat(c.model_dump(mode="json", exclude=_NOT_IDENTITY)) for c in (self, other))
        return [
            f"{key}: {ours.get(key)!r} -> {theirs.get(key)!r}"
            for key in sorted(ours | theirs)
            if ours.get(key) != theirs.get(key)
        ]

    def write(self, path: Path) -> None:
        """Write as TOML, with a checksum."""
        write_atomic(path, sealed_toml(self.to_toml()))


def make_config(**settings: Any) -> RunConfig:
    """A configuration from settings.

    Raises:
        ConfigError: a setting is unknown, of the wrong kind or out of range; all are named.
    """
    try:
        return RunConfig(**settings)
    except ValidationError as error:
        raise ConfigError(problems(error)) from error


def read_config(path: Path) -> RunConfig:
    """A configuration from a TOML file.

    Raises:
        StorageError: the file cannot be read.
        ConfigError: it is not TOML, or a setting is missing, unknown or out of range.
    """
    return read_toml(path, RunConfig)


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _without_none(v) for k, v in value.items() if v is not None}
    return value


def _flat(value: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, item in value.items():
        flat |= _flat(item, f"{prefix}{key}.") if isinstance(item, dict) else {f"{prefix}{key}": item}
    return flat
