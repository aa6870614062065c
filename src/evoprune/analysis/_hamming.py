"""How far genomes lie apart."""

from __future__ import annotations

import numpy as np

from evoprune._types import BoolArray, FloatArray
from evoprune.errors import ConfigError


def hamming(a: BoolArray, b: BoolArray) -> float:
    """Share of the bits, 0..1, in which two genomes `[L]` differ.

    Raises:
        ConfigError: the two are no genomes of one length, from 1 bit.
    """
    if a.ndim != 1 or a.shape != b.shape or not len(a):
        raise ConfigError(f"genomes of shapes {a.shape} and {b.shape} have no distance; give two of one length, [L]")
    return float((a != b).mean())


def pairwise_hamming(genomes: BoolArray) -> FloatArray:
    """Shares of the bits, 0..1, in which each two of the genomes `[P, L]` differ: `[P, P]`, symmetric, 0 with itself.

    Raises:
        ConfigError: the genomes are no matrix, or have no bits.
    """
    if genomes.ndim != 2 or not genomes.shape[1]:
        raise ConfigError(f"genomes of shape {genomes.shape} have no distances; give [P, L]")
    bits = genomes.astype(np.float64)
    ones = bits.sum(axis=1)
    # Whole numbers: exact, and by a matrix product much faster than bit by bit.
    distances: FloatArray = (ones[:, None] + ones - 2 * bits @ bits.T) / genomes.shape[1]
    return distances


def closest(genomes: BoolArray, row: int) -> int:
    """The row of the genome nearest to one of the genomes `[P, L]`, other than itself; of several the first.

    Copies of it are passed over.

    Args:
        genomes: of P candidates.
        row: of the one, 0..P-1.

    Raises:
        ConfigError: the genomes are no matrix, there is no such row, or no other genome.
    """
    if genomes.ndim != 2:
        raise ConfigError(f"genomes of shape {genomes.shape} have no rows to compare; give [P, L]")
    if not 0 <= row < len(genomes):
        raise ConfigError(f"there is no genome {row} among {len(genomes)}; rows count from 0")
    bits = np.count_nonzero(genomes != genomes[row], axis=1)
    if not bits.any():
        raise ConfigError(f"none of the {len(genomes)} genomes differs from genome {row}; give others to compare with")
    return int(np.where(bits == 0, genomes.shape[1] + 1, bits).argmin())
