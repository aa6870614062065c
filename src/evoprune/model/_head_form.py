"""Heads changed in form and not in what they compute: on fewer features, and without empty layers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from evoprune._types import IntArray
from evoprune.heads import CompactHead, EnsembleHead
from evoprune.model._stored_head import AnyHead


def on_features(head: AnyHead, kept: IntArray) -> AnyHead:
    """The head for a backbone that gives only the features of these ascending numbers `[k]`, which it reads."""
    return _each(
        head, lambda h: replace(h, inputs=np.searchsorted(kept, h.inputs).astype(np.int64), width=int(kept.size))
    )


def without_empty_layers(head: AnyHead) -> AnyHead:
    """The head with one unit of weight 0 wherever a layer has none; runtimes disagree on matrices without entries."""
    return _each(head, _filled)


def _each(head: AnyHead, change: Callable[[CompactHead], CompactHead]) -> AnyHead:
    if isinstance(head, CompactHead):
        return change(head)
    return EnsembleHead(tuple(map(change, head.members)), head.vote)


def _filled(head: CompactHead) -> CompactHead:
    if all(head.matrices[i].shape[0] for i in range(len(head.matrices))):
        return head
    matrices, biases = list(head.matrices), list(head.biases)
    for i, matrix in enumerate(matrices):
        if not matrix.shape[0]:
            matrices[i] = np.zeros((1, matrix.shape[1]), np.float32)
            if i:
                matrices[i - 1] = np.zeros((matrices[i - 1].shape[0], 1), np.float32)
                biases[i - 1] = None
    inputs = head.inputs if head.inputs.size else np.zeros(1, np.int64)
    return replace(head, inputs=inputs, matrices=tuple(matrices), biases=tuple(biases))
