"""What is known of a candidate after its trainings, without the trained heads."""

from __future__ import annotations

from dataclasses import dataclass

from evoprune._types import FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class Examined:
    """A trained candidate, judged; small enough to be sent from machine to machine.

    Attributes:
        values: of the S training seeds and M objectives `[S, M]`, each the mean over folds, in natural sign.
        predictions: class numbers of the evaluation rows of all folds, one after the other, a line a seed
            `[S, N]`; None where they were not asked for.
        parameters: of the compact head of the first fold and seed.
        multiply_adds: of that head, for one row.
    """

    values: FloatArray
    predictions: IntArray | None
    parameters: int
    multiply_adds: int
