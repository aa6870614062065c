"""Which rows a search may see, and which are kept for the report (protocols `nested` and `paper`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from evoprune._types import IntArray
from evoprune.data._dataset import Division
from evoprune.data._splits import checked_seed, stratified_parts
from evoprune.errors import ConfigError, DataError

Protocol = Literal["nested", "paper"]

VALIDATION_SHARE = 0.25
"""Share of the training rows taken for validation where the data set brings no validation part."""


@dataclass(frozen=True, eq=False)
class Fold:
    """Rows to train on and rows to evaluate on, disjoint."""

    train: IntArray
    evaluate: IntArray


@dataclass(frozen=True, eq=False)
class Partition:
    """The rows of a study.

    Attributes:
        protocol: `nested` (test rows are in no search fold) or `paper` (fitness on the test rows).
        search: folds over which a candidate's fitness is averaged.
        report: folds that are trained and read once, after the search.
        description: one sentence for tables and reports.
    """

    protocol: Protocol
    search: tuple[Fold, ...]
    report: tuple[Fold, ...]
    description: str


def partition(
    divisions: Sequence[Division],
    labels: IntArray,
    *,
    protocol: Protocol = "nested",
    folds: int = 1,
    held_out: int = 0,
    seed: int = 0,
) -> Partition:
    """Decide which rows are for the search and which for the report.

    `nested` keeps the test part of one division out of the search altogether. Of the
    remaining rows, `folds=1` takes the given validation part, or a stratified quarter
    of the training rows; `folds=k` makes k stratified inner folds. For the report, the
    model is trained on all rows that are not test rows.

    `paper` is the published protocol: fitness is measured on the test part (mean over
    the published folds), so its figures are selected on the test images.

    Args:
        divisions: one division, or one per published fold.
        labels: class numbers `[N]`.
        protocol: `nested` or `paper`.
        folds: number of inner folds (`nested` only).
        held_out: which published fold's test part is kept for the report (`nested` only).
        seed: of the stratified draws.

    Raises:
        ConfigError: a setting does not fit the data set.
        DataError: a class has too few rows to be divided.
    """
    if protocol == "paper":
        if folds != 1:
            raise ConfigError(
                f"folds={folds} does not go with protocol 'paper', which uses the published test part as it "
                "is; leave folds out or take protocol 'nested'"
            )
        if held_out != 0:
            raise ConfigError(
                f"held_out={held_out} does not go with protocol 'paper', which reads every published fold; "
                "leave held_out out or take protocol 'nested'"
            )
        published = tuple(Fold(_join(d.train, d.validation), d.test) for d in divisions)
        return Partition("paper", published, published, "fitness on the test part, as published (selected on it)")
    if protocol != "nested":
        raise ConfigError(f"protocol {protocol!r} is unknown; choose 'nested' or 'paper'")
    if not 0 <= held_out < len(divisions):
        raise ConfigError(
            f"held_out={held_out} is out of range; the data set has {len(divisions)} fold(s), counted from 0"
        )
    if folds < 1:
        raise ConfigError(f"folds={folds} is out of range; give 1 (one validation part) or more inner folds")
    division = divisions[held_out]
    development = _join(division.train, division.validation)
    report = (Fold(development, division.test),)
    if folds > 1:
        search = _inner_folds(development, labels, folds, seed)
        how = f"mean over {folds} inner folds"
    elif division.validation is not None:
        search = (Fold(division.train, division.validation),)
        how = "on the validation part"
    else:
        search = (_validation_split(division.train, labels, seed),)
        how = f"on a validation part ({VALIDATION_SHARE:.0%} of the training rows)"
    held = f" of fold {held_out}" if len(divisions) > 1 else ""
    return Partition("nested", search, report, f"fitness {how}; the test part{held} is read once, after the search")


def _join(train: IntArray, validation: IntArray | None) -> IntArray:
    return train if validation is None else np.sort(np.concatenate([train, validation]))


def _validation_split(rows: IntArray, labels: IntArray, seed: int) -> Fold:
    _require_per_class(rows, labels, 2, "a validation part")
    train, evaluate = stratified_parts(labels[rows], np.array([1 - VALIDATION_SHARE, VALIDATION_SHARE]), seed)
    return Fold(rows[train], rows[evaluate])


def _inner_folds(rows: IntArray, labels: IntArray, folds: int, seed: int) -> tuple[Fold, ...]:
    # scikit-learn takes longer to import than everything else the command line needs to start.
    from sklearn.model_selection import StratifiedKFold  # noqa: PLC0415

    _require_per_class(rows, labels, folds, f"{folds} inner folds")
    splitter = StratifiedKFold(folds, shuffle=True, random_state=checked_seed(seed))
    return tuple(Fold(np.sort(rows[a]), np.sort(rows[b])) for a, b in splitter.split(rows, labels[rows]))


def _require_per_class(rows: IntArray, labels: IntArray, count: int, what: str) -> None:
    present, counts = np.unique(labels[rows], return_counts=True)
    if len(counts) and counts.min() < count:
        raise DataError(
            f"class number {present[counts.argmin()]} has {counts.min()} training row(s), too few for "
            f"{what}; at least {count} are needed"
        )
