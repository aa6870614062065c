"""Every random number of a training, as a function of its seed alone.

All candidates of a seed share initial weights, drawn at the full size of the head (a
candidate takes the entries of the parts it has on), and the order of batches: common
random numbers. Dropout is drawn for the active parts alone; candidates with equally many
share it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from evoprune._types import ByteArray, Float32Array, IntArray
from evoprune.training._recipe import Recipe

_INIT, _ORDER, _DROPOUT = range(3)


def initial_matrices(shapes: Sequence[tuple[int, int]], seed: int) -> tuple[Float32Array, ...]:
    """Glorot-uniform weights, one matrix `[inputs, outputs]` a shape."""
    matrices = []
    for layer, (inputs, outputs) in enumerate(shapes):
        generator = np.random.default_rng([seed, _INIT, layer])
        limit = np.float32(np.sqrt(6 / (inputs + outputs)))
        matrices.append((2 * generator.random((inputs, outputs), dtype=np.float32) - 1) * limit)
    return tuple(matrices)


def initial_weights(shapes: Sequence[tuple[int, int]], recipe: Recipe, seed: int) -> tuple[Float32Array, ...]:
    """What a training with some seed begins with: by that seed, or by the one the recipe has for all."""
    return initial_matrices(shapes, seed if recipe.initial_seed is None else recipe.initial_seed)


def batch_order(rows: int, seed: int, epoch: int) -> IntArray:
    """The order in which epoch `epoch` visits the training rows: a permutation `[rows]`."""
    return np.random.default_rng([seed, _ORDER, epoch]).permutation(rows)


def chunk_rows(batch_size: int) -> int:
    """Rows of an epoch that are gathered at a time: whole batches, about 4096 rows."""
    return batch_size * max(1, 4096 // batch_size)


def dropout_bytes(rows: int, active: int, seed: int, layer: int) -> ByteArray:
    """Uniform bytes `[rows, active]` for the places of a chunk; a unit is kept where its byte >= 256 p.

    They are drawn once a training: the order of the rows is new in every epoch, so that
    a row meets another draw each time.
    """
    generator = np.random.default_rng([seed, _DROPOUT, layer])
    return np.frombuffer(bytearray(generator.bytes(rows * active)), dtype=np.uint8).reshape(rows, active)


def dropout_threshold(rate: float, active: int, width: int) -> int:
    """256 p, rounded, where p is `rate` shrunk with the active share of the layer.

    With few active units each carries more of the decision, so that dropping as many
    of them as at full width costs accuracy; p falls in proportion below half of the width.
    """
    return round(256 * rate * min(1.0, 2 * active / width)) if width else 0
