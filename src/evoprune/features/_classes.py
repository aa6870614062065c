"""Taking whole classes out of features, to stand in for what a classifier was never shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from evoprune import _large
from evoprune._types import BoolArray, Float32Array
from evoprune.data import count_duplicates
from evoprune.features._digest import features_digest, row_keys
from evoprune.features._features import Corrupted, Features


def without_classes(features: Features, names: Sequence[str]) -> Features:
    """The features without some classes: rows, divisions, corrupted images; the others are renumbered in order.

    Args:
        features: of C classes.
        names: class names; unknown ones are ignored.
    """
    leaving = np.isin(features.class_names, names)
    if not leaving.any():
        return features
    kept = ~leaving[features.y]
    X = _large.take(features.X, np.flatnonzero(kept))
    y = (np.cumsum(~leaving) - 1)[features.y[kept]]
    divisions = tuple(division.keep(kept) for division in features.divisions)
    # Nothing but the rows is left to tell images apart by; different images may have equal rows.
    duplicates = features.duplicates and min(features.duplicates, count_duplicates(row_keys(X), divisions))
    return replace(
        features,
        X=X,
        y=y,
        class_names=tuple(name for name, left in zip(features.class_names, leaving, strict=True) if not left),
        divisions=divisions,
        digest=features_digest(X, y, divisions),
        row_names=features.row_names
        and tuple(name for name, stays in zip(features.row_names, kept, strict=True) if stays),
        duplicates=duplicates,
        corrupted=features.corrupted and _remaining(features.corrupted, kept),
    )


def class_rows(features: Features, name: str) -> tuple[Float32Array, BoolArray]:
    """The rows of one class in the first division, which holds every image of published folds once.

    Args:
        features: with this class.
        name: of the class.

    Returns:
        Features `[n, D]`, and which of these rows are in the training or validation part `[n]`.
    """
    division = features.divisions[0]
    test = np.zeros(len(features.y), dtype=np.bool_)
    test[division.test] = True
    present = test.copy()
    for part in (division.train, division.validation):
        if part is not None:
            present[part] = True
    rows = np.flatnonzero(present & (features.y == features.class_names.index(name)))
    return _large.take(features.X, rows), ~test[rows]


def _remaining(corrupted: Corrupted, kept: BoolArray) -> Corrupted:
    stays = kept[corrupted.rows]
    rows = (np.cumsum(kept) - 1)[corrupted.rows[stays]]
    return Corrupted.of(corrupted.kinds, rows, corrupted.X[:, stays])
