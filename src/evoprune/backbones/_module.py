"""Any torch module as a backbone."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from evoprune._types import ByteArray, Float32Array
from evoprune.backbones._base import Preprocessing
from evoprune.backbones._preprocessing import preprocess
from evoprune.errors import BackboneError

if TYPE_CHECKING:
    from torch import nn

_PROBE_SIZE = (61, 83)


class ModuleBackbone:
    """A `torch.nn.Module` together with the transform that its images go through.

    The fingerprint, by which features are cached, is a SHA-256 over the module's printed
    form, its weights and buffers, the transform's printed form (memory addresses taken out)
    and what the transform makes of a fixed test image. So a change of weights, layers, size,
    mean or filter is seen; a change in the code of a module's `forward` that shows in none of
    these is not, and needs another `name`, which is part of it too.

    The module is put into evaluation mode, and runs on the device its weights are on. Do not
    change its weights afterwards.

    Attributes:
        module: the network.
        transform: from a PIL image to the network's input, or a description of that.
        name: what tables call it.
        width: D, the number of features.
        fingerprint: see above.
        input_size: height and width of the transformed images, pixels.
    """

    def __init__(
        self,
        module: nn.Module,
        transform: Callable[[Any], Any] | Preprocessing,
        name: str | None = None,
        input_size: tuple[int, int] | None = None,
        width: int | None = None,
    ) -> None:
        """Check module and transform by running both once.

        Args:
            module: images `[N, 3, h, w]` to features `[N, D]`, or maps `[N, D, H, W]`, which are
                averaged over H and W.
            transform: a PIL image (RGB) to a tensor or array `[3, h, w]`; deterministic. Or a
                description of it, which can be written into an exported file whatever it says.
            name: what tables call it; the class of the module by default.
            input_size: height and width that the transform is expected to give.
            width: D that the module is expected to give.

        Raises:
            BackboneError: transform or module give something else, or the transform is random.
        """
        from evoprune.backbones._torch_network import state_digest  # noqa: PLC0415

        self.name = name or type(module).__name__
        self.module = module
        self.transform = transform
        probe = _probe()
        prepared = self._checked(self._transformed(probe))
        self.input_size: tuple[int, int] = (prepared.shape[1], prepared.shape[2])
        if input_size is not None and tuple(input_size) != self.input_size:
            raise BackboneError(
                f"the transform of backbone {self.name!r} gives images of {list(self.input_size)}, "
                f"not input_size={list(input_size)}; change one of them"
            )
        if not np.array_equal(prepared, self.prepare(probe)):
            raise BackboneError(
                f"the transform of backbone {self.name!r} gives two results for one image; "
                "features are extracted once, so take random augmentation out of it"
            )
        self.width = int(self.extract(prepared[None]).shape[1])
        if width is not None and width != self.width:
            raise BackboneError(f"backbone {self.name!r} gives {self.width} features, not width={width}")
        parts = (self.name, _printed(module), state_digest(module), _printed(transform), str(self.width))
        digest = hashlib.sha256("\0".join(parts).encode())
        digest.update(prepared.tobytes())
        self.fingerprint = digest.hexdigest()

    def prepare(self, pixels: ByteArray) -> Float32Array:
        """One image `[H, W, 3]` (uint8, RGB) as the network's input `[3, h, w]`.

        As thread-safe as the transform.

        Raises:
            BackboneError: the transform gives images of different sizes.
        """
        prepared = self._checked(self._transformed(pixels))
        if prepared.shape[1:] != self.input_size:
            raise BackboneError(
                f"the transform of backbone {self.name!r} gives an image of {list(prepared.shape[1:])} "
                f"where it gave {list(self.input_size)} before; let it resize or crop to one size"
            )
        return prepared

    def extract(self, batch: Float32Array) -> Float32Array:
        """Features `[N, D]` of a batch of prepared images `[N, 3, h, w]`.

        Raises:
            BackboneError: the module's output is no feature vector.
        """
        from evoprune.backbones._torch_network import run  # noqa: PLC0415

        return run(self.module, batch, self.name)

    def _transformed(self, pixels: ByteArray) -> Any:
        if isinstance(self.transform, Preprocessing):
            return preprocess(pixels, self.transform)
        return self.transform(Image.fromarray(pixels))

    def _checked(self, prepared: Any) -> Float32Array:
        array = np.asarray(prepared)
        if array.ndim != 3 or array.shape[0] != 3 or array.dtype.kind != "f":
            raise BackboneError(
                f"the transform of backbone {self.name!r} gives {array.dtype} of shape {list(array.shape)}; "
                "needed are floating point numbers [3, h, w]"
            )
        return np.ascontiguousarray(array, dtype=np.float32)


def _probe() -> ByteArray:
    """An image with a different colour nearly everywhere, so that any difference between transforms shows."""
    height, width = _PROBE_SIZE
    rows, columns, channels = np.ogrid[:height, :width, :3]
    values = rows * 37 + columns * 101 + channels * 59 + rows * columns
    return np.asarray(values % 256, dtype=np.uint8)


def _printed(thing: object) -> str:
    return re.sub(r" at 0x[0-9a-fA-F]+", "", repr(thing))
