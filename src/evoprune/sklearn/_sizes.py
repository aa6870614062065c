"""How many active bits the chosen genome may have, or must have."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from evoprune.errors import ConfigError


def is_whole(value: Any) -> bool:
    """Whether a parameter is a whole number by its type (True and False are none)."""
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def is_share(value: Any) -> bool:
    """Whether a parameter is a number above 0 and up to 1."""
    return isinstance(value, (int, float, np.number)) and not isinstance(value, bool) and bool(0 < value <= 1)


def bits_of(share: float, length: int) -> int:
    """Number of bits of a share of `length`, rounded down; one in any case."""
    return max(1, math.floor(round(share * length, 9)))


def limit_of(max_share: float | None, length: int) -> int:
    """Most active bits of a genome of `length` bits.

    Raises:
        ConfigError: the share is not above 0 and up to 1.
    """
    if max_share is None:
        return length
    if not is_share(max_share):
        raise ConfigError(f"max_share={max_share!r} is out of range; give a share above 0 and up to 1, or None")
    return bits_of(max_share, length)


def exact_size(wanted: float | None, width: int) -> int | None:
    """Number of features that are wanted: a whole number as it is, a float as a share; None for None.

    Raises:
        ConfigError: it does not fit `width` features.
    """
    if wanted is None:
        return None
    if is_whole(wanted) and 1 <= wanted <= width:
        return int(wanted)
    if not is_whole(wanted) and is_share(wanted):
        return bits_of(wanted, width)
    raise ConfigError(
        f"n_features_to_select={wanted!r} does not fit {width} features; give a whole number of 1 to {width}, "
        "a share above 0 and up to 1.0, or None"
    )
