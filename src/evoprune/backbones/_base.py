"""What a backbone is: a frozen network that turns images into feature vectors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from evoprune._types import ByteArray, Float32Array


@dataclass(frozen=True)
class Preprocessing:
    """From pixels `[H, W, 3]` (uint8, RGB) to the network's input `[3, h, w]` (float32).

    Attributes:
        size: height and width of the input, pixels.
        fit: `stretch` resizes to `size` without keeping the aspect ratio; `crop` resizes the
            shorter side to `size / crop_fraction` and takes the centre.
        crop_fraction: share of the resized image that the centre crop keeps (`crop` only).
        interpolation: filter of the resizing (antialiased).
        mean: subtracted from each channel, on the scale 0..255.
        std: divides each channel, on the scale 0..255.
        color: order of the channels that the network expects.
    """

    size: tuple[int, int]
    fit: Literal["stretch", "crop"] = "stretch"
    crop_fraction: float = 1.0
    interpolation: Literal["nearest", "bilinear", "bicubic", "lanczos"] = "bilinear"
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (255.0, 255.0, 255.0)
    color: Literal["RGB", "BGR"] = "RGB"


class Backbone(Protocol):
    """A frozen feature extractor.

    Name, fingerprint and input size are known without building the network, so that a run
    whose features are cached never pays for it. Reading `width` may build it.
    """

    @property
    def name(self) -> str:
        """What the user typed (`tiny`, `resnet50`, `onnx:FILE`), enough to load it again."""

    @property
    def width(self) -> int:
        """D, the number of features.

        Raises:
            BackboneError: the network cannot be built, or its output is no feature vector.
        """

    @property
    def fingerprint(self) -> str:
        """SHA-256 over weights and preprocessing, hexadecimal.

        Two backbones with equal fingerprints give equal features.
        """

    @property
    def input_size(self) -> tuple[int, int]:
        """Height and width of the input, pixels."""

    def prepare(self, pixels: ByteArray) -> Float32Array:
        """One image `[H, W, 3]` (uint8, RGB) as the network's input `[3, h, w]`. Thread-safe."""

    def extract(self, batch: Float32Array) -> Float32Array:
        """Features `[N, D]` of a batch of prepared images `[N, 3, h, w]`.

        Raises:
            BackboneError: the network cannot be built, or its output is no feature vector.
        """
