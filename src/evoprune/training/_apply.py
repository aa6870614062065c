"""A trained head on features: with torch, on the calling thread, a chunk of rows at a time."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from evoprune._types import Float32Array
from evoprune.heads import CompactHead

CHUNK_ROWS = 4096
"""Rows that pass through a head at a time."""


def head_logits(head: CompactHead, X: Float32Array) -> Float32Array:
    """Logits `[N, C]` of features `[N, D]`, as `CompactHead.logits`.

    Raises:
        DataError: the features have another width.
    """
    return _through(head, X, hidden_only=False)


def penultimate(head: CompactHead, X: Float32Array) -> Float32Array:
    """Outputs `[N, h]` of the active units of the last hidden layer, after ReLU, of features `[N, D]`.

    For a head without hidden layers these are the features `[N, d]` that it reads.

    Raises:
        DataError: the features have another width.
    """
    return _through(head, X, hidden_only=True)


def _through(head: CompactHead, X: Float32Array, *, hidden_only: bool) -> Float32Array:
    head.check(X)
    # One chunk, of no rows, where there are none: it still has the right width.
    parts = [_pass(head, X[start : start + CHUNK_ROWS], hidden_only) for start in range(0, max(len(X), 1), CHUNK_ROWS)]
    out: Float32Array = (parts[0] if len(parts) == 1 else torch.cat(parts)).numpy()
    return out


def _pass(head: CompactHead, X: Float32Array, hidden_only: bool) -> Tensor:
    # torch warns of arrays that cannot be written to, such as memory-mapped features.
    rows = torch.from_numpy(np.require(X, np.float32, ("C", "W")))
    out = rows.index_select(1, torch.from_numpy(head.inputs))
    layers = len(head.matrices) - hidden_only
    for index, (matrix, bias) in enumerate(zip(head.matrices[:layers], head.biases[:layers], strict=True)):
        if index:
            out.relu_()
        weights = torch.from_numpy(matrix)
        out = out @ weights if bias is None else torch.addmm(torch.from_numpy(bias), out, weights)
    return out.relu_() if hidden_only and layers else out
