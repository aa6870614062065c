"""Lottery tickets: masks of connections, retrained from the initial weights (Frankle and Carbin, ICLR 2019).

The engine draws the initial weights from the seed, so that training a mask with the seed
of the dense head is the rewind.
"""

from __future__ import annotations

from collections.abc import Sequence

from evoprune.baselines._data import SelectionData
from evoprune.baselines._dense import connection_structure, pruned_matrix, retrain, train_dense
from evoprune.baselines._polynomial import decayed
from evoprune.baselines._pruned import largest_weights
from evoprune.errors import ConfigError
from evoprune.heads import CompactHead, Encoding


def weight_lottery(data: SelectionData, encoding: Encoding, counts: Sequence[int], seed: int) -> list[CompactHead]:
    """Heads of the connections that are largest after dense training, trained again from the start.

    Raises:
        ConfigError: the pruned matrix is the output layer's.
    """
    _check_matrix(encoding)
    data = data.for_models()
    matrix = train_dense(data, seed).matrices[pruned_matrix(encoding)]
    masks = [largest_weights(matrix, count / encoding.length) for count in counts]
    return retrain(data, [connection_structure(encoding, mask) for mask in masks], seed)


def polynomial_lottery(data: SelectionData, encoding: Encoding, counts: Sequence[int], seed: int) -> list[CompactHead]:
    """Heads of the connections that polynomial decay leaves, trained again from the start.

    Raises:
        ConfigError: the pruned matrix is the output layer's.
    """
    _check_matrix(encoding)
    data = data.for_models()
    masks = [mask for _, mask in decayed(data, encoding, counts, seed)]
    return retrain(data, [connection_structure(encoding, mask) for mask in masks], seed)


def _check_matrix(encoding: Encoding) -> None:
    """Refuse what the engine does not train: single connections of the output layer."""
    if pruned_matrix(encoding) == len(encoding.head.hidden):
        raise ConfigError(
            f"a lottery ticket of encoding {encoding.name!r} would prune the output layer of {encoding.head!r}, "
            "whose connections are always dense; give a head with two hidden layers, such as 512,512"
        )
