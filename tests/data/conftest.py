"""Small image folders for the tests of the data room."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

MakeFolder = Callable[[Mapping[str, int]], Path]


def write_image(path: Path, seed: int) -> Path:
    """Write a small colour image whose contents depend on the seed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (4, 5, 3), dtype=np.uint8)
    PIL.Image.fromarray(pixels).save(path)
    return path


@pytest.fixture
def make_folder(tmp_path: Path) -> MakeFolder:
    """Make `data/` from a mapping of sub-folder -> number of distinct images; 0 makes an empty folder."""

    def make(counts: Mapping[str, int]) -> Path:
        root = tmp_path / "data"
        root.mkdir()
        seed = 0
        for folder, count in counts.items():
            (root / folder).mkdir(parents=True, exist_ok=True)
            for number in range(count):
                write_image(root / folder / f"{number:03d}.png", seed)
                seed += 1
        return root

    return make
