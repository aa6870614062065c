"""A backbone of ours whose torch network is built when it is first needed."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from evoprune._types import ByteArray, Float32Array, IntArray
from evoprune.backbones._base import Preprocessing
from evoprune.backbones._preprocessing import preprocess

if TYPE_CHECKING:
    from torch import nn


class NetworkBackbone:
    """A torch network with known preprocessing.

    Attributes:
        name: what the user typed.
        fingerprint: SHA-256 over weights and preprocessing, hexadecimal.
        preprocessing: from pixels to input.
        architecture: name under which `empty_network` knows the network.
        cuts: numbers of the features that stayed each time the network was shrunk, of those
            that it gave before.
    """

    def __init__(
        self,
        name: str,
        fingerprint: str,
        preprocessing: Preprocessing,
        build: Callable[[], nn.Module],
        architecture: str | None = None,
        cuts: tuple[IntArray, ...] = (),
    ) -> None:
        """Store what is needed to build the network later.

        Args:
            name: what the user typed.
            fingerprint: SHA-256 over weights and preprocessing, hexadecimal.
            preprocessing: from pixels to input.
            build: makes the network with its weights, cut after global pooling.
            architecture: name of the network without weights; `name` where left out.
            cuts: the features that `build`'s network was cut to, one time after the other.
        """
        self.name = name
        self.fingerprint = fingerprint
        self.preprocessing = preprocessing
        self.architecture = architecture or name
        self.cuts = cuts
        self._build = build

    @property
    def input_size(self) -> tuple[int, int]:
        """Height and width of the input, pixels."""
        return self.preprocessing.size

    @cached_property
    def width(self) -> int:
        """D, the number of features, found by one forward pass.

        Raises:
            BackboneError: the weights do not fit the network.
        """
        return int(self.extract(np.zeros((1, 3, *self.input_size), dtype=np.float32)).shape[1])

    def prepare(self, pixels: ByteArray) -> Float32Array:
        """One image `[H, W, 3]` (uint8, RGB) as the network's input `[3, h, w]`. Thread-safe."""
        return preprocess(pixels, self.preprocessing)

    def extract(self, batch: Float32Array) -> Float32Array:
        """Features `[N, D]` of a batch of prepared images `[N, 3, h, w]`.

        Raises:
            BackboneError: the weights do not fit the network.
        """
        from evoprune.backbones._torch_network import run  # noqa: PLC0415

        return run(self.network, batch, self.name)

    @cached_property
    def network(self) -> nn.Module:
        """The torch network, frozen, on the CPU.

        Raises:
            BackboneError: the weights do not fit the network.
        """
        from evoprune.backbones._torch_network import freeze  # noqa: PLC0415

        return freeze(self._build())
