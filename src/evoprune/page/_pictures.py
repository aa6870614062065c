"""Pictures inside a page: figures made small enough to be part of it, and thumbnails of images."""

from __future__ import annotations

import base64
import io
import logging
from pathlib import Path
from typing import Any

from evoprune.data import ArrayImage, FileImage, Image, load_images
from evoprune.errors import DataError
from evoprune.workflow import RunConfig

logger = logging.getLogger(__name__)

FIGURE_BYTES = 3_000_000
"""Bytes that all figures of a page may take, as they stand in it."""

_ONE = 420_000
"""Bytes that one figure may take."""

_TRIES = ((1600, 82), (1400, 75), (1200, 68), (1000, 60), (800, 50))
"""Widths in pixels and qualities that a figure is tried with."""

_THUMBNAIL = 88
"""Pixels of the longer side of a thumbnail."""


class Figures:
    """Figures of a page, which share its room.

    Args:
        room: bytes that they may take together.
    """

    def __init__(self, room: int = FIGURE_BYTES) -> None:
        self._room = room

    def of(self, path: Path, title: str) -> dict[str, Any] | None:
        """A figure with its title and size in pixels; None where there is none, or no room is left for it.

        Args:
            path: of a PNG file.
            title: says what it shows.
        """
        from PIL import Image as Pictures  # noqa: PLC0415

        if not path.is_file():
            return None
        try:
            contents = path.read_bytes()
            with Pictures.open(io.BytesIO(contents)) as opened:
                # Now, so that one that is cut short is noticed.
                opened.load()
                width, height = opened.size
                # A drawing is best left as it is; what holds photographs is smaller as JPEG.
                source = _data_uri(contents, "png") if opened.format == "PNG" else None
                if source is None or len(source) > _ONE // 2:
                    source = min(filter(None, (source, _smaller(opened.convert("RGB")))), key=len, default=None)
        except (OSError, ValueError, Pictures.DecompressionBombError) as error:
            logger.warning("%s is not shown in the report: %s", path, error)
            return None
        if source is None or len(source) > min(self._room, _ONE):
            return None
        self._room -= len(source)
        return {"title": title, "source": source, "width": width, "height": height, "file": path.name}


class Thumbnails:
    """Small pictures of the images of a run, from where they were when it was made.

    Args:
        config: of the run.
    """

    def __init__(self, config: RunConfig) -> None:
        self._config = config
        self._bundled: dict[str, Image] | None = None

    def of(self, name: str) -> str | None:
        """The picture of an image as data URI; None where it cannot be read any more."""
        from PIL import Image as Pictures  # noqa: PLC0415

        image = self._image(name)
        if image is None:
            return None
        try:
            picture = Pictures.fromarray(image.load())
        except DataError:
            return None
        if max(picture.size) < _THUMBNAIL:
            # Of 8 x 8 pixels nothing could be seen.
            scale = _THUMBNAIL // max(picture.size)
            picture = picture.resize((scale * picture.width, scale * picture.height), Pictures.Resampling.NEAREST)
        picture.thumbnail((_THUMBNAIL, _THUMBNAIL))
        return _jpeg(picture, 72)

    def _image(self, name: str) -> Image | None:
        path = Path(name)
        if path.is_file():
            return FileImage(path)
        if self._config.kind != "images" or self._config.data != "digits":
            return None
        if self._bundled is None:
            bundled = load_images(self._config.data).images
            self._bundled = {image.name: image for image in bundled if isinstance(image, ArrayImage)}
        return self._bundled.get(name)


def _smaller(picture: Any) -> str | None:
    """A figure as JPEG that takes no more than one may; None where it cannot be had."""
    for width, quality in _TRIES:
        shown = picture.copy()
        shown.thumbnail((width, 8 * width))
        source = _jpeg(shown, quality)
        if len(source) <= _ONE:
            return source
    return None


def _jpeg(picture: Any, quality: int) -> str:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality, optimize=True)
    return _data_uri(buffer.getvalue(), "jpeg")


def _data_uri(contents: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(contents).decode('ascii')}"
