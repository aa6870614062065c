"""pymoo's normalisation of objectives, without what it does to the rest of the process."""

from __future__ import annotations

import warnings

import numpy as np
from pymoo.algorithms.moo.nsga3 import HyperplaneNormalization

from evoprune._types import FloatArray, IntArray


class Normalization(HyperplaneNormalization):  # type: ignore[misc]  # pymoo has no types
    """The ideal and the nadir point of NSGA-III (Deb and Jain, 2014), as pymoo estimates them.

    pymoo silences every warning of the process for good, and leaves an objective that has one
    value in all members without a range, by which SPEA2 then divides: its distances and its
    fitness would be NaN. Here the warnings stay as they were, and such an objective has range 1.
    """

    def update(self, F: FloatArray, nds: IntArray | None = None) -> None:
        """Take in costs `[P, M]`, of which the rows `nds` (by default all) may be extreme points."""
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            super().update(F, nds)
        constant = self.nadir_point == self.ideal_point
        self.nadir_point[constant] = self.ideal_point[constant] + 1.0
