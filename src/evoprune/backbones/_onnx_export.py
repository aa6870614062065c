"""Any backbone as an ONNX graph."""

from __future__ import annotations

import copy
import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING
from unittest import mock

import numpy as np

from evoprune._types import Float32Array
from evoprune.backbones._base import Backbone
from evoprune.backbones._networks import torch_network
from evoprune.backbones._onnx import OnnxBackbone
from evoprune.backbones._shrink import random_images
from evoprune.backbones._wording import first_line
from evoprune.errors import BackboneError

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto
    from torch import nn

INPUT, OUTPUT = "image", "features"
_OPSET = 17
"""Of torch networks: the first with layer norms as one node, and read by every onnxruntime that we accept."""
_TOLERANCE = 1e-4


def onnx_model(backbone: Backbone) -> ModelProto:
    """A backbone as an ONNX graph: `image` `[N, 3, h, w]` to `features` `[N, D]`, float32, for any number N.

    The input is a prepared image; preprocessing is no part of the graph. onnxruntime runs it
    at once on random images, whose features must be those of `backbone.extract`.

    Args:
        backbone: any. The graph of an ONNX backbone is kept as it is, but for the names of
            input and output, outputs that are no features, and pooling at the end where it
            puts out maps. Torch networks are exported with opset 17.

    Raises:
        BackboneError: torch cannot export the network, the graph is made for a fixed number of
            images, or its features are others.
    """
    network = torch_network(backbone)
    if network is not None:
        model = _exported(network, backbone)
    elif isinstance(backbone, OnnxBackbone):
        model = _renamed(backbone)
    else:
        raise BackboneError(f"backbone {backbone.name!r} is a {type(backbone).__name__}, which cannot become ONNX")
    _check(model, backbone)
    return model


def _exported(network: nn.Module, backbone: Backbone) -> ModelProto:
    import onnx  # noqa: PLC0415
    import torch  # noqa: PLC0415

    from evoprune.backbones._torch_network import input_type  # noqa: PLC0415

    if input_type(network) != torch.float32:
        # onnxruntime has convolutions of 32-bit numbers only; whether it comes to the same is checked below.
        network = copy.deepcopy(network).float()
    first = next(network.parameters(), torch.empty(0))
    image = torch.zeros((1, 3, *backbone.input_size), device=first.device)
    with (
        tempfile.TemporaryDirectory() as folder,
        warnings.catch_warnings(),
        # Where it fails, the exporter writes pages to the standard output, before it raises the error that says why.
        mock.patch.object(torch._C, "_jit_onnx_log", create=True),
    ):
        # The newer exporter needs onnxscript; this one is said to go one day, and says so each time.
        warnings.simplefilter("ignore")
        path = Path(folder) / "backbone.onnx"
        try:
            torch.onnx.export(
                network,
                (image,),
                path,
                dynamo=False,
                opset_version=_OPSET,
                input_names=[INPUT],
                output_names=[OUTPUT],
                dynamic_axes={INPUT: {0: "N"}, OUTPUT: {0: "N"}},
            )
        except Exception as error:
            # The exporter runs the network's own code, and has no common base for its own errors.
            raise BackboneError(
                f"torch cannot export backbone {backbone.name!r} to ONNX ({first_line(error)}); take another format"
            ) from error
        return onnx.load(path)


def _renamed(backbone: OnnxBackbone) -> ModelProto:
    from onnx import TensorProto, compose, helper  # noqa: PLC0415

    from evoprune.backbones._onnx_model import simplified  # noqa: PLC0415

    names = backbone.graph.input, backbone.graph.output
    model = simplified(backbone.model(), names[1], backbone.name)
    output = _run(model, np.zeros((backbone.graph.batch or 1, 3, *backbone.input_size), dtype=np.float32), backbone)
    if names != (INPUT, OUTPUT) or output.ndim == 4 or output.dtype != np.float32:
        # Whatever the graph calls its values, they cannot clash with ours behind a prefix.
        model = compose.add_prefix(model, "graph/")
        graph = model.graph
        (taken,), (given,) = graph.input, graph.output
        graph.node.insert(0, helper.make_node("Identity", [INPUT], [taken.name]))
        value = given.name
        for kind in ("GlobalAveragePool", "Flatten") if output.ndim == 4 else ():
            graph.node.append(helper.make_node(kind, [value], [f"{kind}/{value}"]))
            value = graph.node[-1].output[0]
        graph.node.append(helper.make_node("Cast", [value], [OUTPUT], to=TensorProto.FLOAT))
        taken.name, given.name = INPUT, OUTPUT
    _declare(model.graph, backbone)
    return model


def _declare(graph: GraphProto, backbone: Backbone) -> None:
    """Say what goes in and comes out: the number of images is open."""
    from onnx import TensorProto, helper  # noqa: PLC0415

    shapes = ((graph.input[0], ["N", 3, *backbone.input_size]), (graph.output[0], ["N", backbone.width]))
    for value, shape in shapes:
        value.CopyFrom(helper.make_tensor_value_info(value.name, TensorProto.FLOAT, shape))


def _check(model: ModelProto, backbone: Backbone) -> None:
    images = random_images(backbone)
    batch = np.concatenate([images, images[::-1], images])[:5]
    expected = backbone.extract(batch)
    given = _run(model, batch, backbone)
    largest = max(1.0, float(np.abs(expected).max()))
    if given.shape != expected.shape or not float(np.abs(given - expected).max()) <= _TOLERANCE * largest:
        raise BackboneError(
            f"onnxruntime gives other features than backbone {backbone.name!r} itself; take another format"
        )


def _run(model: ModelProto, batch: Float32Array, backbone: Backbone) -> Float32Array:
    from evoprune.backbones._onnx_model import session  # noqa: PLC0415

    try:
        (output,) = session(model).run(None, {model.graph.input[0].name: batch})
    except Exception as error:
        # onnxruntime's own errors have no base but Exception.
        raise BackboneError(
            f"onnxruntime cannot run backbone {backbone.name!r} as a graph for any number of images: "
            f"{first_line(error)}"
        ) from error
    features: Float32Array = output
    return features
