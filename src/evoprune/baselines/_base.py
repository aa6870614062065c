"""What all baselines have in common: a name, where it comes from, and what it can be asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from evoprune._types import BoolArray, FloatArray
from evoprune.baselines._counts import check_counts, genomes
from evoprune.baselines._data import SelectionData
from evoprune.errors import ConfigError
from evoprune.heads import CompactHead, Encoding

Ranking: TypeAlias = Callable[[SelectionData, Encoding, int], FloatArray]
"""From data, encoding and seed to a score of each bit `[L]`, higher is more important."""

Building: TypeAlias = Callable[[SelectionData, Encoding, Sequence[int], int], list[CompactHead]]
"""From data, encoding, numbers of active bits and seed to one head each."""

HIDDEN = ("first", "second", "both")
NEURONS = ("features", *HIDDEN)
EVERYTHING = (*NEURONS, "connections")


@dataclass(frozen=True)
class Baseline:
    """What a user would pick instead of a search.

    A baseline either ranks units, and its masks are retrained by whoever asked for them, or
    builds models that need no retraining. Both are deterministic given the seed.

    Attributes:
        name: what it is called by.
        title: what tables show.
        encodings: names of the encodings that it serves.
        source: where it is described.
        rank: scores the bits of a genome, or None.
        build: makes models, or None.
    """

    name: str
    title: str
    encodings: tuple[str, ...]
    source: str
    rank: Ranking | None = None
    build: Building | None = None

    @property
    def kind(self) -> Literal["mask", "model"]:
        """`mask`: ask for `masks`. `model`: ask for `models`."""
        return "mask" if self.rank is not None else "model"

    def masks(self, data: SelectionData, encoding: Encoding, counts: Sequence[int], seed: int) -> BoolArray:
        """One genome for each number of active bits; with `both`, each layer keeps at least one unit.

        The units are ranked once, so that a genome does not depend on the other counts and
        a smaller one lies within a larger one.

        Args:
            data: what to select on.
            encoding: what the bits mean.
            counts: K numbers of active bits.
            seed: of all random draws.

        Returns:
            Genomes `[K, L]` with exactly that many ones, in the order of `counts`.

        Raises:
            ConfigError: the baseline gives no masks, the encoding is not served or not of this
                data, or a count is impossible.
        """
        if self.rank is None:
            raise ConfigError(f"baseline {self.name!r} makes models and has no masks; ask it for models instead")
        self._check(data, encoding, counts)
        return genomes(encoding, self.rank(data, encoding, seed), counts)

    def models(self, data: SelectionData, encoding: Encoding, counts: Sequence[int], seed: int) -> list[CompactHead]:
        """One trained head on raw features for each number of active neurons.

        Where single weights are pruned, a count stands for the share `count / L` of the
        weights of the layer's matrix (see `pruned_matrix`).

        Args:
            data: what to train on.
            encoding: which layers are pruned.
            counts: numbers of active neurons of these layers.
            seed: of all random draws.

        Returns:
            Heads, in the order of `counts`.

        Raises:
            ConfigError: the baseline gives no models, the encoding is not served or not of this
                data, or a count is impossible.
        """
        if self.build is None:
            raise ConfigError(f"baseline {self.name!r} selects masks and has no models; ask it for masks instead")
        self._check(data, encoding, counts)
        return self.build(data, encoding, counts, seed)

    def _check(self, data: SelectionData, encoding: Encoding, counts: Sequence[int]) -> None:
        if encoding.name not in self.encodings:
            raise ConfigError(
                f"baseline {self.name!r} does not prune encoding {encoding.name!r}; "
                f"give one of {', '.join(self.encodings)}"
            )
        ours, theirs = (data.head, data.width, data.classes), (encoding.head, encoding.width, encoding.classes)
        if ours != theirs:
            raise ConfigError(
                f"the encoding is made for head, features and classes {theirs}, the data for {ours}; "
                "parse the encoding with those of the data"
            )
        check_counts(encoding, counts)
