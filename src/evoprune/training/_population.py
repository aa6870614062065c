"""Train a batch of candidates over folds and seeds: the interface that the rest of evoprune uses."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import partial

import numpy as np
import psutil
import torch
from torch import Tensor

from evoprune._types import Float32Array, IntArray
from evoprune.data import Fold
from evoprune.heads import CompactHead, Head, Structure, compact_head
from evoprune.training._cancelled import TrainingCancelled
from evoprune.training._engine import smoothed_targets, train_compact
from evoprune.training._prepare import PreparedFold, prepare_fold
from evoprune.training._randomness import initial_matrices
from evoprune.training._recipe import Recipe

logger = logging.getLogger(__name__)

_EVALUATED_ROWS = 4096
"""Rows whose logits are computed at a time."""


@dataclass(frozen=True, eq=False)
class TrainingSet:
    """What all candidates are trained and evaluated on.

    Attributes:
        X: features `[N, D]`; may be memory-mapped.
        y: class numbers `[N]`.
        classes: C.
        folds: rows to train on and to evaluate on.
    """

    X: Float32Array
    y: IntArray
    classes: int
    folds: tuple[Fold, ...]


@dataclass(frozen=True, eq=False)
class TrainedCandidate:
    """One candidate after training, by fold and seed.

    Attributes:
        heads: compact heads `[folds][seeds]` that take raw features (standardisation folded in).
        logits: on each fold's evaluation rows `[folds][seeds]`, each `[n, C]`, float32.
        epochs: epochs run `[folds][seeds]`.
    """

    heads: tuple[tuple[CompactHead, ...], ...]
    logits: tuple[tuple[Float32Array, ...], ...]
    epochs: tuple[tuple[int, ...], ...]


class Trainer:
    """Trains candidates on one training set; what they share is prepared once.

    Each training runs on one thread, as many at a time as torch has threads
    (`torch.set_num_threads`, `OMP_NUM_THREADS`) and memory allows. A candidate's result
    depends on itself, the data and the recipe alone: it is the same, bit for bit on one
    machine, whatever it is trained with and on however many threads.

    Args:
        data: features, labels and folds.
        head: shape of the head.
        recipe: how to train.
    """

    def __init__(self, data: TrainingSet, head: Head, recipe: Recipe) -> None:
        self.data = data
        self.head = head
        self.recipe = recipe
        self._folds: list[PreparedFold] | None = None
        self._targets: list[Tensor] = []
        self._initial: dict[int, tuple[Float32Array, ...]] = {}

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
        folds = self._prepared(seeds)
        keys = [(p, f, s) for p in range(len(structures)) for f in range(len(folds)) for s in seeds]
        cancelled = threading.Event()
        results: dict[tuple[int, int, int], tuple[CompactHead, Float32Array, int]] = {}
        with ThreadPoolExecutor(self._workers(), initializer=partial(torch.set_num_threads, 1)) as pool:
            waiting: dict[Future[tuple[CompactHead, Float32Array, int]], tuple[int, int, int]] = {
                pool.submit(self._train_one, structures[p], f, s, cancelled.is_set): (p, f, s) for p, f, s in keys
            }
            try:
                while waiting:
                    # With a time limit, so that an interrupt is heard on every system.
                    done, _ = wait(waiting, timeout=0.2, return_when=FIRST_COMPLETED)
                    for future in done:
                        results[waiting.pop(future)] = future.result()
                    if done and on_progress is not None:
                        on_progress(len(results), len(keys))
            except BaseException:
                # An interrupt or a failure: what is under way ends within one chunk of rows.
                cancelled.set()
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        return [
            TrainedCandidate(
                *(
                    tuple(tuple(results[p, f, s][part] for s in seeds) for f in range(len(folds)))  # type: ignore[arg-type]
                    for part in range(3)
                )
            )
            for p in range(len(structures))
        ]

    def _prepared(self, seeds: Sequence[int]) -> list[PreparedFold]:
        if self._folds is None:
            self._folds = [prepare_fold(self.data.X, fold.train, self.recipe) for fold in self.data.folds]
            self._targets = [
                smoothed_targets(torch.from_numpy(self.data.y[f.train]), self.data.classes, self.recipe.label_smoothing)
                for f in self.data.folds
            ]
        shapes = self.head.shapes(self.data.X.shape[1], self.data.classes)
        self._initial = {s: self._initial.get(s) or initial_matrices(shapes, s) for s in seeds}
        return self._folds

    def _workers(self) -> int:
        """Trainings that run at a time: one a thread, fewer where memory is short."""
        threads = torch.get_num_threads()
        folds = self._folds or []
        # A training holds its columns of the features, and a chunk of them with its dropout.
        largest = max((f.features.numel() * f.features.element_size() for f in folds), default=0)
        affordable = int(psutil.virtual_memory().available // 2 // max(largest + 256 * 2**20, 1))
        workers = max(1, min(threads, affordable))
        if workers < threads:
            logger.warning("memory is short: %d trainings at a time instead of %d", workers, threads)
        return workers

    def _train_one(
        self, structure: Structure, number: int, seed: int, cancelled: Callable[[], bool]
    ) -> tuple[CompactHead, Float32Array, int]:
        fold = (self._folds or [])[number]
        weights = train_compact(
            fold.features, self._targets[number], structure, self._initial[seed], self.recipe, seed, cancelled=cancelled
        )
        head = compact_head(weights.matrices, weights.bias, structure, fold.mean, fold.scale)
        return head, self._logits(head, self.data.folds[number].evaluate, cancelled), weights.epochs

    def _logits(self, head: CompactHead, rows: IntArray, cancelled: Callable[[], bool]) -> Float32Array:
        """Logits of the trained head on raw features, a chunk of rows at a time."""
        parts = []
        for start in range(0, len(rows), _EVALUATED_ROWS):
            if cancelled():
                raise TrainingCancelled
            chunk = self.data.X[rows[start : start + _EVALUATED_ROWS]]
            parts.append(_torch_logits(head, chunk))
        return np.concatenate(parts) if parts else np.zeros((0, head.classes), dtype=np.float32)


def _torch_logits(head: CompactHead, X: Float32Array) -> Float32Array:
    """As `CompactHead.logits`, on this thread alone."""
    out = torch.from_numpy(X).index_select(1, torch.from_numpy(head.inputs))
    for index, (matrix, bias) in enumerate(zip(head.matrices, head.biases, strict=True)):
        if index:
            out.relu_()
        weights = torch.from_numpy(matrix)
        out = out @ weights if bias is None else torch.addmm(torch.from_numpy(bias), out, weights)
    logits: Float32Array = out.numpy()
    return logits


def train_population(
    data: TrainingSet,
    structures: Sequence[Structure],
    *,
    head: Head,
    recipe: Recipe,
    seeds: Sequence[int],
    on_progress: Callable[[int, int], None] | None = None,
) -> list[TrainedCandidate]:
    """Train candidates once; see `Trainer.train`, which is cheaper for several calls on the same data."""
    return Trainer(data, head, recipe).train(structures, seeds, on_progress)
