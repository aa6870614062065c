"""The bundled backbone `tiny`."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from evoprune._files import parse_json
from evoprune.backbones._base import Preprocessing
from evoprune.backbones._fingerprint import file_digest, fingerprint
from evoprune.backbones._network_backbone import NetworkBackbone
from evoprune.errors import BackboneError

if TYPE_CHECKING:
    from torch import nn

BUNDLED = Path(__file__).parent / "weights" / "tiny.safetensors"


def load_tiny(weights: Path | None) -> NetworkBackbone:
    """The network of `tools/pretrain_tiny.py` with the weights it wrote.

    Args:
        weights: `.safetensors` file with its record (`.json`) beside it; None takes the bundled ones.

    Raises:
        BackboneError: the files cannot be read.
    """
    path = weights or BUNDLED
    record = path.with_suffix(".json")
    try:
        preprocessing = _preprocessing(record.read_text(encoding="utf-8"))
        identity = fingerprint("tiny", file_digest(path), preprocessing)
    except OSError as error:
        raise BackboneError(
            f"backbone 'tiny' needs {path.name} and {record.name} in {path.parent}: {error.strerror}; "
            "install evoprune again, or make them with tools/pretrain_tiny.py"
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise BackboneError(
            f"{record} is not a record of tools/pretrain_tiny.py ({type(error).__name__}: {error})"
        ) from error
    return NetworkBackbone("tiny", identity, preprocessing, partial(_build, path))


def _preprocessing(text: str) -> Preprocessing:
    record = parse_json(text)
    height, width = record["input_size"]
    red, green, blue = record["mean"]
    std_red, std_green, std_blue = record["std"]
    return Preprocessing(
        size=(height, width),
        interpolation=record["resize"],
        mean=(red, green, blue),
        std=(std_red, std_green, std_blue),
        color=record["color"],
    )


def _build(path: Path) -> nn.Module:
    from evoprune.backbones._tiny_network import TinyNetwork  # noqa: PLC0415
    from evoprune.backbones._weights_file import load_into  # noqa: PLC0415

    return load_into(TinyNetwork(), path, ignored=())
