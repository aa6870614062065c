"""How outlying an image is, from its logits `[..., N, C]`: higher scores mean more outlying (as in pytorch-ood).

Everything is computed in float64: at temperature 1000 scores differ from the sixth
decimal on, and float32 would make ties of many. Any finite logits can be scored.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from evoprune._types import FloatArray

ODIN_TEMPERATURE = 1000.0
"""Temperature of ODIN, as published and as in MO-EvoPruneDeepTL (arXiv 2302.10253)."""


def odin(logits: NDArray[np.floating[Any]], temperature: float = ODIN_TEMPERATURE) -> FloatArray:
    """Negative maximum softmax probability at a high temperature `[..., N]`, -1..-1/C.

    ODIN (Liang et al. 2018, arXiv 1706.02690, section 3) without perturbation of the input.
    """
    exact = logits.astype(np.float64)
    # Infinite logits of a diverged training give NaN, quietly.
    with np.errstate(invalid="ignore"):
        scores: FloatArray = -1 / np.exp((exact - exact.max(axis=-1, keepdims=True)) / temperature).sum(axis=-1)
    return scores


def msp(logits: NDArray[np.floating[Any]]) -> FloatArray:
    """Negative maximum softmax probability `[..., N]` (Hendrycks and Gimpel 2017, arXiv 1610.02136), -1..-1/C."""
    return odin(logits, 1.0)


def energy(logits: NDArray[np.floating[Any]]) -> FloatArray:
    """Free energy at temperature 1, the negative log-sum-exp of the logits `[..., N]`.

    Liu et al. 2020 (arXiv 2010.03759), section 3, equation 4.
    """
    exact = logits.astype(np.float64)
    top = exact.max(axis=-1)
    with np.errstate(invalid="ignore"):
        scores: FloatArray = -top - np.log(np.exp(exact - top[..., None]).sum(axis=-1))
    return scores


def maxlogit(logits: NDArray[np.floating[Any]]) -> FloatArray:
    """Negative largest logit `[..., N]` (Hendrycks et al. 2022, arXiv 1911.11132)."""
    scores: FloatArray = -logits.astype(np.float64).max(axis=-1)
    return scores
