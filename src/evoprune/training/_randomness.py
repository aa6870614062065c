"""Every random number of a training, as a function of its seed alone.

Nothing here depends on the candidate: all candidates of a seed share initial weights,
the order of batches and the dropout draws (common random numbers), at the full size of
the head. A candidate takes the entries of the parts it has on.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from evoprune._types import ByteArray, Float32Array, IntArray

_INIT, _ORDER, _DROPOUT = range(3)


def initial_matrices(shapes: Sequence[tuple[int, int]], seed: int) -> tuple[Float32Array, ...]:
    """Glorot-uniform weights, one matrix `[inputs, outputs]` a shape."""
    matrices = []
    for layer, (inputs, outputs) in enumerate(shapes):
        generator = np.random.default_rng([seed, _INIT, layer])
        limit = np.float32(np.sqrt(6 / (inputs + outputs)))
        matrices.append((2 * generator.random((inputs, outputs), dtype=np.float32) - 1) * limit)
    return tuple(matrices)


def batch_order(rows: int, seed: int, epoch: int) -> IntArray:
    """The order in which epoch `epoch` visits the training rows: a permutation `[rows]`."""
    return np.random.default_rng([seed, _ORDER, epoch]).permutation(rows)


def dropout_bytes(rows: int, width: int, seed: int, epoch: int, layer: int) -> ByteArray:
    """Uniform bytes `[rows, width]`, by position in the epoch; a unit is kept where its byte >= 256 p."""
    generator = np.random.default_rng([seed, _DROPOUT, epoch, layer])
    return np.frombuffer(generator.bytes(rows * width), dtype=np.uint8).reshape(rows, width)


def dropout_threshold(rate: float, active: int, width: int) -> int:
    """256 p, rounded, where p is `rate` shrunk with the active share of the layer.

    With few active units each carries more of the decision, so that dropping as many
    of them as at full width costs accuracy; p falls in proportion below half of the width.
    """
    return round(256 * rate * min(1.0, 2 * active / width)) if width else 0
