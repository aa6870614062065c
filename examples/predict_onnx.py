"""Classify images with an ONNX file that `evoprune export` wrote; needs onnxruntime, numpy and Pillow alone.

    python predict_onnx.py flowers.onnx photo.jpg photos/

Everything comes from the file: what the classes are called, how images are prepared, and above which score an
image is like none of them ("unknown"). Copy what you need of it.
"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from PIL import Image, ImageOps

FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"}


def read_image(path: Path) -> Image.Image:
    """An image upright and in RGB, transparency over white."""
    with Image.open(path) as file:
        image = ImageOps.exif_transpose(file)
    if image.has_transparency_data:
        canvas = Image.new("RGBA", image.size, "white")
        canvas.alpha_composite(image.convert("RGBA"))
        image = canvas
    return image.convert("RGB")


def prepare(image: Image.Image, how: dict[str, Any]) -> np.ndarray:
    """An image as the network's input `[3, h, w]`, float32."""
    height, width = how["size"]
    if how["fit"] == "crop":
        # The shorter side becomes the input's, divided by the share that the centre crop keeps of it.
        rows, columns = (math.floor(side / how["crop_fraction"] + 1e-6) for side in (height, width))
        if image.height * columns <= image.width * rows:
            size = (max(columns, image.width * rows // image.height), rows)
        else:
            size = (columns, max(rows, image.height * columns // image.width))
        image = image if size == image.size else image.resize(size, FILTERS[how["interpolation"]])
        top, left = round((image.height - height) / 2), round((image.width - width) / 2)
        image = image.crop((left, top, left + width, top + height))
    elif image.size != (width, height):
        image = image.resize((width, height), FILTERS[how["interpolation"]])
    channels = np.asarray(image, dtype=np.float32).transpose(2, 0, 1)
    if how["color"] == "BGR":
        channels = channels[::-1]
    mean, std = (np.array(how[name], dtype=np.float32).reshape(3, 1, 1) for name in ("mean", "std"))
    return (channels - mean) / std


def main(model: str, *given: str) -> None:
    """Print one line of JSON an image."""
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    facts = json.loads(session.get_modelmeta().custom_metadata_map["evoprune"])
    rejection = facts["rejection"]
    outputs = ["probabilities"] if rejection is None else ["probabilities", "ood_score"]
    for path in [p for name in given for p in (sorted(Path(name).rglob("*")) if Path(name).is_dir() else [Path(name)])]:
        if path.suffix.lower() not in SUFFIXES:
            continue
        batch = prepare(read_image(path), facts["preprocessing"])[None]
        probabilities, *score = session.run(outputs, {"image": np.ascontiguousarray(batch)})
        best = int(probabilities[0].argmax())
        unknown = bool(score) and not score[0][0] <= rejection["threshold"]
        print(
            json.dumps(
                {
                    "image": str(path),
                    "class": "unknown" if unknown else facts["class_names"][best],
                    "nearest": facts["class_names"][best],
                    "probability": float(probabilities[0, best]),
                }
            )
        )


if __name__ == "__main__":
    main(*sys.argv[1:])
