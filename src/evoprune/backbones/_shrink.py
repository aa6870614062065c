"""Removing the features that nobody reads from the last layer of a backbone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evoprune._types import Float32Array, IntArray
from evoprune.backbones._base import Backbone
from evoprune.backbones._channels import Plan
from evoprune.backbones._cost import parameters
from evoprune.backbones._fingerprint import bytes_digest, fingerprint
from evoprune.backbones._module import ModuleBackbone
from evoprune.backbones._network_backbone import NetworkBackbone
from evoprune.backbones._onnx import OnnxBackbone, onnx_backbone
from evoprune.backbones._wording import first_line
from evoprune.errors import BackboneError

_TOLERANCE = 1e-5
"""Largest difference between features before and after, relative to the largest feature."""


@dataclass(frozen=True)
class Shrunk:
    """A backbone with fewer features, or the same one where that cannot be had exactly.

    Attributes:
        backbone: gives the features `kept` of the original.
        kept: numbers of the original's features that it gives, in order.
        remark: one sentence: what was removed, or why nothing was.
    """

    backbone: Backbone
    kept: IntArray
    remark: str


def shrink(backbone: Backbone, keep: IntArray) -> Shrunk:
    """Remove the features that nobody reads from a backbone's last layer, where that is exact.

    The layers from which a single feature can be told apart lose what makes the others: the
    filters of the last convolution with its batch norm (MobileNetV2, VGG, most of timm's
    convolutional networks, the bundled one, ONNX graphs that end so), the last norm and the
    last dense layer of DenseNet, the last residual branch of ResNet. What other layers
    read too stays. The result is compared with the original on random images.

    Args:
        backbone: any; it is not changed.
        keep: numbers of the features that are read, in any order.

    Returns:
        The smaller backbone; the same one, with all its features, where nothing can be
        removed or the comparison failed. The remark says which.

    Raises:
        BackboneError: `keep` names features that there are not, or the backbone cannot be run.
    """
    width = backbone.width
    kept = np.unique(np.asarray(keep, dtype=np.int64))
    if kept.size and not 0 <= kept[0] <= kept[-1] < width:
        raise BackboneError(
            f"backbone {backbone.name!r} has features 0 to {width - 1}, and cannot keep those from {kept[0]} to "
            f"{kept[-1]}; give numbers of its own features"
        )
    if kept.size == width:
        return _left(backbone, "every feature is read")
    if not kept.size:
        return _left(backbone, "no feature is read, and a network without any cannot be run")
    try:
        small, plan = _cut(backbone, kept)
        if small is None:
            return _left(backbone, f"single features cannot be followed back beyond {plan.stops[0]}")
        why = _difference(backbone, small, kept)
    except Exception as error:
        # A module of a kind that looks like a known one may insist on its number of channels, and raise anything.
        return _left(backbone, f"without the other features it cannot be run ({first_line(error)})")
    return _left(backbone, why) if why else Shrunk(small, kept, _removed(backbone, small, plan))


def _left(backbone: Backbone, why: str) -> Shrunk:
    return Shrunk(backbone, np.arange(backbone.width), f"The backbone stays as it is: {why}.")


def _removed(backbone: Backbone, small: Backbone, plan: Plan) -> str:
    layers = list(plan.layers.values())
    named = " and ".join(filter(None, [", ".join(layers[:-1]), layers[-1]]))
    before, after = parameters(backbone), parameters(small)
    stays = "; what other layers read too stays" if plan.selections else ""
    return (
        f"{backbone.width - small.width} of {backbone.width} features were removed from {named}{stays}: "
        f"{before:,} parameters became {after:,}."
    )


def _cut(backbone: Backbone, keep: IntArray) -> tuple[Backbone | None, Plan]:
    whole_name = backbone.short_name if isinstance(backbone, OnnxBackbone) else backbone.name
    name = f"{whole_name} (cut to {keep.size} of {backbone.width} features)"
    if isinstance(backbone, (NetworkBackbone, ModuleBackbone)):
        from evoprune.backbones._torch_cut import cut_network  # noqa: PLC0415

        whole = backbone.network if isinstance(backbone, NetworkBackbone) else backbone.module.eval()
        network, plan = cut_network(whole, backbone.input_size, keep)
        if network is None:
            return None, plan
        if isinstance(backbone, ModuleBackbone):
            return ModuleBackbone(network, backbone.transform, name), plan
        identity = fingerprint(f"cut {backbone.fingerprint}", bytes_digest(keep.tobytes()), backbone.preprocessing)
        cuts = (*backbone.cuts, keep)
        small = NetworkBackbone(
            name, identity, backbone.preprocessing, lambda: network, architecture=backbone.architecture, cuts=cuts
        )
        return small, plan

    if not isinstance(backbone, OnnxBackbone):
        return None, Plan(stops=[f"a {type(backbone).__name__}"])
    from evoprune.backbones._onnx_channels import cut_graph  # noqa: PLC0415
    from evoprune.backbones._onnx_model import simplified, to_bytes  # noqa: PLC0415

    graph = backbone.graph
    model, plan = cut_graph(simplified(backbone.model(), graph.output, backbone.name), backbone.input_size, keep)
    if model is None:
        return None, plan
    content = to_bytes(model, backbone.name)
    return onnx_backbone(name, content, backbone.preprocessing, graph.input, graph.output), plan


def _difference(backbone: Backbone, small: Backbone, keep: IntArray) -> str | None:
    """Why a smaller backbone cannot be taken for the original, or None where it can."""
    batch = random_images(backbone)
    expected = backbone.extract(batch)[:, keep]
    given = small.extract(batch)
    if given.shape != expected.shape:
        return f"cut, it gives {given.shape[1]} features where {keep.size} were to stay"
    largest = float(np.abs(expected).max())
    difference = float(np.abs(given - expected).max())
    # Written so that NaN is a difference.
    if difference <= _TOLERANCE * largest:
        return None
    return f"cut, it gives features that differ by {difference:.1e}, with {largest:.1e} the largest"


def random_images(backbone: Backbone) -> Float32Array:
    """Two prepared images `[2, 3, h, w]` that are always the same: one of large patches, one of single pixels."""
    generator = np.random.default_rng(0)
    sizes = ((6, 6), backbone.input_size)
    return np.stack([backbone.prepare(generator.integers(0, 256, (*size, 3), dtype=np.uint8)) for size in sizes])
