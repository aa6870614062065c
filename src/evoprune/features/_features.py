"""Features: the matrix that everything after the backbone works on, and what is judged beside it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from evoprune._types import Float32Array, IntArray
from evoprune.backbones import Backbone
from evoprune.data import BrokenImage, Division
from evoprune.errors import ConfigError
from evoprune.features._digest import arrays_digest


@dataclass(frozen=True, eq=False)
class OODFeatures:
    """Features of one set of out-of-distribution (OOD) images, which belong to no class of a study.

    Attributes:
        name: of the set.
        X: features `[N, D]`, float32, finite, all different.
        groups: class inside the set `[N]`, int64, from 0; draws are spread evenly over them.
        search: rows that the search may see, sorted.
        report: rows kept for the final report, sorted: all others.
        digest: SHA-256 over X, groups, search and report, hexadecimal.
    """

    name: str
    X: Float32Array
    groups: IntArray
    search: IntArray
    report: IntArray
    digest: str

    @classmethod
    def of(cls, name: str, X: Float32Array, groups: IntArray, search: IntArray, report: IntArray) -> OODFeatures:
        """Put a set together with its digest; the arguments are the attributes."""
        return cls(name, X, groups, search, report, arrays_digest(X, groups, search, report))

    def __repr__(self) -> str:
        return f"OODFeatures({self.name!r}: {len(self.search)} rows for the search, {len(self.report)} for the report)"


@dataclass(frozen=True, eq=False)
class Corrupted:
    """Features of the same images corrupted in several ways.

    Attributes:
        kinds: names of the K corruptions (see `data.CORRUPTIONS`).
        rows: which rows of the study's features were corrupted `[R]`, sorted.
        X: features `[K, R, D]`, float32, finite.
        digest: SHA-256 over kinds, rows and X, hexadecimal.
    """

    kinds: tuple[str, ...]
    rows: IntArray
    X: Float32Array
    digest: str

    @classmethod
    def of(cls, kinds: tuple[str, ...], rows: IntArray, X: Float32Array) -> Corrupted:
        """Put corrupted images together with their digest; the arguments are the attributes."""
        return cls(kinds, rows, X, arrays_digest(rows, X, words=kinds))

    def at(self, rows: IntArray) -> Float32Array:
        """Features `[K, n, D]` of the corrupted images of these rows `[n]` of the study's features.

        Raises:
            ConfigError: a row was not corrupted.
        """
        missing = np.setdiff1d(rows, self.rows)
        if len(missing):
            raise ConfigError(
                f"row {missing[0]} has no corrupted images ({len(self.rows)} rows have); corrupt every row that "
                "candidates are evaluated on"
            )
        return self.X[:, np.searchsorted(self.rows, rows)]

    def __repr__(self) -> str:
        return f"Corrupted({', '.join(self.kinds)}: {len(self.rows)} rows each)"


@dataclass(frozen=True, eq=False)
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
        ood: sets of out-of-distribution images, no row of which is in X or in another set.
        corrupted: corrupted images of rows that candidates are evaluated on, or None.
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
    ood: tuple[OODFeatures, ...] = ()
    corrupted: Corrupted | None = None

    def __repr__(self) -> str:
        outside = f", {len(self.ood)} OOD set{'s' * (len(self.ood) > 1)}" if self.ood else ""
        return f"Features({self.name!r}: {len(self.y)} rows, {self.width} features, {self.classes} classes{outside})"

    @property
    def width(self) -> int:
        """D, the number of features."""
        return int(self.X.shape[1])

    @property
    def classes(self) -> int:
        """C, the number of classes."""
        return len(self.class_names)
