"""The training rows of all folds on a device, once for all candidates."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from evoprune._types import IntArray
from evoprune.training._device import free_bytes

logger = logging.getLogger(__name__)


class DeviceRows:
    """Features and targets of all folds: on the device where they fit, else sent a chunk at a time.

    They fit if they take no more than half of the memory that is free; which it is, is
    logged. It changes when rows travel, not what is computed.

    Args:
        features: training rows of each fold `[n_f, D]`, in the precision of the products.
        targets: target distributions of each fold `[n_f, C]`.
        device: where they are wanted.

    Attributes:
        counts: training rows of each fold.
        width: D.
        classes: C.
        dtype: of the features.
    """

    def __init__(self, features: Sequence[Tensor], targets: Sequence[Tensor], device: torch.device) -> None:
        self.device = device
        self.counts = [len(part) for part in features]
        self.width, self.classes = features[0].shape[1], targets[0].shape[1]
        self.dtype = features[0].dtype
        self._starts = np.concatenate([[0], np.cumsum(self.counts)[:-1]])
        needed = sum(part.numel() * part.element_size() for part in (*features, *targets))
        free = free_bytes(device)
        self.resident = needed <= free // 2
        self._features, self._targets = list(features), list(targets)
        if self.resident:
            # A column of zeros at the end: what stands in for inputs that a candidate does not have.
            whole = torch.zeros(sum(self.counts), self.width + 1, dtype=self.dtype, device=device)
            for start, part in zip(self._starts.tolist(), features, strict=True):
                whole[start : start + len(part), : self.width] = part.to(device)
            self._features = [whole]
            self._targets = [torch.cat([part.to(device) for part in targets])]
        logger.info(
            "features of %d fold(s), %.0f MiB, are %s %s, where %.0f MiB were free",
            len(self.counts),
            needed / 2**20,
            "kept on" if self.resident else "sent a chunk of rows at a time to",
            device,
            free / 2**20,
        )

    def take(self, folds: IntArray, rows: IntArray) -> tuple[Tensor, Tensor]:
        """Some rows of some folds, on the device.

        Args:
            folds: numbers of G folds `[G]`; one may come twice.
            rows: row numbers within each of them `[G, n]`.

        Returns:
            Features `[G, n, D + 1]`, whose last column is 0, and targets `[G, n, C]`.
        """
        shape = rows.shape
        if self.resident:
            index = torch.from_numpy((rows + self._starts[folds][:, None]).reshape(-1)).to(self.device)
            features = self._features[0].index_select(0, index).view(*shape, -1)
            return features, self._targets[0].index_select(0, index).view(*shape, -1)
        features = torch.zeros(*shape, self.width + 1, dtype=self.dtype)
        targets = torch.empty(*shape, self.classes, dtype=self._targets[0].dtype)
        for group, (fold, chosen) in enumerate(zip(folds, rows, strict=True)):
            index = torch.from_numpy(chosen)
            features[group, :, : self.width] = self._features[fold].index_select(0, index)
            targets[group] = self._targets[fold].index_select(0, index)
        return features.to(self.device), targets.to(self.device)
