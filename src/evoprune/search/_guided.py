"""Guided search: sizes as niches, and children that trained gates choose out of their parents."""

from __future__ import annotations

import numpy as np

from evoprune._types import BoolArray, FloatArray, IntArray
from evoprune.search._base import Algorithm, succeeded
from evoprune.search._front import costs
from evoprune.search._guide import Guide
from evoprune.search._options import PUBLISHED, SearchOptions

SHARES = (0.01, 0.02, 0.035, 0.05, 0.07, 0.1, 0.15, 0.25, 0.35, 0.5, 0.75)
"""Sizes that are searched, as shares of all bits; the full genome is asked besides."""

GUIDED_SHARE = 0.2
"""Searched too where there is a guide. Without one a size learns from its own evaluations alone, and the fewer each
has the less it finds."""

FLAT = 0.1
"""Where the smallest size costs no more than this share of the whole range of costs, half of it is searched too."""

NEAR = 0.12
"""Genomes whose size differs by less than this share belong to one niche."""

CHILDREN, FEW_CHILDREN, NICHES_A_TURN = 6, 1, 2
"""Children of a niche in its turn, those of a niche of large genomes, and niches a turn. Large genomes are dear to
evaluate and differ little from each other."""

GATED_FROM = 256
"""Of fewer bits, gates choose the same few again and again: minutes of training for children that are known."""

FRESH = 0.25
"""Bits that neither parent has are added to a pool of parents, at least so many in proportion to it."""

GATED_UP_TO = 0.175
"""Share of all bits up to which gates choose the children, between the sizes of 15 and 20 %. Above, what a set gains
by fitting together is less than what single eliminations err, and children are votes of several."""

SWAPS = (1, 1, 1, 2, 2, 3, 4, 6)
"""Bits that are exchanged in a child that is known already, in one try after the other."""

NOISE = 0.15
"""Standard deviation of what is added to a vote, in units of the spread of scores."""


class GuidedSearch(Algorithm):
    """An evolutionary search for good genomes of every size.

    Sizes are niches: a genome competes with those of about its own size alone, so that one
    run finds the whole trade-off, and large genomes do not push out small ones. In each turn
    some niches have children. Up to 15 % of all bits, where there are at least 256, two parents
    (of the niche, or one of the next larger sizes) and some random bits form a pool, out of which
    the guide keeps as many bits as the niche has. Above it, a child is the vote of some of the
    guide's scores and of the niche's better half, with noise. Without a guide children are votes at
    every size, of what the search itself has learned: how often a bit is in better genomes.
    Where a hundredth of all bits does nearly as well as any genome, smaller sizes become niches too.

    Within a niche the order is that of non-dominated sorting and crowding (Deb and others,
    2002). The turns do not depend on the budget, so that a run may be made longer.
    """

    steady = True

    def __init__(
        self,
        length: int,
        maximize: tuple[bool, ...],
        seed: int = 0,
        options: SearchOptions = PUBLISHED,
        guide: Guide | None = None,
    ) -> None:
        """Start a search.

        Args:
            length: L, the number of bits of a genome.
            maximize: M directions, True where larger is better.
            seed: of all random draws.
            options: `prior` and `recombination` are used.
            guide: scores bits and recombines genomes; None to go by evaluations alone.

        Raises:
            ConfigError: an argument is out of range.
        """
        super().__init__(length, maximize, seed)
        self._rng = np.random.default_rng(seed)
        self._guide = guide
        self._options = options
        guided = guide is not None and (options.prior or options.recombination)
        shares = (*SHARES, GUIDED_SHARE) if guided else SHARES
        self._sizes = sorted({max(1, round(share * length)) for share in shares} - {length})
        self._turn = -1
        self._genomes = np.zeros((0, length), dtype=np.bool_)
        self._ones = np.zeros(0, dtype=np.int64)
        self._known: set[bytes] = set()
        self._costs = np.zeros((0, len(maximize)))
        self._scores: FloatArray | None = None
        self._learned: FloatArray | None = None

    def _propose(self) -> BoolArray:
        self._turn += 1
        # A genome of one bit has no size besides the full one, and with nothing learned there are no parents.
        begin = self._turn == 0 or not self._sizes or not len(self._genomes)
        smaller = None if begin else self._smaller()
        if begin:
            proposed = self._initial()
        elif smaller is not None:
            self._sizes.insert(0, smaller)
            proposed = self._first_of(smaller)
        else:
            proposed = self._children()
        asked = _distinct(proposed)
        # In small spaces a turn may bring nothing new; then its children are changed by a few bits.
        return self._changed(asked) if all(_packed(genome) in self._known for genome in asked) else asked

    def _learn(self, genomes: BoolArray, values: FloatArray) -> None:
        fine = succeeded(values)
        self._learned = None
        new = fine & np.array([_packed(genome) not in self._known for genome in genomes])
        self._genomes = np.concatenate([self._genomes, genomes[new]])
        self._ones = np.concatenate([self._ones, genomes[new].sum(axis=1)])
        self._known.update(_packed(genome) for genome in genomes[new])
        self._costs = np.concatenate([self._costs, costs(values[new], self.maximize)])

    def _changed(self, children: BoolArray) -> BoolArray:
        """Children with so many bits exchanged that they are new; all as they are where nothing new is found."""
        found: dict[bytes, BoolArray] = {}
        for child in children:
            for swaps in SWAPS:
                changed = self._swapped(child, swaps)
                if _packed(changed) not in self._known and _packed(changed) not in found:
                    found[_packed(changed)] = changed
                    break
        return np.stack(list(found.values())) if found else children

    def _swapped(self, genome: BoolArray, swaps: int) -> BoolArray:
        """A genome with some of its bits exchanged for others, which are drawn by their scores."""
        active, absent = np.flatnonzero(genome), np.flatnonzero(~genome)
        swaps = min(swaps, len(active), len(absent))
        wanted = self._rng.gumbel(size=self.length) + self._worth()
        changed = genome.copy()
        changed[self._rng.choice(active, size=swaps, replace=False)] = False
        changed[absent[np.argsort(-wanted[absent], kind="stable")[:swaps]]] = True
        return changed

    def _initial(self) -> BoolArray:
        """The full genome, and for each size the best by each score, by their mean, and a random one."""
        return np.concatenate(
            [np.ones((1, self.length), dtype=np.bool_), *(self._first_of(size) for size in self._sizes)]
        )

    def _first_of(self, size: int) -> BoolArray:
        """The first genomes of a niche: the best by single scores and by their mean, and a random one."""
        scores = [self._rng.random(self.length)]
        if self._guidance is not None:
            scores += [self._guidance.mean(axis=0), *self._guidance[:3]]
        else:
            scores += [self._rng.random(self.length) for _ in range(3)]
        return _best(np.stack(scores), size)

    def _smaller(self) -> int | None:
        """Half of the smallest size, where genomes of that size cost hardly more than the best; else None.

        By the first objective, in units of the range over all genomes.
        """
        smallest = self._sizes[0]
        rows = self._ranked(smallest * (1 - NEAR), smallest * (1 + NEAR))
        costs_of_all = self._costs[:, 0]
        span = np.ptp(costs_of_all)
        if smallest == 1 or not len(rows) or self._costs[rows, 0].min() - costs_of_all.min() > FLAT * span:
            return None
        return smallest // 2

    @property
    def _guidance(self) -> FloatArray | None:
        """The guide's scores `[S, L]`, each standardised."""
        if self._guide is None or not self._options.prior:
            return None
        if self._scores is None:
            scores: FloatArray = self._guide.scores()
            spread = scores.std(axis=1, keepdims=True)
            self._scores = np.asarray((scores - scores.mean(axis=1, keepdims=True)) / np.where(spread > 0, spread, 1))
        return self._scores

    def _children(self) -> BoolArray:
        count = len(self._sizes)
        # Niches far from each other have their turn together, small and large alike.
        turns = [(self._turn * NICHES_A_TURN + i) * _coprime(count) % count for i in range(NICHES_A_TURN)]
        return np.concatenate([self._children_of(self._sizes[turn]) for turn in turns])

    def _children_of(self, size: int) -> BoolArray:
        """Children of one niche `[CHILDREN, L]`."""
        niche = self._ranked(size * (1 - NEAR), size * (1 + NEAR))
        better = niche[: max(3, len(niche) // 2)]
        gated = (
            self._guide is not None
            and self._options.recombination
            and self.length >= GATED_FROM
            and size <= GATED_UP_TO * self.length
        )
        if not gated or len(better) < 2:
            children = CHILDREN if size <= GATED_UP_TO * self.length else FEW_CHILDREN
            return _best(np.stack([self._vote(better) for _ in range(children)]), size)
        larger = self._ranked(size * (1 + NEAR), size * 2.3)[:5]
        pools = []
        for child in range(CHILDREN):
            first, second = self._rng.choice(better, size=2, replace=False)
            if child % 3 == 2 and len(larger):
                second = self._rng.choice(larger)
            pools.append(self._genomes[first] | self._genomes[second])
        return self._recombined(np.stack(pools), size)

    def _recombined(self, pools: BoolArray, size: int) -> BoolArray:
        """What the guide keeps of pools of parents and some fresh bits, drawn by their scores."""
        total = min(self.length, max(int(pools.sum(axis=1).max() * (1 + FRESH)), size + 1))
        for pool in pools:
            fresh = self._rng.gumbel(size=self.length) + self._worth()
            absent = np.flatnonzero(~pool)
            pool[absent[np.argsort(-fresh[absent], kind="stable")[: total - int(pool.sum())]]] = True
        if self._guide is None:
            raise RuntimeError("a search without a guide has no one to recombine")
        return self._guide.recombine(pools, size, self._turn * len(self._sizes) + self._sizes.index(size))

    def _vote(self, better: IntArray) -> FloatArray:
        """Scores of all bits `[L]`: from some of the guide's, and from how often better genomes have them."""
        if self._guidance is not None:
            some = self._rng.random(len(self._guidance)) < 0.5
            scores: FloatArray = self._guidance[some if some.any() else slice(None)].mean(axis=0)
        else:
            scores = self._worth()
        if len(better):
            scores = scores + self._genomes[better].mean(axis=0)
        return np.asarray(scores + NOISE * self._rng.gumbel(size=self.length), dtype=np.float64)

    def _worth(self) -> FloatArray:
        """Worth of each bit `[L]`: by the guide's scores, or else how much more often better genomes have it.

        The better and the worse half of each niche are compared, so that sizes do not mix.
        """
        if self._guidance is not None:
            return np.asarray(self._guidance.mean(axis=0), dtype=np.float64)
        if self._learned is None:
            self._learned = self._learned_worth()
        return self._learned

    def _learned_worth(self) -> FloatArray:
        worth = np.zeros(self.length)
        for size in self._sizes:
            niche = self._ranked(size * (1 - NEAR), size * (1 + NEAR))
            half = len(niche) // 2
            if half:
                gap = self._genomes[niche[:half]].mean(axis=0) - self._genomes[niche[-half:]].mean(axis=0)
                worth += gap * np.sqrt(half)
        spread = worth.std()
        return worth / spread if spread > 0 else worth

    def _ranked(self, low: float, high: float) -> IntArray:
        """Row numbers of the genomes with `low` to `high` ones, best first."""
        rows = np.flatnonzero((self._ones >= low) & (self._ones <= high))
        return rows[_order(self._costs[rows])]


def _order(costs: FloatArray) -> IntArray:
    """Row numbers of costs `[P, M]` by front and crowding, best first."""
    if costs.shape[1] == 1 or len(costs) < 2:
        return np.argsort(costs[:, 0], kind="stable")
    # pymoo is slow to import.
    from pymoo.operators.survival.rank_and_crowding.metrics import calc_crowding_distance  # noqa: PLC0415
    from pymoo.util.nds.non_dominated_sorting import NonDominatedSorting  # noqa: PLC0415

    ordered = []
    for front in NonDominatedSorting().do(costs):
        crowding = calc_crowding_distance(costs[front])
        ordered.append(front[np.argsort(-crowding, kind="stable")])
    return np.concatenate(ordered)


def _best(scores: FloatArray, size: int) -> BoolArray:
    """The `size` bits with the highest of some scores `[K, L]`, as genomes `[K, L]`."""
    genomes = np.zeros(scores.shape, dtype=np.bool_)
    np.put_along_axis(genomes, np.argsort(-scores, axis=1, kind="stable")[:, :size], True, axis=1)
    return genomes


def _distinct(genomes: BoolArray) -> BoolArray:
    """The different ones among genomes `[P, L]`, in their order."""
    return np.stack(list({_packed(genome): genome for genome in genomes}.values()))


def _packed(genome: BoolArray) -> bytes:
    """What tells a genome from others."""
    return np.packbits(genome).tobytes()


def _coprime(count: int) -> int:
    """A step that visits all of `count` places and leaps about half of them."""
    return next(step for step in range(max(1, count // 2), count + 1) if np.gcd(step, count) == 1)
