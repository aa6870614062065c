"""What goes into an exported file: the model without what no one reads, in the numbers that the file keeps."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

import numpy as np

from evoprune._types import Float32Array
from evoprune.backbones import Backbone, Preprocessing, preprocessing_of, shrink
from evoprune.errors import ConfigError
from evoprune.model._facts import ExportFacts
from evoprune.model._half import halved_graph, halved_network
from evoprune.model._head_form import on_features, without_empty_layers
from evoprune.model._model import Model
from evoprune.model._stored_head import Numbers, StoredHead, store_head

Format: TypeAlias = Literal["safetensors", "torch", "onnx", "torchscript"]
"""Kinds of exported files."""


@dataclass(frozen=True)
class Options:
    """How a model is exported.

    Attributes:
        format: kind of the file.
        head_only: leave the backbone out; the file then takes features.
        half: keep matrices and kernels in 16 bits.
        quantize: keep the matrices of the head in 8 bits.
    """

    format: Format = "safetensors"
    head_only: bool = False
    half: bool = False
    quantize: bool = False

    @property
    def exact(self) -> bool:
        """Whether the weights are those of the model."""
        return not (self.half or self.quantize)


@dataclass(frozen=True, eq=False)
class Deployable:
    """A model as a file holds it.

    Attributes:
        model: computes what the file computes; its backbone gives only the features that are read, or
            is None for a head alone.
        head: the model's head, in the numbers of the file.
        options: how it is exported.
        remark: what was removed from the backbone, or why nothing was; one sentence.
    """

    model: Model
    head: StoredHead
    options: Options
    remark: str = ""

    @property
    def preprocessing(self) -> Preprocessing | None:
        """From pixels to the backbone's input; None for a head alone."""
        return None if self.model.backbone is None else preprocessing_of(self.model.backbone)

    def input_shape(self) -> tuple[int, ...]:
        """Shape of one input: `(3, h, w)`, or `(D,)` for a head alone."""
        backbone = self.model.backbone
        return (self.head.width,) if backbone is None else (3, *backbone.input_size)

    def facts(self, backbone: dict[str, Any] | None = None) -> ExportFacts:
        """What the file says about itself, not yet sealed.

        Args:
            backbone: how to put the backbone together, for files that hold it as arrays.
        """
        model = self.model
        network = model.backbone
        if network is not None:
            backbone = {"name": shown_name(network.name), "fingerprint": network.fingerprint, **(backbone or {})}
        stored = "float16" if self.options.half else "float32"
        return ExportFacts(
            input="features" if network is None else "image",
            class_names=model.class_names,
            preprocessing=self.preprocessing,
            backbone=backbone,
            head=self.head.facts(),
            rejection=None if model.rejection is None else model.rejection.facts(),
            numbers={**({} if network is None else {"backbone": stored}), "head": _numbers(self.options)},
            about=model.about,
        )


def deployable(model: Model, options: Options) -> Deployable:
    """A model made ready for a file: shrunk, and with its weights rounded where that is asked for.

    Args:
        model: head and backbone as a run keeps them.
        options: how it is exported.

    Raises:
        ConfigError: a whole file is asked for and the model has no backbone.
        BackboneError: the backbone cannot be put into such a file.
    """
    head = without_empty_layers(model.head)
    backbone, remark = None, ""
    if not options.head_only:
        if model.backbone is None:
            raise ConfigError(
                "this model was made from features and has no backbone to put into the file; export its head "
                "with --head-only"
            )
        preprocessing_of(model.backbone)
        shrunk = shrink(model.backbone, head.inputs)
        head, backbone, remark = on_features(head, shrunk.kept), shrunk.backbone, shrunk.remark
        if options.half:
            backbone = _half_backbone(backbone, options.format)
    stored = store_head(head, _numbers(options))
    _require_finite(stored, options)
    return Deployable(replace(model, head=stored.head(), backbone=backbone), stored, options, remark)


def shown_name(name: str) -> str:
    """The name of a backbone without the folder of its file, which says nothing elsewhere."""
    return re.sub(r"^onnx:.*[\\/]", "onnx:", name)


def _numbers(options: Options) -> Numbers:
    if options.quantize:
        return "int8"
    return "float16" if options.half else "float32"


def _half_backbone(backbone: Backbone, kind: Format) -> Backbone:
    """The backbone with rounded weights; for an ONNX file rounded in the graph, which has norms folded in."""
    # Only networks that a file can name are kept as weights; others are kept as graphs.
    if kind == "onnx" or getattr(backbone, "architecture", None) is None:
        return halved_graph(backbone, preprocessing_of(backbone))
    return halved_network(backbone)


def _require_finite(head: StoredHead, options: Options) -> None:
    for member in head.members:
        for matrix in member.matrices:
            weights: Float32Array = matrix.weights
            if not np.isfinite(weights).all():
                cause = "16-bit numbers end at 65504; export without --half" if options.half else "it diverged"
                raise ConfigError(f"the head has weights that are not finite: {cause}")
