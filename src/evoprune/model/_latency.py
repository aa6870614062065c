"""How long a model takes for one image on one thread."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from evoprune._types import Float32Array
from evoprune.backbones import torch_network
from evoprune.model._deployable import Deployable
from evoprune.model._exported import parse_exported
from evoprune.model._onnx_file import onnx_bytes

REPEATS = 30
"""Measurements behind the median."""

_WARM_UP = 3


def latencies(files: Sequence[tuple[Deployable, bytes]]) -> list[float]:
    """Median time in seconds that each model takes for one prepared image, on one thread.

    A model is run as its file is; one of arrays with an ONNX backbone runs through onnxruntime with its head, as the
    backbone does when it predicts. The models take turns, so that all meet the same load.

    Args:
        files: models and their files.

    Raises:
        BackboneError: one cannot be written in its format.
    """
    runs = [_runner(deployable, contents) for deployable, contents in files]
    inputs = [np.zeros((1, *deployable.input_shape()), np.float32) for deployable, _ in files]
    times: list[list[float]] = [[] for _ in runs]
    with _one_thread():
        for repeat in range(_WARM_UP + REPEATS):
            for run, one, taken in zip(runs, inputs, times, strict=True):
                started = time.perf_counter()
                run(one)
                if repeat >= _WARM_UP:
                    taken.append(time.perf_counter() - started)
    return [statistics.median(taken) for taken in times]


def _runner(deployable: Deployable, contents: bytes) -> Callable[[Float32Array], object]:
    backbone = deployable.model.backbone
    arrays = deployable.options.format in ("safetensors", "torch")
    if arrays and backbone is not None and torch_network(backbone) is None:
        contents = onnx_bytes(deployable)
    return parse_exported(contents, "the model", threads=1).run


@contextmanager
def _one_thread() -> Iterator[None]:
    import torch  # noqa: PLC0415

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
