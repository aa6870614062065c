"""The rows beside a fold's own that candidates are judged by, or made unsure of: foreign and corrupted images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from evoprune._types import Float32Array, IntArray
from evoprune.data import Fold, Protocol, sample_evenly
from evoprune.features import Features, OODFeatures
from evoprune.objectives import get_ood_score

Part = Literal["search", "report"]

_OOD_STREAM = 2302_10253
"""Keeps the draw of out-of-distribution images apart from other draws with the same seed."""

_EXPOSURE_STREAM = 1812_04606
"""The same for the draw of those that heads are trained on."""


def extra_rows(
    features: Features, folds: Sequence[Fold], part: Part, *, protocol: Protocol, seed: int
) -> dict[str, tuple[Float32Array, ...]]:
    """The extra rows of a training set, by name and fold.

    Out-of-distribution images are as many as a fold has evaluation rows, spread evenly over
    sets and classes (MO-EvoPruneDeepTL, section on the objectives), or as many as there are.
    Under the `nested` protocol those of search and report are different images.

    Args:
        features: of the study.
        folds: whose evaluation rows they stand beside.
        part: `search` or `report`.
        protocol: `nested` or `paper`; the latter draws from all images for both parts.
        seed: of the draws.
    """
    extra: dict[str, tuple[Float32Array, ...]] = {}
    if features.ood:
        chosen = [_rows(ood, part, protocol) for ood in features.ood]
        extra["ood"] = tuple(
            _drawn(features.ood, chosen, len(fold.evaluate), np.random.default_rng([_OOD_STREAM, seed, number]))
            for number, fold in enumerate(folds)
        )
    if features.corrupted is not None:
        by_fold = [features.corrupted.at(fold.evaluate) for fold in folds]
        for index, kind in enumerate(features.corrupted.kinds):
            extra[f"corrupted:{kind}"] = tuple(X[index] for X in by_fold)
    return extra


def exposed_rows(features: Features, fold: Fold, *, ood_score: str, seed: int) -> Float32Array | None:
    """Out-of-distribution images that a head is made unsure of in its training (outlier exposure) `[n, D]`.

    They are those of the search, none of the report's: at most as many as the fold has training rows, spread evenly
    over sets and classes. None where there are none, or where the run's score is fitted to features of the last hidden
    layer: on images that a head is unsure of these say less than before.

    Args:
        features: of the study.
        fold: that the head is trained on.
        ood_score: by which such images are told apart.
        seed: of the draw.
    """
    if not features.ood or get_ood_score(ood_score).needs_features:
        return None
    chosen = [ood.search for ood in features.ood]
    drawn = _drawn(features.ood, chosen, len(fold.train), np.random.default_rng([_EXPOSURE_STREAM, seed]))
    return drawn if len(drawn) else None


def _rows(ood: OODFeatures, part: Part, protocol: Protocol) -> IntArray:
    if protocol == "paper":
        return np.arange(len(ood.X))
    return ood.search if part == "search" else ood.report


def _drawn(sets: Sequence[OODFeatures], rows: Sequence[IntArray], count: int, rng: np.random.Generator) -> Float32Array:
    drawn = sample_evenly([ood.groups[chosen] for ood, chosen in zip(sets, rows, strict=True)], count, rng)
    return np.concatenate([ood.X[chosen[d]] for ood, chosen, d in zip(sets, rows, drawn, strict=True)])
