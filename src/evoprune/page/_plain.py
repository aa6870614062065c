"""Values made fit for JSON, and texts made fit to be read."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from evoprune.report import printable

MINUS = "\u2212"
"""The sign of a negative number."""


def plain(value: Any) -> Any:
    """The value as JSON has it: NaN as None, texts without characters that act, keys as texts."""
    if isinstance(value, dict):
        return {printable(str(key)): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, (float, np.floating)):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, np.bool_):
        return bool(value)
    if isinstance(value, np.integer):
        return int(value)
    return printable(value) if isinstance(value, str) else value


def signed(number: float, digits: int) -> str:
    """A number with its sign; what rounds to zero has none."""
    shown = f"{abs(number):.{digits}f}"
    return shown if float(shown) == 0 else f"{'+' if number > 0 else MINUS}{shown}"


def counted(number: int, noun: str) -> str:
    """`1 image`, `2 images`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
