"""The one check of what every data set must have: at least two classes, all of them in every part."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from evoprune._types import IntArray
from evoprune.data._dataset import Division
from evoprune.errors import DataError


def require_classes(labels: IntArray, class_names: Sequence[str], divisions: Sequence[Division], where: str) -> None:
    """Check that there are two classes or more and that each is in every part of every division.

    Args:
        labels: class numbers `[N]`, 0..C-1.
        class_names: C names.
        divisions: the divisions of the rows.
        where: what is checked (a path or a name), for errors.

    Raises:
        DataError: one class only, or a class that a part lacks.
    """
    if len(class_names) < 2:
        raise DataError(f"{where} has only one class ({class_names[0]!r}); a classifier needs at least two")
    for number, division in enumerate(divisions):
        fold = f" of fold {number}" if len(divisions) > 1 else ""
        parts = {"training": division.train, "validation": division.validation, "test": division.test}
        for part, rows in parts.items():
            if rows is None:
                continue
            counts = np.bincount(labels[rows], minlength=len(class_names))
            if counts.min() == 0:
                raise DataError(
                    f"class {class_names[int(counts.argmin())]!r} is missing in the {part} part{fold} of "
                    f"{where}; every part needs every class"
                )
