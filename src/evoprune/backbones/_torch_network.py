"""Running a torch network as a frozen feature extractor. Imported only when torch is needed."""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor, nn

from evoprune._types import Float32Array
from evoprune.backbones._pooling import pool
from evoprune.errors import BackboneError


def freeze(network: nn.Module) -> nn.Module:
    """Put a network of ours into the state in which it extracts: float32, evaluation mode, no gradients."""
    network.float().eval().requires_grad_(requires_grad=False)
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


class FeatureNetwork(nn.Module):
    """A network whose output is made features `[N, D]`, float32, in the same way as `run` does it."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        """Features `[N, D]` of prepared images `[N, 3, h, w]`."""
        output: Tensor = self.network(images.to(input_type(self.network)))
        maps = output.dim() == 4
        return (output.mean((2, 3)) if maps else output).float()


def input_type(network: nn.Module) -> torch.dtype:
    """The type of number that a network takes, that of its first weights."""
    first = next(network.parameters(), torch.empty(0))
    return first.dtype if first.is_floating_point() else torch.float32


def run(network: nn.Module, batch: Float32Array, name: str) -> Float32Array:
    """Features `[N, D]` of prepared images `[N, 3, h, w]`, on the device of the network.

    Raises:
        BackboneError: the network's output is no feature vector.
    """
    first = next(network.parameters(), torch.empty(0))
    network.eval()
    with torch.inference_mode():
        images = torch.from_numpy(batch).to(
            first.device,
            input_type(network),
            memory_format=torch.channels_last,
        )
        output = network(images)
    if not isinstance(output, Tensor):
        raise BackboneError(
            f"backbone {name!r} gives a {type(output).__name__} instead of a tensor; wrap it in a module "
            "whose forward returns the features [N, D]"
        )
    return pool(output.float().cpu().numpy(), len(batch), name)


def state_digest(network: nn.Module) -> str:
    """SHA-256 over name, type, shape and bytes of every weight and buffer, sorted by name, hexadecimal."""
    digest = hashlib.sha256()
    for name, value in sorted(network.state_dict().items()):
        tensor = value.detach().cpu().contiguous()
        digest.update(f"{name}\0{tensor.dtype}\0{list(tensor.shape)}\0".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
