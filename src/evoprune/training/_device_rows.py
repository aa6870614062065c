"""The training rows of all folds on a device, once for all candidates."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from evoprune._types import IntArray
from evoprune.training._device import free_bytes
from evoprune.training._goal import Goal

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Taken:
    """Some rows of G folds, on the device.

    Attributes:
        features: `[G, n, D + 1]`, whose last column is 0.
        targets: `[G, n, C]`.
        weights: `[G, n]`, or None where all rows count alike.
    """

    features: Tensor
    targets: Tensor
    weights: Tensor | None


class DeviceRows:
    """Features and goals of all folds: on the device where they fit, else sent a chunk at a time.

    They fit if they take no more than half of the memory that is free; which it is, is
    logged. It changes when rows travel, not what is computed.

    Args:
        features: training rows of each fold `[n_f, D]`, in the precision of the products.
        goals: what the rows of each fold are trained towards; all of one loss, all or none with weights.
        device: where they are wanted.

    Attributes:
        counts: training rows of each fold.
        width: D.
        classes: C, outputs of a row.
        loss: of a row.
        dtype: of the features.
    """

    def __init__(self, features: Sequence[Tensor], goals: Sequence[Goal], device: torch.device) -> None:
        self.device = device
        self.counts = [len(part) for part in features]
        self.width, self.classes, self.loss = features[0].shape[1], goals[0].outputs, goals[0].loss
        targets = [goal.targets for goal in goals]
        weights = [goal.weights for goal in goals if goal.weights is not None]
        self.dtype = features[0].dtype
        self._starts = np.concatenate([[0], np.cumsum(self.counts)[:-1]])
        needed = sum(part.numel() * part.element_size() for part in (*features, *targets, *weights))
        free = free_bytes(device)
        self.resident = needed <= free // 2
        self._features, self._targets, self._weights = list(features), targets, weights
        if self.resident:
            # A column of zeros at the end: what stands in for inputs that a candidate does not have.
            whole = torch.zeros(sum(self.counts), self.width + 1, dtype=self.dtype, device=device)
            for start, part in zip(self._starts.tolist(), features, strict=True):
                whole[start : start + len(part), : self.width] = part.to(device)
            self._features = [whole]
            self._targets = [torch.cat([part.to(device) for part in targets])]
            self._weights = [torch.cat([part.to(device) for part in weights])] if weights else []
        logger.info(
            "features of %d fold(s), %.0f MiB, are %s %s, where %.0f MiB were free",
            len(self.counts),
            needed / 2**20,
            "kept on" if self.resident else "sent a chunk of rows at a time to",
            device,
            free / 2**20,
        )

    def take(self, folds: IntArray, rows: IntArray) -> Taken:
        """Some rows of some folds, on the device.

        Args:
            folds: numbers of G folds `[G]`; one may come twice.
            rows: row numbers within each of them `[G, n]`.
        """
        shape = rows.shape
        if self.resident:
            index = torch.from_numpy((rows + self._starts[folds][:, None]).reshape(-1)).to(self.device)
            return Taken(
                self._features[0].index_select(0, index).view(*shape, -1),
                self._targets[0].index_select(0, index).view(*shape, -1),
                self._weights[0].index_select(0, index).view(*shape) if self._weights else None,
            )
        features = torch.zeros(*shape, self.width + 1, dtype=self.dtype)
        targets = torch.empty(*shape, self.classes, dtype=self._targets[0].dtype)
        weights = torch.empty(*shape, dtype=self._weights[0].dtype) if self._weights else None
        for group, (fold, chosen) in enumerate(zip(folds, rows, strict=True)):
            index = torch.from_numpy(chosen)
            features[group, :, : self.width] = self._features[fold].index_select(0, index)
            targets[group] = self._targets[fold].index_select(0, index)
            if weights is not None:
                weights[group] = self._weights[fold].index_select(0, index)
        return Taken(
            features.to(self.device), targets.to(self.device), None if weights is None else weights.to(self.device)
        )
