"""Features: the matrix that everything after the backbone works on."""

from __future__ import annotations

from dataclasses import dataclass, field

from evoprune._types import Float32Array, IntArray
from evoprune.backbones import Backbone
from evoprune.data import BrokenImage, Division


@dataclass(frozen=True)
class Features:
    """Feature vectors with labels and divisions.

    Attributes:
        name: name of the data set.
        X: features `[N, D]`, float32, finite; may be memory-mapped (read-only).
        y: class numbers `[N]`, int64, 0..C-1.
        class_names: C names.
        divisions: which rows are for training, validation and test.
        digest: SHA-256 over X, y and the divisions, hexadecimal.
        row_names: what each row is called (image paths), or None.
        backbone: the network that made the features, or None for a feature file.
        broken: images left out because they cannot be read.
        duplicates: number of test images whose contents also stand in the training part.
    """

    name: str
    X: Float32Array
    y: IntArray
    class_names: tuple[str, ...]
    divisions: tuple[Division, ...]
    digest: str
    row_names: tuple[str, ...] | None = None
    backbone: Backbone | None = None
    broken: tuple[BrokenImage, ...] = field(default=())
    duplicates: int = 0

    def __repr__(self) -> str:
        return f"Features({self.name!r}: {len(self.y)} rows, {self.width} features, {self.classes} classes)"

    @property
    def width(self) -> int:
        """D, the number of features."""
        return int(self.X.shape[1])

    @property
    def classes(self) -> int:
        """C, the number of classes."""
        return len(self.class_names)
