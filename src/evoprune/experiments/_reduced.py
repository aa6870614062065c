"""Features with less to learn from: a class left out, or only a share of its training images."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from evoprune._types import IntArray
from evoprune.data import Division
from evoprune.errors import ConfigError
from evoprune.features import Features, features_digest, without_classes

_FEWEST = 4
"""Rows of a class that a part keeps; a quarter of the training rows is drawn for validation."""


def without_class(features: Features, name: str) -> Features:
    """The features without one class, in the training and in the test part.

    Raises:
        ConfigError: fewer than two classes are left.
    """
    if features.classes < 3:
        raise ConfigError(
            f"{features.name} has {features.classes} classes, and without {name!r} nothing is left to tell apart; "
            "give a data set of three classes or more"
        )
    return without_classes(features, [name])


def with_share_of_class(features: Features, name: str, share: float, seed: int) -> Features:
    """The features with a share of one class's training and validation rows in use; test parts stay whole.

    A larger share holds all rows of a smaller one with the same seed. Of each part at least four rows stay, or
    all where there are fewer, so that a validation part can still be drawn.

    Args:
        features: of the data set.
        name: of the class.
        share: that stays, above 0 up to 1.
        seed: of the draw.
    """
    number = features.class_names.index(name)
    places = np.random.default_rng(seed).permutation(len(features.y))

    def thinned(part: IntArray) -> IntArray:
        own = part[features.y[part] == number]
        count = max(_FEWEST, round(share * len(own)))
        return part[~np.isin(part, own[np.argsort(places[own])][count:])]

    divisions = tuple(
        Division(thinned(d.train), d.test, None if d.validation is None else thinned(d.validation))
        for d in features.divisions
    )
    return replace(features, divisions=divisions, digest=features_digest(features.X, features.y, divisions))
