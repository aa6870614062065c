"""Backbones from ONNX files, run by onnxruntime on the CPU."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from evoprune._types import ByteArray, Float32Array
from evoprune.backbones._base import Preprocessing
from evoprune.backbones._fingerprint import file_digest, fingerprint
from evoprune.backbones._onnx_graph import OnnxGraph, read_graph
from evoprune.backbones._onnx_record import read_record
from evoprune.backbones._pooling import pool
from evoprune.backbones._preprocessing import preprocess
from evoprune.backbones._wording import first_line
from evoprune.errors import BackboneError

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

_ERRORS_ONLY = 3


class OnnxBackbone:
    """A network in an ONNX file: images `[N, 3, h, w]` in, features `[N, D]` or maps `[N, D, H, W]` out.

    Attributes:
        name: `onnx:FILE`.
        fingerprint: SHA-256 over the file, the files that hold its weights, and the preprocessing.
        preprocessing: from the JSON file beside it (see `OnnxRecord`).
    """

    def __init__(self, name: str, fingerprint: str, preprocessing: Preprocessing, graph: OnnxGraph) -> None:
        """Store what is needed to open the file later; `load_onnx` makes one."""
        self.name = name
        self.fingerprint = fingerprint
        self.preprocessing = preprocessing
        self._graph = graph

    @property
    def input_size(self) -> tuple[int, int]:
        """Height and width of the input, pixels."""
        return self.preprocessing.size

    @cached_property
    def width(self) -> int:
        """D, the number of features, found by one forward pass.

        Raises:
            BackboneError: onnxruntime cannot run the file.
        """
        return int(self.extract(np.zeros((1, 3, *self.input_size), dtype=np.float32)).shape[1])

    def prepare(self, pixels: ByteArray) -> Float32Array:
        """One image `[H, W, 3]` (uint8, RGB) as the network's input `[3, h, w]`. Thread-safe."""
        return preprocess(pixels, self.preprocessing)

    def extract(self, batch: Float32Array) -> Float32Array:
        """Features `[N, D]` of a batch of prepared images `[N, 3, h, w]`.

        Maps `[N, D, H, W]` are averaged over H and W. A graph that is fixed to a number of
        images is run as often as needed.

        Raises:
            BackboneError: onnxruntime cannot run the file.
        """
        fixed = self._graph.batch
        if fixed is None or fixed == len(batch):
            return self._run(batch)
        padded = np.concatenate([batch, np.zeros((-len(batch) % fixed, *batch.shape[1:]), dtype=np.float32)])
        parts = [self._run(padded[start : start + fixed]) for start in range(0, len(padded), fixed)]
        return np.concatenate(parts)[: len(batch)]

    def _run(self, batch: Float32Array) -> Float32Array:
        try:
            (output,) = self._session.run([self._graph.output], {self._graph.input: batch})
        except Exception as error:
            raise self._refused(error) from error
        return pool(output, len(batch), self.name)

    @cached_property
    def _session(self) -> InferenceSession:
        from onnxruntime import InferenceSession, SessionOptions  # noqa: PLC0415

        options = SessionOptions()
        options.log_severity_level = _ERRORS_ONLY
        try:
            return InferenceSession(self._graph.files[0], options, providers=["CPUExecutionProvider"])
        except Exception as error:
            raise self._refused(error) from error

    def _refused(self, error: Exception) -> BackboneError:
        # onnxruntime's own errors have no base but Exception.
        return BackboneError(f"onnxruntime cannot run {self._graph.files[0]}: {first_line(error)}")


def load_onnx(path: Path) -> OnnxBackbone:
    """An ONNX file as backbone; the session is opened when it is first needed.

    Raises:
        BackboneError: the file or its preprocessing is absent or wrong.
    """
    if not path.is_file():
        raise BackboneError(f"there is no ONNX file {path}; give an existing one after 'onnx:'")
    record = read_record(path)
    graph = read_graph(path, record)
    ports = f"onnx {graph.input} {graph.output}"
    try:
        identity = fingerprint(ports, file_digest(*graph.files), record.preprocessing())
    except OSError as error:
        raise BackboneError(f"the weights of {path} cannot be read: {error.strerror}") from error
    return OnnxBackbone(f"onnx:{path}", identity, record.preprocessing(), graph)
