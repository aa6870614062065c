"""Train a batch of candidates over folds and seeds: the interface that the rest of evoprune uses."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeAlias

import numpy as np
import psutil
import torch
from numpy.typing import NDArray

from evoprune._types import Float32Array
from evoprune.errors import is_shortage
from evoprune.heads import CompactHead, Head, Structure, compact_head
from evoprune.training._apply import CHUNK_ROWS, head_logits
from evoprune.training._cancelled import TrainingCancelled
from evoprune.training._committee import groups_of, joined
from evoprune.training._device import named_shortage, resolve_device, trains_in_packs
from evoprune.training._engine import CompactWeights, train_compact
from evoprune.training._packed_engine import PackedEngine
from evoprune.training._packs import Job
from evoprune.training._prepare import PreparedFold, prepare_fold
from evoprune.training._randomness import initial_weights
from evoprune.training._recipe import Recipe
from evoprune.training._training_set import TrainingSet, check_training_set

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class TrainedCandidate:
    """One candidate after training, by fold and seed.

    Attributes:
        heads: compact heads `[folds][seeds]` that take raw features (standardisation folded in).
        logits: on each fold's evaluation rows `[folds][seeds]`, each `[n, C]`, float32; in a regression, the
            predicted values in their natural units.
        epochs: epochs run `[folds][seeds]`.
        extra: logits on the training set's extra rows, by name, `[folds][seeds]`, each `[n, C]`, float32.
    """

    heads: tuple[tuple[CompactHead, ...], ...]
    logits: tuple[tuple[Float32Array, ...], ...]
    epochs: tuple[tuple[int, ...], ...]
    extra: Mapping[str, tuple[tuple[Float32Array, ...], ...]] = field(default_factory=dict)

    def with_seed(self, index: int) -> TrainedCandidate:
        """The same candidate with its `index`-th seed alone."""
        return TrainedCandidate(
            heads=tuple((fold[index],) for fold in self.heads),
            logits=tuple((fold[index],) for fold in self.logits),
            epochs=tuple((fold[index],) for fold in self.epochs),
            extra={name: tuple((fold[index],) for fold in folds) for name, folds in self.extra.items()},
        )


_Key: TypeAlias = tuple[int, int, int]
"""Number of a candidate, number of a fold, and seed."""


@dataclass(frozen=True, eq=False)
class _Trained:
    """One training's result: the head, its logits on evaluation and extra rows, and the epochs run."""

    head: CompactHead
    logits: Float32Array
    epochs: int
    extra: dict[str, Float32Array]


class Trainer:
    """Trains candidates on one training set; what they share is prepared once.

    On the CPU each training runs on one thread, as many at a time as torch has threads
    (`torch.set_num_threads`, `OMP_NUM_THREADS`) and memory allows. A candidate's result
    depends on itself, the data and the recipe alone: it is the same, bit for bit on one
    machine, whatever it is trained with and on however many threads.

    On a GPU many trainings run at once as one stack of matrices; trained heads are applied
    to rows on the CPU. Results are those of the CPU up to rounding; `_packed_engine` says
    how far they are the same in any company.

    Args:
        data: features, labels and folds.
        head: shape of the head.
        recipe: how to train.
        device: where, as `resolve_device` takes it.

    Raises:
        DataError: extra rows, weights or targets do not fit the features and folds (see `TrainingSet`).
        ConfigError: the device is unknown, or there is none such.
    """

    def __init__(self, data: TrainingSet, head: Head, recipe: Recipe, device: str = "cpu") -> None:
        check_training_set(data)
        self.device = resolve_device(device)
        self.data = data
        self.head = head
        self.recipe = recipe
        self._folds: list[PreparedFold] | None = None
        self._initial: dict[int, tuple[Float32Array, ...]] = {}
        self._packed: PackedEngine | None = None
        self._most_workers: int | None = None

    def train(
        self,
        structures: Sequence[Structure],
        seeds: Sequence[int],
        on_progress: Callable[[int, int], None] | None = None,
    ) -> list[TrainedCandidate]:
        """Train every candidate on every fold with every seed.

        Args:
            structures: P candidates.
            seeds: of initial weights, batches and dropout.
            on_progress: called with the number of trainings done and their total.

        Returns:
            P results, in the order of `structures`.
        """
        with named_shortage(self.device):
            folds = self._prepared(seeds)
            keys = [(p, f, s) for p in range(len(structures)) for f in range(len(folds)) for s in seeds]
            results: dict[_Key, _Trained] = {}
            while len(results) < len(keys):
                workers = self._workers()
                try:
                    self._train_missing(structures, keys, results, workers, on_progress)
                except (MemoryError, RuntimeError) as error:
                    if workers == 1 or not is_shortage(error):
                        raise
                    self._most_workers = workers // 2
                    logger.warning(
                        "memory ran out with %d trainings at a time; the %d not done are trained again, %d at a time",
                        workers,
                        len(keys) - len(results),
                        self._most_workers,
                    )
        return [
            self._candidate([[results[p, f, s] for s in seeds] for f in range(len(folds))])
            for p in range(len(structures))
        ]

    def _train_missing(
        self,
        structures: Sequence[Structure],
        keys: Sequence[_Key],
        results: dict[_Key, _Trained],
        workers: int,
        on_progress: Callable[[int, int], None] | None,
    ) -> None:
        """Make the trainings that have no result yet, so many at a time; those done are kept where one fails."""
        missing = [key for key in keys if key not in results]
        cancelled = threading.Event()
        waiting: dict[Future[_Trained], _Key] = {}

        def collect(seconds: float) -> None:
            done, _ = wait(waiting, timeout=seconds, return_when=FIRST_COMPLETED)
            for future in done:
                results[waiting.pop(future)] = future.result()
            if done and on_progress is not None:
                on_progress(len(results), len(keys))

        with ThreadPoolExecutor(workers, initializer=partial(torch.set_num_threads, 1)) as pool:
            try:
                if trains_in_packs(self.device):
                    # The GPU is driven from here; meanwhile the pool applies the heads that are done.
                    for (p, f, s), weights in self._in_packs(structures, missing, cancelled.is_set):
                        waiting[pool.submit(self._finish, weights, structures[p], f, cancelled.is_set)] = p, f, s
                        collect(0)
                else:
                    for p, f, s in missing:
                        waiting[pool.submit(self._train_one, structures[p], f, s, cancelled.is_set)] = p, f, s
                while waiting:
                    collect(0.2)  # with a time limit, so that an interrupt is heard on every system
            except BaseException:
                # An interrupt or a failure: what is under way ends within one chunk of rows.
                cancelled.set()
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    def _in_packs(
        self, structures: Sequence[Structure], keys: Sequence[_Key], cancelled: Callable[[], bool]
    ) -> Iterator[tuple[_Key, list[CompactWeights]]]:
        """Trainings on the GPU, as they are done: the weights of all groups of each."""
        divided = {p: groups_of(structures[p], self.recipe.groups) for p in {p for p, _, _ in keys}}
        for count in sorted({len(groups) for groups in divided.values()}):
            # Heads in as many groups: what groups of one seed and number begin with is the same for all of them.
            places = [(key, group) for key in keys if len(divided[key[0]]) == count for group in divided[key[0]]]
            jobs = [Job(group.structure, f, group.seed(s)) for (_, f, s), group in places]
            begin = {group.seed(s): group.begin(self._initial[s]) for (_, _, s), group in places}
            found: dict[_Key, dict[int, CompactWeights]] = {}
            for at, weights in self._engine().train(jobs, begin, cancelled):
                key, group = places[at]
                own = found.setdefault(key, {})
                own[group.number] = weights
                if len(own) == count:
                    del found[key]
                    yield key, [own[number] for number in range(count)]

    def _candidate(self, trained: Sequence[Sequence[_Trained]]) -> TrainedCandidate:
        """One candidate from its trainings `[folds][seeds]`."""
        return TrainedCandidate(
            heads=tuple(tuple(t.head for t in fold) for fold in trained),
            logits=tuple(tuple(t.logits for t in fold) for fold in trained),
            epochs=tuple(tuple(t.epochs for t in fold) for fold in trained),
            extra={name: tuple(tuple(t.extra[name] for t in fold) for fold in trained) for name in self.data.extra},
        )

    def _prepared(self, seeds: Sequence[int]) -> list[PreparedFold]:
        if self._folds is None:
            self._folds = [prepare_fold(self.data, number, self.recipe) for number in range(len(self.data.folds))]
        shapes = self.head.shapes(self.data.X.shape[1], self.data.classes)
        self._initial = {s: self._initial.get(s) or initial_weights(shapes, self.recipe, s) for s in seeds}
        return self._folds

    def _engine(self) -> PackedEngine:
        """The GPU's engine, which has the features of all folds there, or at hand."""
        if self._packed is None:
            folds = self._folds or []
            self._packed = PackedEngine(
                [fold.features for fold in folds], [fold.goal for fold in folds], self.recipe, self.device
            )
        return self._packed

    def _workers(self) -> int:
        """Trainings that run at a time: one a thread, fewer where memory is short."""
        threads = torch.get_num_threads() if self._most_workers is None else self._most_workers
        if trains_in_packs(self.device):
            return threads  # which apply heads that were trained elsewhere
        folds = self._folds or []
        # A training holds its columns of the features, and a chunk of them with its dropout.
        largest = max((f.features.numel() * f.features.element_size() for f in folds), default=0)
        affordable = int(psutil.virtual_memory().available // 2 // max(largest + 256 * 2**20, 1))
        workers = max(1, min(threads, affordable))
        if workers < threads:
            logger.warning("memory is short: %d trainings at a time instead of %d", workers, threads)
        return workers

    def _train_one(self, structure: Structure, number: int, seed: int, cancelled: Callable[[], bool]) -> _Trained:
        fold = (self._folds or [])[number]
        weights = [
            train_compact(
                fold.features,
                fold.goal,
                group.structure,
                group.begin(self._initial[seed]),
                self.recipe,
                group.seed(seed),
                cancelled=cancelled,
            )
            for group in groups_of(structure, self.recipe.groups)
        ]
        return self._finish(weights, structure, number, cancelled)

    def _finish(
        self, groups: Sequence[CompactWeights], structure: Structure, number: int, cancelled: Callable[[], bool]
    ) -> _Trained:
        """The head that a training on fold `number` came to, and its logits."""
        fold, weights = (self._folds or [])[number], joined(groups)
        head = compact_head(*fold.in_units(weights.matrices, weights.bias), structure, fold.mean, fold.scale)
        X, rows = self.data.X, self.data.folds[number].evaluate
        return _Trained(
            head,
            _logits(head, (X[chunk] for chunk in _chunks(rows)), cancelled),
            weights.epochs,
            {name: _logits(head, _chunks(extra[number]), cancelled) for name, extra in self.data.extra.items()},
        )


def _chunks(rows: NDArray[Any]) -> Iterator[NDArray[Any]]:
    for start in range(0, len(rows), CHUNK_ROWS):
        yield rows[start : start + CHUNK_ROWS]


def _logits(head: CompactHead, chunks: Iterator[Float32Array], cancelled: Callable[[], bool]) -> Float32Array:
    """Logits of a trained head on raw features that come a chunk of rows at a time."""
    parts = []
    for chunk in chunks:
        if cancelled():
            raise TrainingCancelled
        parts.append(head_logits(head, chunk))
    return np.concatenate(parts) if parts else np.zeros((0, head.classes), dtype=np.float32)


class WeightTraining:
    """Trainings on the first fold of which the weights themselves are wanted, on the processor.

    Args:
        data: features, labels and folds.
        head: shape of the head.
        recipe: how to train; heads are one group.

    Raises:
        DataError: extra rows, weights or targets do not fit the features and folds (see `TrainingSet`).
    """

    def __init__(self, data: TrainingSet, head: Head, recipe: Recipe) -> None:
        check_training_set(data)
        self._shapes = head.shapes(data.X.shape[1], data.classes)
        self._recipe = recipe
        self._fold = prepare_fold(data, 0, recipe)

    def weights(
        self, structure: Structure, seed: int, cancelled: Callable[[], bool] = lambda: False
    ) -> tuple[Float32Array, ...]:
        """Weights of the parts that are on, `[d, h]`, .., `[h, C]`, on features as the recipe takes them.

        Uses one thread, and may be called by several.

        Args:
            structure: what is on.
            seed: of batches and dropout, and of initial weights unless the recipe says which.
            cancelled: asked once a chunk of rows; if it says so, the training is given up.

        Raises:
            TrainingCancelled: `cancelled` said so.
        """
        initial = initial_weights(self._shapes, self._recipe, seed)
        trained = train_compact(
            self._fold.features, self._fold.goal, structure, initial, self._recipe, seed, cancelled=cancelled
        )
        return trained.matrices


def train_population(
    data: TrainingSet,
    structures: Sequence[Structure],
    *,
    head: Head,
    recipe: Recipe,
    seeds: Sequence[int],
    on_progress: Callable[[int, int], None] | None = None,
    device: str = "cpu",
) -> list[TrainedCandidate]:
    """Train candidates once; see `Trainer.train`, which is cheaper for several calls on the same data."""
    return Trainer(data, head, recipe, device).train(structures, seeds, on_progress)
