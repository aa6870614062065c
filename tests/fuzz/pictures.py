"""Fuzzing of images."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from hypothesis import strategies as st

from evoprune.backbones import Preprocessing, preprocess
from evoprune.data import load_image

from .material import Material, png
from .mutations import mutated
from .target import Target

_DECODED = 2 << 30
"""Bytes that the largest image takes while it is decoded, as docs/safety.md says."""

_IMAGE_WORDS = (
    b"\xff\xd8", b"\xff\xda", b"\xff\xe1", b"Exif\x00\x00", b"IDAT", b"IEND", b"acTL", b"fcTL", b"tRNS", b"iCCP",
    b"II*\x00", b"MM\x00*", b"RIFF", b"WEBP", b"VP8X", b"ANMF", b"BM", b"GIF89a", b"%!PS-Adobe", b"\xff\xff\xff\x7f",
)  # fmt: skip
_SIDES = (1, 2, 3, 7, 100, 1000, 9000, 30_000, 65_535, 10**6, 2**31 - 1)


def images(whole: Material) -> Iterator[Target]:
    # The published networks' own: the shorter side to 256, the middle 224 x 224; and stretched.
    ways = (Preprocessing((224, 224), "crop", 0.875), Preprocessing((32, 32)))

    def read(data: bytes, folder: Path) -> None:
        path = folder / "image.jpg"
        path.write_bytes(data)
        pixels = load_image(path)
        if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
            raise AssertionError(f"{pixels.dtype} {pixels.shape}")
        for way in ways:
            preprocess(pixels, way)

    def drawn(parts: tuple[int, int, int, int, int]) -> bytes:
        width, height, depth, colour, rows = parts
        return png(width, height, depth, colour, bytes(min(rows * 1000, (1 + 8 * width) * height, 10**6)))

    sides = st.sampled_from(_SIDES)
    described = st.tuples(
        sides, sides, st.sampled_from((1, 2, 4, 8, 16, 3)), st.sampled_from((0, 2, 3, 4, 6, 5)), sides
    ).map(drawn)
    yield Target("images, bytes", mutated(whole.images, _IMAGE_WORDS), read, 14, growth=_DECODED)
    yield Target("images, what they say of themselves", described, read, 3, growth=_DECODED)
