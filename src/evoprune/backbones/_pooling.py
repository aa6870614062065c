"""From whatever a network puts out to one feature vector per image."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from evoprune._types import Float32Array
from evoprune.errors import BackboneError


def pool(output: NDArray[Any], images: int, name: str) -> Float32Array:
    """Features `[N, D]`, contiguous float32.

    Args:
        output: `[N, D]` is taken as it is; maps `[N, D, H, W]` are averaged over H and W
            (global average pooling, so `[N, D, 1, 1]` is flattened).
        images: N, the number of images that went in.
        name: what errors call the backbone.

    Raises:
        BackboneError: the output has another form.
    """
    if output.ndim == 4:
        output = output.mean(axis=(2, 3))
    if output.ndim != 2 or output.shape[0] != images or output.shape[1] == 0:
        raise BackboneError(
            f"backbone {name!r} gives an output of shape {list(output.shape)} for {images} image(s); "
            "needed are features [N, D] or maps [N, D, H, W], so cut the network before its classifier"
        )
    return np.ascontiguousarray(output, dtype=np.float32)
