"""An axis of accuracies that is stretched towards 100 %: a percent more is worth more where few errors are left."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from evoprune._types import FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LEAST = 0.1
"""Keeps the logarithm finite above 100 %."""


def apply_accuracy_axis(axes: Axes, values: FloatArray) -> None:
    """Set scale, limits and ticks of the `y` axis, so that it holds all finite ones of some accuracies.

    Args:
        axes: to be set.
        values: in percent, of any shape.
    """
    finite = values[np.isfinite(values)]
    low, high = _stretched(np.array([finite.min(), finite.max()] if finite.size else [0.0, 100.0]))
    margin = max(0.04 * (high - low), 0.05 - (high - low) / 2)
    low, high = low - margin, high + margin
    ticks: dict[float, float] = {}
    # Round numbers first, and others where there is room between them; finer ones where the axis is wider.
    for step in (20, 10, 5, 2, 1, 0.5, 0.2, 0.1):
        everywhere = len(ticks) < 3
        numbers = np.round(np.arange(0, 100 + step / 2, step), 1)
        for tick, at in zip(numbers.tolist(), _stretched(numbers).tolist(), strict=True):
            apart = all(abs(at - other) > 0.09 * (high - low) for other in ticks.values())
            if low <= at <= high and apart and (everywhere or (step >= 1 and tick >= 100 - 10 * step)):
                ticks[tick] = at
    axes.set_yscale("function", functions=(_stretched, _accuracy))
    axes.set_ylim(*_accuracy(np.array([low, high])))
    axes.set_yticks(list(ticks), labels=[f"{tick:g}" for tick in ticks])
    axes.set_yticks([], minor=True)


def _stretched(accuracy: FloatArray) -> FloatArray:
    """Where an accuracy in percent stands: nearly the logarithm of the error, but finite at 100 %."""
    stretched: FloatArray = -np.log(np.maximum(101 - accuracy, _LEAST))
    return stretched


def _accuracy(stretched: FloatArray) -> FloatArray:
    """The accuracy in percent that stands somewhere."""
    accuracy: FloatArray = 101 - np.exp(-stretched)
    return accuracy
