"""Exported ONNX files: one graph from images to logits, probabilities and OOD score, facts in its metadata."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from google.protobuf.message import DecodeError, Message  # type: ignore[import-untyped]

from evoprune._types import Float32Array, FloatArray
from evoprune.backbones import onnx_model, open_session
from evoprune.model._deployable import Deployable
from evoprune.model._facts import KEY, ExportFacts, RefusedError, parse_facts
from evoprune.model._head_graph import FEATURES, IMAGE, LOGITS, PROBABILITIES, SCORE, append_head, head_model

if TYPE_CHECKING:
    from onnx import ModelProto

Run = Callable[[Float32Array], tuple[Float32Array, FloatArray | None]]
"""From a batch of inputs to logits `[N, C]` and OOD scores `[N]`."""


def whole_graph(deployable: Deployable) -> ModelProto:
    """The graph of a model, without facts.

    Raises:
        BackboneError: the backbone cannot be written as ONNX graph.
    """
    rejection = deployable.model.rejection
    if deployable.model.backbone is None:
        return head_model(deployable.head, rejection)
    model = onnx_model(deployable.model.backbone)
    append_head(model, model.graph.output[0].name, deployable.head, rejection)
    return model


def onnx_bytes(deployable: Deployable) -> bytes:
    """An ONNX file.

    Raises:
        BackboneError: the backbone cannot be written as ONNX graph.
    """
    model = whole_graph(deployable)
    model.producer_name = "evoprune"
    del model.metadata_props[:]
    entry = model.metadata_props.add()
    entry.key = KEY
    entry.value = deployable.facts().sealed(_graph_bytes(model)).to_json()
    contents: bytes = model.SerializeToString()
    return contents


def read_onnx(data: bytes, threads: int | None = None) -> tuple[Run, ExportFacts]:
    """What computes an ONNX file, and its facts.

    Args:
        data: the file.
        threads: of onnxruntime; its own choice by default.

    Raises:
        RefusedError: the file is damaged or foreign; the message says why in a few words.
    """
    from onnx import ModelProto  # noqa: PLC0415

    model = ModelProto()
    try:
        model.ParseFromString(data)
    except DecodeError as error:
        raise RefusedError("it is no ONNX file, or is cut short") from error
    texts = [entry.value for entry in model.metadata_props if entry.key == KEY]
    if len(texts) != 1:
        raise RefusedError("it is no model of evoprune")
    facts = parse_facts(texts[0])
    if any(_is_external(message) for message in _messages(model)):
        raise RefusedError("it keeps weights in other files, which a model of evoprune does not")
    if not facts.holds(_graph_bytes(model)):
        raise RefusedError("its checksum is not that of its contents")
    return _runner(data, facts, threads), facts


def _graph_bytes(model: ModelProto) -> bytes:
    contents: bytes = model.graph.SerializeToString(deterministic=True)
    return contents


def _runner(data: bytes, facts: ExportFacts, threads: int | None) -> Run:
    try:
        session = open_session(data, threads)
    except Exception as error:
        # onnxruntime's own errors have no base but Exception.
        raise RefusedError("onnxruntime cannot run it") from error
    name = IMAGE if facts.input == "image" else FEATURES
    wanted = [LOGITS] if facts.rejection is None else [LOGITS, SCORE]
    given = [output.name for output in session.get_outputs()]
    if [value.name for value in session.get_inputs()] != [name] or not {*wanted, PROBABILITIES} <= set(given):
        raise RefusedError("its inputs and outputs are not those of a model of evoprune")

    def run(batch: Float32Array) -> tuple[Float32Array, FloatArray | None]:
        try:
            found = session.run(wanted, {name: batch})
        except Exception as error:
            raise RefusedError("onnxruntime cannot run it") from error
        return checked_outputs(found, len(batch), facts)

    return run


def checked_outputs(found: Sequence[Any], count: int, facts: ExportFacts) -> tuple[Float32Array, FloatArray | None]:
    """Logits `[N, C]` and scores `[N]` as a network gave them.

    Raises:
        RefusedError: they have other shapes.
    """
    logits = np.asarray(found[0], np.float32)
    scores = None if facts.rejection is None else np.asarray(found[1], np.float64)
    if logits.shape != (count, len(facts.class_names)) or (scores is not None and scores.shape != (count,)):
        raise RefusedError("it gives something else than one logit a class")
    return logits, scores


def _messages(message: Message) -> Iterator[Message]:
    """A message and all that it holds."""
    yield message
    for field, value in message.ListFields():
        if field.message_type is not None:
            for part in [value] if isinstance(value, Message) else value:
                yield from _messages(part)


def _is_external(message: Message) -> bool:
    from onnx import TensorProto  # noqa: PLC0415

    return isinstance(message, TensorProto) and (
        message.data_location == TensorProto.EXTERNAL or bool(message.external_data)
    )
