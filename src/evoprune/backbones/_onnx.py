"""Backbones from ONNX graphs, in files or in memory, run by onnxruntime on the CPU."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from evoprune._files import is_file
from evoprune._types import ByteArray, Float32Array
from evoprune.backbones._base import Preprocessing
from evoprune.backbones._fingerprint import bytes_digest, file_digest, fingerprint
from evoprune.backbones._pooling import pool
from evoprune.backbones._preprocessing import preprocess
from evoprune.backbones._wording import first_line
from evoprune.errors import BackboneError

if TYPE_CHECKING:
    from onnx import ModelProto
    from onnxruntime import InferenceSession

    from evoprune.backbones._onnx_graph import OnnxGraph


class OnnxBackbone:
    """A network as an ONNX graph: images `[N, 3, h, w]` in, features `[N, D]` or maps `[N, D, H, W]` out.

    Attributes:
        name: `onnx:FILE` where it comes from a file.
        fingerprint: SHA-256 over the file, the files that hold its weights, and the preprocessing.
        preprocessing: from pixels to input; of a file, from the JSON file beside it (see `OnnxRecord`).
        graph: what the graph says about itself.
    """

    def __init__(
        self,
        name: str,
        fingerprint: str,
        preprocessing: Preprocessing,
        graph: OnnxGraph,
        content: bytes | None = None,
    ) -> None:
        """Store what is needed to open the graph later; `load_onnx` and `onnx_backbone` make one.

        Args:
            name: what the user typed.
            fingerprint: of weights and preprocessing.
            preprocessing: from pixels to input.
            graph: names its file, unless there is a content.
            content: the bytes of a graph that is in no file.
        """
        self.name = name
        self.fingerprint = fingerprint
        self.preprocessing = preprocessing
        self.graph = graph
        self._content = content

    @property
    def input_size(self) -> tuple[int, int]:
        """Height and width of the input, pixels."""
        return self.preprocessing.size

    @property
    def short_name(self) -> str:
        """The name without the folder of its file, for what goes to other machines."""
        return f"onnx:{self.graph.files[0].name}" if self.graph.files else self.name

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
        fixed = self.graph.batch
        if fixed is None or fixed == len(batch):
            return self._run(batch)
        padded = np.concatenate([batch, np.zeros((-len(batch) % fixed, *batch.shape[1:]), dtype=np.float32)])
        parts = [self._run(padded[start : start + fixed]) for start in range(0, len(padded), fixed)]
        return np.concatenate(parts)[: len(batch)]

    def model(self) -> ModelProto:
        """The graph with all its weights inside.

        Raises:
            BackboneError: a file has gone since the backbone was made.
        """
        import onnx  # noqa: PLC0415

        if self._content is not None:
            return onnx.load_model_from_string(self._content)
        path = self.graph.files[0]
        try:
            # Where the weights lie was checked when the file was read first.
            return onnx.load(path)
        except (OSError, ValueError) as error:
            raise BackboneError(f"the ONNX file {path} cannot be read any more: {first_line(error)}") from error

    def content(self) -> bytes:
        """The graph as the bytes of one ONNX file.

        Raises:
            BackboneError: the file has gone, or has more weights than one file can hold (2 GB).
        """
        if self._content is not None:
            return self._content
        path, *others = self.graph.files
        if others:
            from evoprune.backbones._onnx_model import to_bytes  # noqa: PLC0415

            return to_bytes(self.model(), self.name)
        path, *others = self.graph.files
        if others:
            from evoprune.backbones._onnx_model import to_bytes  # noqa: PLC0415

            return to_bytes(self.model(), self.name)
        try:
            return path.read_bytes()
        except OSError as error:
            raise BackboneError(f"the ONNX file {path} cannot be read any more: {error.strerror}") from error

    def _run(self, batch: Float32Array) -> Float32Array:
        try:
            (output,) = self._session.run([self.graph.output], {self.graph.input: batch})
        except Exception as error:
            raise self._refused(error) from error
        return pool(output, len(batch), self.name)

    @cached_property
    def _session(self) -> InferenceSession:
        from evoprune.backbones._onnx_model import session  # noqa: PLC0415

        try:
            return session(self.graph.files[0] if self._content is None else self._content)
        except Exception as error:
            raise self._refused(error) from error

    def _refused(self, error: Exception) -> BackboneError:
        # onnxruntime's own errors have no base but Exception.
        where = self.graph.files[0] if self.graph.files else f"the graph of backbone {self.name!r}"
        return BackboneError(f"onnxruntime cannot run {where}: {first_line(error)}")


def load_onnx(path: Path) -> OnnxBackbone:
    """An ONNX file as backbone; the session is opened when it is first needed.

    Raises:
        BackboneError: the file or its preprocessing is absent or wrong.
    """
    from evoprune.backbones._onnx_graph import read_graph  # noqa: PLC0415
    from evoprune.backbones._onnx_record import read_record  # noqa: PLC0415

    if not is_file(path):
        raise BackboneError(f"there is no ONNX file {path}; give an existing one after 'onnx:'")
    record = read_record(path)
    graph = read_graph(path, record)
    try:
        identity = fingerprint(_ports(graph), file_digest(*graph.files), record.preprocessing())
    except OSError as error:
        raise BackboneError(f"the weights of {path} cannot be read: {error.strerror}") from error
    return OnnxBackbone(f"onnx:{path}", identity, record.preprocessing(), graph)


def onnx_backbone(
    name: str,
    content: bytes,
    preprocessing: Preprocessing,
    taken: str | None = None,
    given: str | None = None,
) -> OnnxBackbone:
    """The bytes of an ONNX file as backbone, with the fingerprint that the file would have.

    Args:
        name: what tables call it.
        content: an ONNX file with all its weights inside.
        preprocessing: from pixels to input.
        taken: name of the graph's input; may be left out where there is one.
        given: name of the graph's output; may be left out where there is one.

    Raises:
        BackboneError: the bytes are damaged, keep weights elsewhere, or have other inputs and outputs.
    """
    from evoprune.backbones._onnx_graph import parse_graph  # noqa: PLC0415

    graph = parse_graph(content, name, preprocessing.size, taken, given)
    identity = fingerprint(_ports(graph), bytes_digest(content), preprocessing)
    return OnnxBackbone(name, identity, preprocessing, graph, content)


def _ports(graph: OnnxGraph) -> str:
    return f"onnx {graph.input} {graph.output}"
