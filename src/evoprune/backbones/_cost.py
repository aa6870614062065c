"""What a backbone costs: parameters and multiply-adds."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evoprune.backbones._base import Backbone
from evoprune.backbones._networks import own_network
from evoprune.backbones._onnx import OnnxBackbone
from evoprune.errors import BackboneError

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto
    from torch import nn

_WEIGHT_POSITIONS = {"Conv": 1, "ConvInteger": 1, "QLinearConv": 3}
_SUMMED_POSITIONS = {"MatMul": 0, "MatMulInteger": 0, "QLinearMatMul": 0}
_STATISTICS = frozenset({3, 4})
"""Where a batch norm has its running mean and variance, which torch does not count as parameters either."""


@dataclass(frozen=True)
class Cost:
    """What one image costs.

    Attributes:
        parameters: weights, biases, scales and shifts; without running statistics.
        multiply_adds: of convolutions and matrix products, the figure that torchvision and
            fvcore publish as (G)FLOPs.
    """

    parameters: int
    multiply_adds: int


def cost(backbone: Backbone) -> Cost:
    """Parameters of a backbone, and multiply-adds of one image's pass through it.

    Raises:
        BackboneError: the backbone cannot be run, or its layers cannot be looked at.
    """
    network = own_network(backbone)
    if network is not None:
        return Cost(parameters(backbone), _network_multiply_adds(network, backbone.input_size))
    model = _model(backbone)
    return Cost(_graph_parameters(model), _graph_multiply_adds(model, backbone.input_size, backbone.name))


def parameters(backbone: Backbone) -> int:
    """Weights, biases, scales and shifts of a backbone, without running it.

    Raises:
        BackboneError: the backbone cannot be built, or its layers cannot be looked at.
    """
    network = own_network(backbone)
    if network is not None:
        return sum(weights.numel() for weights in network.parameters())
    return _graph_parameters(_model(backbone))


def _model(backbone: Backbone) -> ModelProto:
    if not isinstance(backbone, OnnxBackbone):
        raise BackboneError(f"backbone {backbone.name!r} is a {type(backbone).__name__}, whose cost cannot be told")
    from evoprune.backbones._onnx_model import simplified  # noqa: PLC0415

    return simplified(backbone.model(), backbone.graph.output, backbone.name)


def _network_multiply_adds(network: nn.Module, size: tuple[int, int]) -> int:
    import torch  # noqa: PLC0415
    from torch.utils.flop_counter import FlopCounterMode  # noqa: PLC0415

    from evoprune.backbones._torch_network import input_type  # noqa: PLC0415

    first = next(network.parameters(), torch.empty(0))
    image = torch.zeros((1, 3, *size), dtype=input_type(network), device=first.device)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(image)
    # torch counts a multiplication and an addition as two.
    return int(counter.get_total_flops()) // 2


def _graph_parameters(model: ModelProto) -> int:
    """Numbers that belong to channels: single ones are settings, whole numbers of 64 bits are shapes."""
    from onnx import TensorProto  # noqa: PLC0415

    kinds = {
        *(TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.DOUBLE),
        *(TensorProto.INT8, TensorProto.UINT8),
    }
    norms = [node for node in model.graph.node if node.op_type == "BatchNormalization"]
    statistics = {node.input[position] for node in norms for position in _STATISTICS}
    counted = [c for c in model.graph.initializer if c.data_type in kinds and c.name not in statistics]
    return sum(count for constant in counted if (count := math.prod(constant.dims)) > 1)


def _graph_multiply_adds(model: ModelProto, size: tuple[int, int], name: str) -> int:
    from evoprune.backbones._onnx_model import value_shapes  # noqa: PLC0415

    shapes = value_shapes(model, size)
    images = model.graph.input[0].type.tensor_type.shape.dim[0].dim_value or 1
    total = 0
    for node in model.graph.node:
        try:
            if node.op_type in _WEIGHT_POSITIONS:
                weights = shapes[node.input[_WEIGHT_POSITIONS[node.op_type]]]
                total += math.prod(shapes[node.output[0]]) * math.prod(weights[1:])
            elif node.op_type == "ConvTranspose":
                total += math.prod(shapes[node.input[0]]) * math.prod(shapes[node.input[1]][1:])
            elif node.op_type == "Gemm":
                total += math.prod(shapes[node.output[0]]) * shapes[node.input[0]][0 if _transposed(node) else 1]
            elif node.op_type in _SUMMED_POSITIONS:
                total += math.prod(shapes[node.output[0]]) * shapes[node.input[_SUMMED_POSITIONS[node.op_type]]][-1]
        except KeyError as error:
            raise BackboneError(
                f"the multiply-adds of backbone {name!r} cannot be counted: the size of {error} is not known before "
                "the graph is run; export it again with fixed sizes"
            ) from error
    return total // images


def _transposed(node: NodeProto) -> bool:
    """Whether a product is of the first matrix turned over."""
    return any(attribute.name == "transA" and attribute.i for attribute in node.attribute)
