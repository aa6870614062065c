"""Backbones whose matrices and kernels fit into 16 bits: half the file, computed in 32 bits as before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from evoprune.backbones import Backbone, Preprocessing, onnx_backbone, onnx_model, pack, torch_network, unpack
from evoprune.errors import BackboneError

if TYPE_CHECKING:
    from onnx import ModelProto


def halved_network(backbone: Backbone) -> Backbone:
    """A backbone with a torch network, its matrices and kernels rounded to 16 bits; `pack` then keeps them as such.

    Raises:
        BackboneError: a weight lies outside the range of 16-bit numbers.
    """
    import torch  # noqa: PLC0415

    # A copy with a network of its own.
    rounded = unpack(*pack(backbone))
    network = torch_network(rounded)
    with torch.no_grad():
        for weight in network.parameters() if network is not None else ():
            if weight.ndim >= 2:
                weight.copy_(torch.from_numpy(_half(weight.numpy(), backbone.name).astype(np.float32)))
    return rounded


def halved_graph(backbone: Backbone, preprocessing: Preprocessing) -> Backbone:
    """A backbone run as ONNX graph, with its matrices and kernels in 16 bits.

    Raises:
        BackboneError: there is no such graph, or a weight lies outside the range of 16-bit numbers.
    """
    model = onnx_model(backbone)
    _halve(model, backbone.name)
    return onnx_backbone(backbone.name, model.SerializeToString(), preprocessing)


def _halve(model: ModelProto, name: str) -> None:
    """Keep 32-bit constants of two or more axes in 16 bits, with a cast where they are read."""
    from onnx import TensorProto, helper, numpy_helper  # noqa: PLC0415

    graph = model.graph
    taken = {value.name for value in graph.input}
    casts = []
    for constant in graph.initializer:
        if constant.data_type != TensorProto.FLOAT or len(constant.dims) < 2 or constant.name in taken:
            continue
        stored = f"{constant.name}/half"
        casts.append(helper.make_node("Cast", [stored], [constant.name], to=TensorProto.FLOAT))
        constant.CopyFrom(numpy_helper.from_array(_half(numpy_helper.to_array(constant), name), stored))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)


def _half(array: NDArray[Any], name: str) -> NDArray[np.float16]:
    with np.errstate(over="ignore"):
        small = array.astype(np.float16)
    if not np.isfinite(small).all():
        raise BackboneError(
            f"backbone {name!r} has weights outside the range of 16-bit numbers (65504); export without --half"
        )
    return small
