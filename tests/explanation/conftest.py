"""Small networks and heads."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from evoprune.heads import CompactHead


class Small(nn.Module):
    """Two convolutions with ReLU, and global average pooling: images `[N, 3, 16, 16]` to 6 features."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(inplace=True), nn.MaxPool2d(2))
        self.block = nn.Sequential(nn.Conv2d(4, 6, 3, padding=1), nn.ReLU(inplace=True))
        self.attention = nn.Conv2d(6, 6, 1)

    def forward(self, images):
        maps = self.block(self.stem(images))
        gate = torch.sigmoid(self.attention(maps.mean((2, 3), keepdim=True)))
        return (maps * gate).mean((2, 3))


@pytest.fixture
def small() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return Small().eval()


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(3, 3, 16, 16)).astype(np.float32)


@pytest.fixture
def head() -> CompactHead:
    """Reads features 0, 2 and 5 of 6; 4 hidden units, 3 classes."""
    rng = np.random.default_rng(2)
    matrices = tuple(rng.normal(size=shape).astype(np.float32) for shape in ((3, 4), (4, 3)))
    return CompactHead(np.array([0, 2, 5]), 6, matrices, (None, rng.normal(size=3).astype(np.float32)), (12, 12))
