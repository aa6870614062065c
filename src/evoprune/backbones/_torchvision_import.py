"""Importing torchvision where its compiled operators do not match the installed torch.

A torchvision built for another torch (or for CUDA, beside a CPU torch) fails on import with
"operator torchvision::nms does not exist". The operators are for object detection; no backbone
uses them. Declaring them is enough for the model definitions, and for timm, to be imported.
"""

from __future__ import annotations

import importlib
from functools import cache
from types import ModuleType
from typing import Any

from evoprune.backbones._wording import first_line
from evoprune.errors import BackboneError

_SYMPTOM = "operator torchvision::nms does not exist"


def import_optional(package: str, needed_by: str) -> ModuleType:
    """Import torchvision or timm.

    Args:
        package: `torchvision` or `timm`, also the name of evoprune's extra.
        needed_by: the backbone that the user asked for.

    Raises:
        BackboneError: the package is not installed, or cannot be imported.
    """
    try:
        return _import_mended(package)
    except ModuleNotFoundError as error:
        raise BackboneError(
            f"backbone {needed_by!r} needs {error.name}, which is not installed; "
            f'run: pip install "evoprune[{package}]"   (or take tiny or onnx:FILE)'
        ) from error
    except (ImportError, RuntimeError, OSError) as error:
        raise BackboneError(
            f"backbone {needed_by!r} needs {package}, which does not fit the installed torch "
            f'({first_line(error)}); run: pip install --upgrade torch "evoprune[{package}]"'
        ) from error


def _import_mended(package: str) -> ModuleType:
    try:
        return importlib.import_module(package)
    except RuntimeError as error:
        if _SYMPTOM not in str(error):
            raise
    _declare_detection_operators()
    return importlib.import_module(package)


@cache
def _declare_detection_operators() -> Any:
    # The declarations last as long as the object, which the cache keeps.
    from torch.library import Library  # noqa: PLC0415

    library: Any = Library("torchvision", "DEF")  # type: ignore[no-untyped-call]
    for operator in ("nms", "qnms"):
        library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    return library
