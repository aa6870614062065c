"""Images from files and arrays, always as 8-bit RGB."""

from __future__ import annotations

import hashlib
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import PIL.ExifTags
import PIL.Image

from evoprune._types import ByteArray, FloatArray
from evoprune.errors import DataError

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"})
"""Files that count as images in a folder; the case of the letters does not matter."""

_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF")

_UPRIGHT = {
    2: PIL.Image.Transpose.FLIP_LEFT_RIGHT,
    3: PIL.Image.Transpose.ROTATE_180,
    4: PIL.Image.Transpose.FLIP_TOP_BOTTOM,
    5: PIL.Image.Transpose.TRANSPOSE,
    6: PIL.Image.Transpose.ROTATE_270,
    7: PIL.Image.Transpose.TRANSVERSE,
    8: PIL.Image.Transpose.ROTATE_90,
}
"""EXIF orientation -> the operation that turns the picture upright (EXIF 2.32, tag 0x0112)."""


class UnreadableImageError(DataError):
    """A file that cannot be read as an image.

    Attributes:
        path: the file.
        reason: why, without the path.
    """

    def __init__(self, path: Path, reason: str) -> None:
        # Both values go to the base class, so that the error survives the way between processes.
        super().__init__(path, reason)
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.path} cannot be read as an image: {self.reason}"


@dataclass(frozen=True)
class FileImage:
    """An image file.

    Attributes:
        path: where it lies.
    """

    path: Path

    @property
    def name(self) -> str:
        """The path as text."""
        return str(self.path)

    def digest(self) -> str:
        """SHA-256 of the file's bytes, hexadecimal.

        Raises:
            DataError: the file cannot be read.
        """
        try:
            _require_contents(self.path)
            return hashlib.sha256(self.path.read_bytes()).hexdigest()
        except (OSError, _RefusedError) as error:
            raise UnreadableImageError(self.path, _reason(error)) from error

    def load(self) -> ByteArray:
        """Pixels `[H, W, 3]`, RGB; see `load_image`.

        Raises:
            DataError: the file is not a readable image.
        """
        return load_image(self.path)


@dataclass(frozen=True, eq=False)
class ArrayImage:
    """An image in memory.

    Attributes:
        name: what errors and tables call it.
        pixels: `[H, W, 3]`, uint8, RGB.

    Raises:
        DataError: the pixels have another type or shape.
    """

    name: str
    pixels: ByteArray

    def __post_init__(self) -> None:
        shape = self.pixels.shape
        if self.pixels.dtype != np.uint8 or len(shape) != 3 or shape[2] != 3 or 0 in shape:
            raise DataError(f"image {self.name} is {self.pixels.dtype} of shape {list(shape)}; give uint8 [H, W, 3]")

    def digest(self) -> str:
        """SHA-256 of shape, type and pixels, hexadecimal."""
        head = f"{list(self.pixels.shape)} {self.pixels.dtype} "
        return hashlib.sha256(head.encode() + self.pixels.tobytes()).hexdigest()

    def load(self) -> ByteArray:
        """Pixels `[H, W, 3]`, RGB."""
        return self.pixels


def load_image(path: str | Path) -> ByteArray:
    """Read an image file as 8-bit RGB, upright.

    JPEG, PNG, WebP, BMP and TIFF, recognised by their contents. The EXIF orientation is
    applied, transparency is composited over white, colour profiles are ignored, and of
    several frames or pages the first is taken. 16-bit grey is scaled to 8 bits (65535
    becomes 255). Pixels of floating point must lie in 0..1; other ranges, and 32-bit
    integers, have no defined white and are refused.

    Args:
        path: the file.

    Returns:
        Pixels `[H, W, 3]`, uint8.

    Raises:
        DataError: the file is missing, empty, damaged, not an image, or has more pixels than
            Pillow's limit against decompression bombs (twice `PIL.Image.MAX_IMAGE_PIXELS`).
    """
    path = Path(path)
    try:
        return _decode(path)
    except Exception as error:
        # Pillow's decoders raise nearly any exception on a damaged file (struct.error, KeyError, ..).
        raise UnreadableImageError(path, _reason(error)) from error


class _RefusedError(ValueError):
    """A file that Pillow may read, but that gives no 8-bit RGB image; the message is the reason."""


def _require_contents(path: Path) -> None:
    """Refuse what has no end or never begins: devices and pipes, which archives can hold under the name of an image."""
    facts = path.stat()
    if not (stat.S_ISREG(facts.st_mode) or stat.S_ISDIR(facts.st_mode)):
        raise _RefusedError("it is a pipe or a device, which has no contents of its own")
    if facts.st_size == 0:
        raise _RefusedError("the file is empty (0 bytes)")


def _decode(path: Path) -> ByteArray:
    _require_contents(path)
    with path.open("rb") as file, PIL.Image.open(file, formats=_FORMATS) as image:
        image.load()
        upright = _UPRIGHT.get(_orientation(image))
        bits = _bits_per_sample(image)
        return _to_rgb(image if upright is None else image.transpose(upright), bits)


def _to_rgb(image: PIL.Image.Image, bits: int) -> ByteArray:
    """Pixels `[H, W, 3]`; `bits` is the stored depth of mode "I", which Pillow uses for 16 and 32 bits."""
    if image.mode.startswith("I"):
        if image.mode == "I" and bits > 16:
            raise _RefusedError("32-bit integer pixels have no defined white; convert it to 8 or 16 bits")
        return _grey_to_rgb(np.asarray(image, dtype=np.float64) / 65535)
    if image.mode == "F":
        return _grey_to_rgb(np.asarray(image, dtype=np.float64))
    if image.has_transparency_data:
        canvas = PIL.Image.new("RGBA", image.size, "white")
        canvas.alpha_composite(image.convert("RGBA"))
        image = canvas
    return np.array(image.convert("RGB"))


def _grey_to_rgb(grey: FloatArray) -> ByteArray:
    """Grey `[H, W]`, 0 black to 1 white, as `[H, W, 3]`."""
    if not (np.isfinite(grey).all() and grey.min() >= 0 and grey.max() <= 1):
        raise _RefusedError(
            f"its pixels range over {grey.min():g}..{grey.max():g} of white, outside 0..1; convert it to 8 or 16 bits"
        )
    return np.repeat(np.rint(grey * 255).astype(np.uint8)[:, :, None], 3, axis=2)


def _orientation(image: PIL.Image.Image) -> int:
    try:
        return int(image.getexif().get(PIL.ExifTags.Base.Orientation, 1))
    except Exception:
        # Damaged metadata say nothing about the pixels, which have been decoded by now.
        return 1


def _bits_per_sample(image: PIL.Image.Image) -> int:
    tags: Any = getattr(image, "tag_v2", None)
    return 16 if tags is None else int(tags.get(PIL.ExifTags.Base.BitsPerSample, (16,))[0])


def _reason(error: Exception) -> str:
    """Why an image cannot be read, in a few words without the path."""
    if isinstance(error, _RefusedError):
        return str(error)
    if isinstance(error, PIL.UnidentifiedImageError):
        return "the contents are not a JPEG, PNG, WebP, BMP or TIFF image"
    if isinstance(error, PIL.Image.DecompressionBombError):
        return "it has more pixels than an image of this size on disk should (a decompression bomb)"
    if isinstance(error, MemoryError):
        return "there is not enough memory to decode it"
    if isinstance(error, FileNotFoundError):
        return "the file does not exist"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return f"the file is damaged or cut short ({str(error) or type(error).__name__})"
