"""The weights that a training begins with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evoprune._types import Float32Array
from evoprune.training._randomness import initial_matrices


@dataclass(frozen=True, eq=False)
class Start:
    """Full-size weights; a candidate takes the entries of the parts that it has on.

    Attributes:
        matrices: one `[inputs, outputs]` a layer.
        bias: of the output layer `[C]`.
    """

    matrices: tuple[Float32Array, ...]
    bias: Float32Array


def random_start(shapes: Sequence[tuple[int, int]], seed: int) -> Start:
    """Glorot-uniform weights, one matrix a shape `(inputs, outputs)`, and a bias of 0."""
    return Start(initial_matrices(shapes, seed), np.zeros(shapes[-1][1], dtype=np.float32))
