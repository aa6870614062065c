"""The network behind the bundled backbone `tiny`: images of 32 x 32 pixels to 384 features."""

from __future__ import annotations

import torch
from torch import Tensor, nn

WIDTH = 384
INPUT_SIZE = 32
CHANNELS = (24, 64, 128, 128)


def _block(inputs: int, outputs: int) -> nn.Sequential:
    """Halve the resolution, then two 3 x 3 convolutions' worth of mixing."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
        nn.MaxPool2d(2),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
        nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


class TinyNetwork(nn.Module):
    """Convolutional network, 0.62 M parameters: `[N, 3, 32, 32]` -> `[N, 384]`.

    A 2 x 2 convolution (initialised to whiten image patches), three blocks that
    each halve the resolution, a 1 x 1 convolution to the features, and global
    average pooling. The features are non-negative.
    """

    def __init__(self) -> None:
        super().__init__()
        first, *widths = CHANNELS
        self.whiten = nn.Sequential(nn.Conv2d(3, first, 2), nn.ReLU(inplace=True))
        self.blocks = nn.Sequential(*(_block(i, o) for i, o in zip(CHANNELS[:-1], widths, strict=True)))
        self.expand = nn.Sequential(
            nn.Conv2d(widths[-1], WIDTH, 1, bias=False),
            nn.BatchNorm2d(WIDTH),
            nn.ReLU(inplace=True),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Features `[N, 384]` of normalised images `[N, 3, 32, 32]`."""
        maps = self.expand(self.blocks(self.whiten(images)))
        return torch.mean(maps, dim=(2, 3))
