"""A head of one hidden layer with a gate on every input, in bfloat16, trained by the compiled kernel."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from evoprune._types import IntArray
from evoprune.training._kernel import Epoch, load_kernel
from evoprune.training._kernel_network import padded_inputs
from evoprune.training._optimizers import BETA1, BETA2, EPSILON


class GatedNetwork:
    """Weights and gates of one network, and their optimizer, which is Adam.

    The hidden layer's sums are `(x * gates * scale) @ first`, the loss is cross entropy plus a
    penalty on the sum of the gates' sizes. Everything that is random is given.

    Args:
        features: of the training rows `[N, d]`, bfloat16.
        targets: distributions over classes `[N, C]`.
        first: initial weights of the hidden layer `[d, h]`, h a multiple of 64.
        output: initial weights of the output layer `[h, C]`.
        batch_size: rows of a step.
        scale: of all inputs, such as makes up for dropout.
        penalty: weight of the sum of the gates' sizes.
        gate_rate: learning rate of the gates, in units of that of the weights.

    Raises:
        RuntimeError: the kernel is not to be had; see `serves`.
    """

    @staticmethod
    def serves(features: Tensor, units: int) -> bool:
        """Whether the kernel can train such networks here, of features `[.., d]` and so many hidden units."""
        return features.dtype == torch.bfloat16 and units % 64 == 0 and load_kernel() is not None

    def __init__(
        self,
        features: Tensor,
        targets: Tensor,
        first: Tensor,
        output: Tensor,
        *,
        batch_size: int,
        scale: float,
        penalty: float,
        gate_rate: float,
    ) -> None:
        kernel = load_kernel()
        if kernel is None:
            raise RuntimeError("the compiled kernel is not to be had")
        self.kernel, self.inputs, self.batch_size, self.steps = kernel, len(first), batch_size, 0
        width = padded_inputs(self.inputs)
        self.width = width
        classes = output.shape[1]
        tensors = {
            "features": torch.zeros(len(features), width, dtype=torch.bfloat16),
            "targets": targets.float().contiguous(),
            "first": torch.zeros(width, first.shape[1]),
            "output": output.t().contiguous(),
            "bias": torch.zeros(classes),
            "gates": torch.ones(width),
            "panels": torch.zeros(first.shape[1] // 32, width // 2, 32, dtype=torch.int32),
        }
        tensors["features"][:, : self.inputs] = features
        tensors["first"][: self.inputs] = first
        for name in ("first", "output", "bias", "gates"):
            tensors |= {f"{name}_{state}": torch.zeros_like(tensors[name]) for state in "ab"}
        # Kept for as long as the kernel has their addresses.
        self._tensors = tensors
        self._call = Epoch(
            inputs=width,
            units=first.shape[1],
            classes=classes,
            batch=batch_size,
            adam=1,
            momentum=BETA1,
            beta2=BETA2,
            epsilon=EPSILON,
            gate_rate=gate_rate,
            gate_scale=scale,
            gate_penalty=penalty,
            **{name: tensor.data_ptr() for name, tensor in tensors.items()},
        )
        kernel.evoprune_pack(ctypes.byref(self._call))

    def run(self, order: IntArray, rates: Sequence[float], keep: Tensor | None = None) -> None:
        """Steps over some rows.

        Args:
            order: which rows, in the order of the steps `[n]`.
            rates: learning rates of the weights, one a step.
            keep: which inputs are kept, by place in the order: int16 `[n, width]`, all bits or none; None for all.

        Raises:
            MemoryError: there is none left.
        """
        order = np.ascontiguousarray(order, dtype=np.int64)
        by_step = np.array(rates, dtype=np.float64)
        call = self._call
        call.rows, call.step = len(order), self.steps
        call.order, call.rates = order.ctypes.data, by_step.ctypes.data
        call.keep = None if keep is None else keep.data_ptr()
        if self.kernel.evoprune_epoch(ctypes.byref(call)):
            raise MemoryError("the training kernel could not get memory")
        self.steps += len(by_step)

    @property
    def gates(self) -> Tensor:
        """The gates as they are now `[d]`."""
        return self._tensors["gates"][: self.inputs]

    @property
    def first(self) -> Tensor:
        """Weights of the hidden layer `[d, h]` as they are now, without the gates."""
        return self._tensors["first"][: self.inputs]

    @property
    def output(self) -> Tensor:
        """Weights of the output layer `[h, C]` as they are now."""
        return self._tensors["output"].t()
