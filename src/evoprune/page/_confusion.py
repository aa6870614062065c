"""What the dense and the chosen head confuse, and the test images that changed sides between them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from evoprune._types import BoolArray, IntArray
from evoprune.page._pictures import Thumbnails
from evoprune.page._source import Source

MOST_CLASSES = 40
"""Classes of which there is a matrix; of more, each class's accuracy alone is shown."""

MOST_CHANGED = 36
"""Images that are shown of each side."""


def right(source: Source) -> tuple[BoolArray, BoolArray] | None:
    """Which test rows each training of the dense and of the chosen head gets right, `[S, N]` each.

    None where the run holds no predictions, or they are of another member.
    """
    found = _predictions(source)
    if found is None:
        return None
    labels, dense, evolved = found
    return dense == labels, evolved == labels


def confusion(source: Source, thumbnails: Thumbnails | None) -> dict[str, Any] | None:
    """Confusion matrices over all trainings of both heads, accuracies by class, and what changed sides.

    Args:
        source: of the page.
        thumbnails: makes small pictures of images, or None for a page without.

    Returns:
        None where the run holds no predictions.
    """
    found, facts = _predictions(source), source.kept.get("data")
    if found is None or not isinstance(facts, dict):
        return None
    labels, dense, evolved = found
    names = list(facts["classes"])
    matrices = {
        head: _matrix(labels, predicted, len(names)) for head, predicted in (("dense", dense), ("evolved", evolved))
    }
    totals = np.bincount(labels, minlength=len(names))
    won, lost = _changed(labels, dense, evolved)
    return {
        "classes": names,
        "trainings": len(dense),
        "rows": len(labels),
        "totals": totals.tolist(),
        "recall": {
            head: [
                float(count / (total * len(dense))) if total else None
                for count, total in zip(matrix.diagonal(), totals, strict=True)
            ]
            for head, matrix in matrices.items()
        },
        **({head: matrix.tolist() for head, matrix in matrices.items()} if len(names) <= MOST_CLASSES else {}),
        "won_count": len(won),
        "lost_count": len(lost),
        "won": _shown(source, won, found, thumbnails),
        "lost": _shown(source, lost, found, thumbnails),
    }


def _predictions(source: Source) -> tuple[IntArray, IntArray, IntArray] | None:
    """Labels `[N]` and predictions of both heads `[S, N]`."""
    kept = source.kept.get("predictions")
    if source.summary is None or not isinstance(kept, dict):
        return None
    try:
        labels, dense, evolved = (np.array(kept[name], dtype=np.int64) for name in ("labels", "dense", "evolved"))
    except (KeyError, TypeError, ValueError):
        return None
    facts = source.kept.get("data")
    classes = len(facts["classes"]) if isinstance(facts, dict) else None
    if classes is not None and any(part.max(initial=0) >= classes for part in (labels, dense, evolved)):
        return None
    if dense.ndim != 2 or dense.shape != evolved.shape or dense.shape[1:] != labels.shape or not labels.size:
        return None
    return labels, dense, evolved


def _matrix(labels: IntArray, predicted: IntArray, classes: int) -> IntArray:
    """How often each class (row) was taken for each (column), over all trainings."""
    matrix = np.zeros((classes, classes), dtype=np.int64)
    np.add.at(matrix, (np.broadcast_to(labels, predicted.shape), predicted), 1)
    return matrix


def _changed(labels: IntArray, dense: IntArray, evolved: IntArray) -> tuple[IntArray, IntArray]:
    """Rows that most trainings of one head get right and most of the other get wrong, the clearest first."""
    trainings = len(dense)
    before, after = (dense == labels).sum(axis=0), (evolved == labels).sum(axis=0)
    gain = after - before
    won = np.flatnonzero((2 * after > trainings) & (2 * before <= trainings))
    lost = np.flatnonzero((2 * after <= trainings) & (2 * before > trainings))
    return won[np.argsort(-gain[won], kind="stable")], lost[np.argsort(gain[lost], kind="stable")]


def _shown(
    source: Source, rows: Sequence[int] | IntArray, found: tuple[IntArray, ...], thumbnails: Thumbnails | None
) -> list[dict[str, Any]]:
    labels, dense, evolved = found
    kept = source.kept["predictions"]
    names = kept.get("names")
    shown = []
    for row in list(map(int, rows))[:MOST_CHANGED]:
        name = None if names is None else str(names[row])
        shown.append(
            {
                "row": int(kept["rows"][row]),
                "name": name,
                "label": int(labels[row]),
                "dense": _most_common(dense[:, row]),
                "evolved": _most_common(evolved[:, row]),
                "dense_right": int((dense[:, row] == labels[row]).sum()),
                "evolved_right": int((evolved[:, row] == labels[row]).sum()),
                "picture": None if name is None or thumbnails is None else thumbnails.of(name),
            }
        )
    return shown


def _most_common(predicted: IntArray) -> int:
    return int(np.bincount(predicted).argmax())
