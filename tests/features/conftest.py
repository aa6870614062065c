"""Small image sets and backbones whose work can be counted."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from evoprune.data import ArrayImage, Division, ImageSet


class CountingBackbone:
    """Mean and spread of the channels, and how often it was asked."""

    def __init__(self, name: str = "counting", broken_after: int | None = None) -> None:
        self.name = name
        self.fingerprint = hashlib.sha256(name.encode()).hexdigest()
        self.width = 6
        self.input_size = (4, 4)
        self.extracted = 0
        self.broken_after = broken_after

    def prepare(self, pixels):
        small = Image.fromarray(pixels).resize((4, 4))
        return np.asarray(small, dtype=np.float32).transpose(2, 0, 1)

    def extract(self, batch):
        self.extracted += len(batch)
        if self.broken_after is not None and self.extracted > self.broken_after:
            raise KeyboardInterrupt
        return np.concatenate([batch.mean((2, 3)), batch.std((2, 3))], axis=1)


class UntouchableBackbone(CountingBackbone):
    """Fails where it is used at all."""

    def __init__(self, name: str = "counting") -> None:
        super().__init__(name)
        del self.width

    def __getattr__(self, attribute):
        raise AssertionError(f"the backbone was touched: {attribute}")

    def prepare(self, pixels):
        raise AssertionError("the backbone was touched")

    def extract(self, batch):
        raise AssertionError("the backbone was touched")


def make_images(count: int, seed: int = 0) -> ImageSet:
    rng = np.random.default_rng(seed)
    images = tuple(ArrayImage(f"{seed}/{row}", rng.integers(0, 256, (9, 7, 3), dtype=np.uint8)) for row in range(count))
    labels = np.arange(count, dtype=np.int64) % 2
    division = Division(np.arange(0, count - 4), np.arange(count - 4, count))
    return ImageSet("made", images, labels, ("a", "b"), (division,))


@pytest.fixture
def counting() -> Callable[..., CountingBackbone]:
    return CountingBackbone


@pytest.fixture
def untouchable() -> Callable[..., UntouchableBackbone]:
    return UntouchableBackbone


@pytest.fixture
def image_set() -> ImageSet:
    return make_images(20)


@pytest.fixture
def images_of() -> Callable[..., ImageSet]:
    return make_images


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Each test has a cache of its own."""
    monkeypatch.setenv("EVOPRUNE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "features"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twelve image files, two classes, split already."""
    rng = np.random.default_rng(0)
    for part, count in (("train", 4), ("test", 2)):
        for name in ("cats", "dogs"):
            target = tmp_path / "pets" / part / name
            target.mkdir(parents=True)
            for row in range(count):
                pixels = rng.integers(0, 256, (10, 12, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(target / f"{row}.png")
    return tmp_path / "pets"
