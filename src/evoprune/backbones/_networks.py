"""The torch network inside a backbone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evoprune.backbones._base import Backbone
from evoprune.backbones._module import ModuleBackbone
from evoprune.backbones._network_backbone import NetworkBackbone

if TYPE_CHECKING:
    from torch import nn


def torch_network(backbone: Backbone) -> nn.Module | None:
    """The network of a backbone, in evaluation mode: prepared images `[N, 3, h, w]` to features `[N, D]`.

    It is the backbone's own network, not a copy, with the names that its layers have there.
    Only where that puts out maps `[N, D, H, W]`, or numbers other than float32, it is wrapped
    (as `.network`) in one that makes features of them.

    Args:
        backbone: any.

    Returns:
        The network, or None where there is none that torch can run (ONNX graphs).

    Raises:
        BackboneError: the network cannot be built.
    """
    network = own_network(backbone)
    if network is None:
        return None
    import torch  # noqa: PLC0415

    from evoprune.backbones._torch_network import FeatureNetwork, input_type  # noqa: PLC0415

    first = next(network.parameters(), torch.empty(0))
    with torch.no_grad():
        output = network(torch.zeros((1, 3, *backbone.input_size), dtype=input_type(network), device=first.device))
    plain = output.dim() == 2 and output.dtype == input_type(network) == torch.float32
    return network if plain else FeatureNetwork(network).eval()


def own_network(backbone: Backbone) -> nn.Module | None:
    """The network of a backbone as it is, in evaluation mode, whatever it puts out; None where there is none.

    Raises:
        BackboneError: the network cannot be built.
    """
    if isinstance(backbone, NetworkBackbone):
        return backbone.network
    return backbone.module.eval() if isinstance(backbone, ModuleBackbone) else None
