"""From what a user types to a backbone."""

from __future__ import annotations

from pathlib import Path

from evoprune.backbones._base import Backbone
from evoprune.backbones._wording import nearest
from evoprune.errors import BackboneError

TORCHVISION = ("resnet50", "densenet121", "vgg19")
"""Names of torchvision's networks."""
_PREFIXES = ("timm:NAME", "onnx:FILE")


def backbone_names() -> tuple[str, ...]:
    """The names that `load_backbone` knows, then the forms with a prefix."""
    return ("tiny", *TORCHVISION, *_PREFIXES)


def load_backbone(name: str, weights: str | Path | None = None) -> Backbone:
    """A backbone by its name.

    The fingerprint is known at once; the network itself is built when first needed
    (`timm:NAME` excepted, whose weights can only be found by building it).

    Args:
        name: `tiny` (bundled), `resnet50`, `densenet121`, `vgg19` (torchvision, ImageNet
            weights), `timm:NAME`, or `onnx:FILE` with the preprocessing in a `.json` file
            of the same name beside it.
        weights: state dict to put into the architecture instead of its published weights,
            `.safetensors` or `.pth`; a classifier in it is ignored. The preprocessing stays
            that of the published weights. For `tiny`, a file that `tools/pretrain_tiny.py` wrote.

    Raises:
        BackboneError: the name is unknown, a package is missing, or the weights cannot be had.
    """
    path = Path(weights).expanduser() if weights is not None else None
    prefix, _, rest = name.partition(":")
    if name == "tiny":
        from evoprune.backbones._tiny import load_tiny  # noqa: PLC0415

        return load_tiny(path)
    if name in TORCHVISION:
        from evoprune.backbones._torchvision import load_torchvision  # noqa: PLC0415

        return load_torchvision(name, path)
    if prefix == "timm" and rest:
        from evoprune.backbones._timm import load_timm  # noqa: PLC0415

        return load_timm(rest, path)
    if prefix == "onnx" and rest:
        if path is not None:
            raise BackboneError(f"backbone {name!r} already names its weights; leave weights={str(path)!r} out")
        from evoprune.backbones._onnx import load_onnx  # noqa: PLC0415

        return load_onnx(Path(rest).expanduser())
    raise BackboneError(_unknown(name))


def _unknown(name: str) -> str:
    known = ", ".join(backbone_names())
    if name.lower().endswith(".onnx"):
        guess = f"did you mean 'onnx:{name.rsplit(':', 1)[-1]}'?"
    else:
        guess = nearest(name.lower(), ("tiny", *TORCHVISION, "timm:", "onnx:"))
    return " ".join(filter(None, (f"backbone {name!r} is unknown;", guess, f"known are {known}")))
