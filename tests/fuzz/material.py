"""Whole files of every kind that evoprune reads, small: what fuzzing damages."""

from __future__ import annotations

import io
import json
import sqlite3
import struct
import zlib
from functools import cached_property
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.lib import format as npy
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from safetensors.numpy import save

import evoprune as ep
from evoprune.backbones import load_backbone
from evoprune.model import SUFFIXES, Model, Options, Rejection, deployable, exported_bytes, fit_score
from evoprune.search import SearchOptions
from evoprune.training import FAST
from tests.model.conftest import random_head

CLASSES = ("cat", "dög", "[red]")
_RECORD = {
    "input_size": [8, 8],
    "color": "RGB",
    "resize": "bilinear",
    "fit": "crop",
    "crop_fraction": 0.875,
    "mean": [127.5, 127.5, 127.5],
    "std": [127.5, 127.5, 127.5],
    "input": "image",
    "output": "flat",
}


class Material:
    """The files; each is made when it is first asked for.

    Args:
        folder: to make them in.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    @cached_property
    def arrays(self) -> dict[str, np.ndarray]:
        """Features and labels of 40 rows in 3 classes."""
        rng = np.random.default_rng(0)
        y = np.arange(40) % 3
        X = (rng.normal(size=(40, 6)) + y[:, None]).astype(np.float32)
        return {"X_train": X[:28], "y_train": y[:28], "X_test": X[28:], "y_test": y[28:]}

    @cached_property
    def feature_file(self) -> Path:
        """A feature file that can be used."""
        path = self.folder / "features.npz"
        np.savez(path, **self.arrays, class_names=np.array(CLASSES))
        return path

    @cached_property
    def archives(self) -> list[bytes]:
        """Feature files: stored, compressed, to be split, with validation part."""
        X, y = self.arrays["X_train"], self.arrays["y_train"]
        forms = [
            (np.savez, {**self.arrays, "class_names": np.array(CLASSES)}),
            (np.savez_compressed, {**self.arrays, "class_names": np.array(CLASSES)}),
            (np.savez, {"X": X.astype(">f8"), "y": y.astype(np.uint8)}),
            (np.savez, {**self.arrays, "X_val": X[:9].astype(np.float16), "y_val": y[:9]}),
        ]
        found = []
        for write, arrays in forms:
            buffer = io.BytesIO()
            write(buffer, **arrays)
            found.append(buffer.getvalue())
        return found

    @cached_property
    def matrices(self) -> list[bytes]:
        """`.npy` files of all versions of that format."""
        found = []
        for array in (self.arrays["X_train"], np.asfortranarray(self.arrays["X_test"]), np.arange(12).reshape(3, 4)):
            for version in ((1, 0), (2, 0), (3, 0)):
                buffer = io.BytesIO()
                npy.write_array(buffer, array, version=version)
                found.append(buffer.getvalue())
        return found

    @cached_property
    def run(self) -> Path:
        """The folder of a finished run with two objectives on the feature file."""
        folder = self.folder / "run"
        recipe = FAST.model_copy(update={"epochs": 2, "batch_size": 16, "learning_rate": 2e-2})
        study = ep.Study(
            ep.from_feature_file(self.feature_file),
            head=ep.Head(4),
            objectives=("accuracy", "active"),
            algorithm="nsga2",
            recipe=recipe,
            search=SearchOptions(population=6),
            report_seeds=2,
            output=folder,
        )
        study.run(12)
        # As the command line keeps it, where the data can be found again.
        config = folder / "config.toml"
        lines = [
            f'data = "{self.feature_file}"' if line.startswith("data = ") else line.replace('"arrays"', '"features"')
            for line in config.read_text(encoding="utf-8").splitlines()
            # Edited by hand it no longer is what its first line, a checksum, says.
            if not line.startswith("#")
        ]
        config.write_text("\n".join(lines) + "\n", encoding="utf-8")
        with sqlite3.connect(folder / "study.sqlite") as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.close()
        return folder

    @cached_property
    def graph(self) -> Path:
        """An ONNX backbone of one convolution with 5 filters, and its record."""
        weights = np.random.default_rng(0).normal(size=(5, 3, 3, 3)).astype(np.float32)
        nodes = [
            helper.make_node("Conv", ["image", "weights"], ["maps"], pads=[1, 1, 1, 1]),
            helper.make_node("GlobalAveragePool", ["maps"], ["pooled"]),
            helper.make_node("Flatten", ["pooled"], ["flat"]),
        ]
        graph = helper.make_graph(
            nodes,
            "small",
            [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 3, 8, 8])],
            [helper.make_tensor_value_info("flat", TensorProto.FLOAT, None)],
            [numpy_helper.from_array(weights, "weights")],
        )
        path = self.folder / "small.onnx"
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)
        path.with_suffix(".json").write_text(json.dumps(_RECORD), encoding="utf-8")
        return path

    @cached_property
    def model(self) -> Model:
        """A model on the small backbone that calls images unknown."""
        backbone = load_backbone(f"onnx:{self.graph}")
        head = random_head(backbone.width, hidden=(4,), classes=3, share=0.9)
        rng = np.random.default_rng(2)
        X, y = np.abs(rng.normal(size=(30, backbone.width))).astype(np.float32), np.arange(30) % 3
        return Model(head, CLASSES, backbone, {"seed": 3}, Rejection("knn", 1.0, 0.95, fit_score("knn", head, X, y)))

    @cached_property
    def exported(self) -> dict[str, bytes]:
        """Exported files by their endings: whole models, and a head alone."""
        files = {SUFFIXES[kind]: exported_bytes(deployable(self.model, Options(kind))) for kind in SUFFIXES}
        head = Model(self.model.head, CLASSES, None, {}, None)
        for kind in SUFFIXES:
            files[f".head{SUFFIXES[kind]}"] = exported_bytes(deployable(head, Options(kind, head_only=True)))
        return files

    @cached_property
    def model_folder(self) -> Path:
        """A model as a run folder holds it."""
        folder = self.folder / "model"
        self.model.save(folder)
        return folder

    @cached_property
    def weights(self) -> dict[str, bytes]:
        """Files of weights by their endings: of two small layers."""
        state = {"conv.weight": torch.randn(2, 3, 3, 3), "fc.bias": torch.zeros(4, dtype=torch.float16)}
        found = {".safetensors": save({name: value.numpy() for name, value in state.items()})}
        for ending, new in ((".pth", True), (".pt", False)):
            buffer = io.BytesIO()
            torch.save({"state_dict": state}, buffer, _use_new_zipfile_serialization=new)
            found[ending] = buffer.getvalue()
        return found

    @cached_property
    def images(self) -> list[bytes]:
        """Images of the formats that are read, in many of their forms, and of some that are not."""
        rng = np.random.default_rng(0)
        colour = Image.fromarray(rng.integers(0, 256, (11, 7, 3), dtype=np.uint8))
        exif = Image.Exif()
        exif[0x0112] = 6
        exif[0x010E] = "x" * 2000
        other = colour.transpose(Image.Transpose.ROTATE_180)
        forms: list[tuple[Image.Image, str, dict[str, object]]] = [
            (colour, "JPEG", {"exif": exif}),
            (colour, "JPEG", {"progressive": True}),
            (colour.convert("CMYK"), "JPEG", {}),
            (colour.convert("L"), "JPEG", {}),
            *((colour.convert(mode), "PNG", {}) for mode in ("1", "L", "LA", "P", "RGB", "RGBA")),
            (colour, "PNG", {"exif": exif, "save_all": True, "append_images": [other]}),
            (Image.fromarray(rng.integers(0, 65536, (5, 4), dtype=np.uint16)), "PNG", {}),
            (colour, "WEBP", {"lossless": True}),
            (colour.convert("RGBA"), "WEBP", {"quality": 40}),
            (colour, "WEBP", {"save_all": True, "append_images": [other], "exif": exif}),
            *((colour.convert(mode), "BMP", {}) for mode in ("1", "L", "P", "RGB", "RGBA")),
            *((colour, "TIFF", {"compression": how}) for how in ("raw", "tiff_lzw", "tiff_adobe_deflate", "jpeg")),
            (colour.convert("CMYK"), "TIFF", {}),
            (colour, "TIFF", {"save_all": True, "append_images": [other]}),
            (Image.fromarray(rng.random((4, 5)).astype(np.float32)), "TIFF", {}),
            (Image.fromarray(rng.integers(0, 65536, (5, 4), dtype=np.uint16)), "TIFF", {}),
            (Image.fromarray(rng.integers(0, 2**31, (5, 4), dtype=np.int32)), "TIFF", {}),
            *((colour, kind, {}) for kind in ("GIF", "ICO", "PPM", "TGA", "PCX", "JPEG2000")),
        ]
        found = []
        for image, kind, options in forms:
            buffer = io.BytesIO()
            image.save(buffer, kind, **options)
            found.append(buffer.getvalue())
        return found


def png(width: int, height: int, depth: int, colour: int, rows: bytes, *, extra: bytes = b"") -> bytes:
    """A PNG file that says of itself what it likes, with checksums that are right.

    Args:
        width: as declared.
        height: as declared.
        depth: bits a sample.
        colour: type of colour.
        rows: filtered pixels, not yet compressed.
        extra: chunks between header and pixels.
    """
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    chunks = chunk(b"IHDR", header) + extra + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def chunk(kind: bytes, data: bytes) -> bytes:
    """A chunk of a PNG file."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
