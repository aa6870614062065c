"""Many trainings at once on one device, such as a GPU.

A GPU needs much work at a time: one compact head is too little. Trainings of equal
(padded) shapes, be they candidates, folds or seeds, are put into the slots of one pack
and make their steps together. The steps are those of `_reference.train_reference`.

On what a result depends: all products of a training have shapes that its own active
units and rows decide, slots without a training included, so that company does not
change which products are computed. On a CPU the result is then the same bit for bit in
any company and slot. Vendors of GPU libraries promise the same bits for the same
product with the same operands, not for the same operands in another slot; there it is
the same up to rounding. `tests/training/test_packed_cuda.py` asks for the bits.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from evoprune._types import Float32Array
from evoprune.errors import is_shortage
from evoprune.training._device import exact_products, free_bytes, named_shortage
from evoprune.training._device_rows import DeviceRows
from evoprune.training._engine import CompactWeights
from evoprune.training._goal import Goal
from evoprune.training._packed_network import PackedNetwork
from evoprune.training._packs import Bucket, Job, affordable_slots, plan_packs
from evoprune.training._recipe import Recipe

logger = logging.getLogger(__name__)


class PackedEngine:
    """Trains on one device; the features of all folds are brought there once.

    Args:
        features: training rows of each fold `[n_f, D]`, in the precision of the products.
        goals: what the rows of each fold are trained towards; all of one loss, all or none with weights.
        recipe: how to train.
        device: where.
        master: precision of weights, optimizer and output layer.

    Raises:
        ConfigError: the device's memory ran out.
    """

    def __init__(
        self,
        features: Sequence[Tensor],
        goals: Sequence[Goal],
        recipe: Recipe,
        device: torch.device,
        master: torch.dtype = torch.float32,
    ) -> None:
        self.recipe, self.device, self.master = recipe, device, master
        self._most: dict[Bucket, int] = {}
        with named_shortage(device):
            self.rows = DeviceRows(features, [goal.to(master) for goal in goals], device)

    def train(
        self,
        jobs: Sequence[Job],
        initial: Mapping[int, tuple[Float32Array, ...]],
        cancelled: Callable[[], bool] = lambda: False,
        *,
        max_steps: int | None = None,
    ) -> Iterator[tuple[int, CompactWeights]]:
        """Train all jobs; gives their numbers and weights as they are done.

        Args:
            jobs: the trainings.
            initial: full-size initial weights by seed, one matrix a layer.
            cancelled: asked once a step; if it says so, all trainings are given up.
            max_steps: end each training after so many steps, for tests.

        Raises:
            TrainingCancelled: `cancelled` said so.
            ConfigError: the device's memory ran out.
        """
        plan = plan_packs(jobs, self.rows.counts, self.rows.classes, self.recipe)
        with exact_products(), named_shortage(self.device):
            starts = {seed: tuple(map(self._bordered, initial[seed])) for seed in {job.seed for job in jobs}}
            for bucket, numbers in plan.items():
                slots, waiting = self._slots(bucket, [jobs[n] for n in numbers]), numbers
                while waiting:
                    pack, done = waiting[:slots], set()
                    try:
                        for slot, weights in self._train_pack(
                            [jobs[n] for n in pack], bucket, slots, starts, cancelled, max_steps
                        ):
                            done.add(pack[slot])
                            yield pack[slot], weights
                    except (MemoryError, RuntimeError) as error:
                        if slots == 1 or not is_shortage(error):
                            raise
                        slots = self._halved(bucket, slots)
                    waiting = [number for number in waiting if number not in done]

    def _bordered(self, matrix: Float32Array) -> Tensor:
        """Initial weights on the device, with a row and a column of zeros at the end for what pads a slot."""
        return functional.pad(torch.from_numpy(matrix).to(self.device, self.master), (0, 1, 0, 1))

    def _slots(self, bucket: Bucket, jobs: Sequence[Job]) -> int:
        groups, free = len({(job.fold, job.seed) for job in jobs}), free_bytes(self.device)
        dtype = self.rows.dtype
        slots = affordable_slots(bucket, groups, self.rows.width, self.recipe, dtype, self.master, free)
        slots = min(slots, self._most.get(bucket, slots))
        logger.info("%d training(s) of %s units, %d in a pack", len(jobs), "-".join(map(str, bucket.sizes)), slots)
        if slots < bucket.slots:
            logger.warning(
                "memory of %s is short: %d trainings in a pack instead of %d; results may differ in their last digits",
                self.device,
                slots,
                bucket.slots,
            )
        return slots

    def _halved(self, bucket: Bucket, slots: int) -> int:
        """Half as many slots, for this bucket from now on: memory ran out, whatever was estimated."""
        self._most[bucket] = slots // 2
        logger.warning(
            "memory of %s ran out with %d training(s) in a pack; those not done are trained again with %d, and "
            "results may differ in their last digits",
            self.device,
            slots,
            slots // 2,
        )
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        return slots // 2

    def _train_pack(
        self,
        jobs: Sequence[Job],
        bucket: Bucket,
        slots: int,
        starts: Mapping[int, tuple[Tensor, ...]],
        cancelled: Callable[[], bool],
        max_steps: int | None,
    ) -> Iterator[tuple[int, CompactWeights]]:
        """Train one pack; gives slots and weights as they are done.

        A training that stops early is handed over at once; its slot is idle until the
        last one of the pack is done, since others cannot join in the middle of a schedule.
        """
        network = PackedNetwork(jobs, bucket, slots, self.rows, starts, self.recipe, self.master)
        recipe, each, count = self.recipe, bucket.steps, len(jobs)
        steps = each * recipe.epochs
        best, best_epoch = np.full(count, np.inf), np.zeros(count, dtype=np.int64)
        waiting = np.ones(count, dtype=np.bool_)
        epoch = 0
        for epoch in range(1, recipe.epochs + 1):
            first = (epoch - 1) * each
            last = first + each if max_steps is None else min(first + each, max_steps)
            network.run(epoch, [recipe.rate(step, steps) for step in range(first, last)], cancelled)
            if last == max_steps:
                for slot in np.flatnonzero(waiting).tolist():
                    yield slot, CompactWeights(*network.weights(slot, kept=False), epoch, float("nan"))
                return
            if recipe.early_stopping is None:
                continue
            loss = network.epoch_loss()[:count]
            better = waiting & (loss < best - recipe.early_stopping.min_delta)
            best[better], best_epoch[better] = loss[better], epoch
            network.keep_weights(np.flatnonzero(better))
            over = waiting & ~better & (epoch - best_epoch >= recipe.early_stopping.patience)
            for slot in np.flatnonzero(over).tolist():
                yield slot, self._result(network, slot, epoch, best[slot])
            waiting &= ~over
            if not waiting.any():
                return
        for slot in np.flatnonzero(waiting).tolist():
            yield slot, self._result(network, slot, epoch, best[slot])

    def _result(self, network: PackedNetwork, slot: int, epoch: int, best: float) -> CompactWeights:
        """What a slot comes to: the weights of its best epoch where there is one, else those it has."""
        kept = self.recipe.early_stopping is not None and np.isfinite(best)
        loss = float(best) if self.recipe.early_stopping is not None else float("nan")
        return CompactWeights(*network.weights(slot, kept=kept), epoch, loss)
