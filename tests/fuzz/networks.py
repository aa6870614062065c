"""Fuzzing of ONNX backbones and of files of weights."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from hypothesis import strategies as st

from evoprune.backbones import load_backbone

from .archives import (
    PICKLE_WORDS,
    members_of,
)
from .graphs import graph_changes, regraphed
from .material import Material
from .mutations import ZIP_WORDS, changed, mutated
from .target import Target


def backbones(whole: Material) -> Iterator[Target]:
    graph = whole.graph.read_bytes()
    record = json.loads(whole.graph.with_suffix(".json").read_text(encoding="utf-8"))
    pixels = np.full((9, 7, 3), 100, np.uint8)

    def use(graph: bytes, record: bytes, folder: Path) -> None:
        path = folder / "net.onnx"
        path.write_bytes(graph)
        path.with_suffix(".json").write_bytes(record)
        (folder / "w.bin").write_bytes(bytes(600))
        if not (folder / "link").is_symlink():
            (folder / "link").symlink_to("/etc/passwd")
        backbone = load_backbone(f"onnx:{path}")
        backbone.extract(np.stack([backbone.prepare(pixels)]))

    def read_weights_file(given: tuple[str, bytes], folder: Path) -> None:
        from evoprune.backbones._weights_file import read_weights

        path = folder / f"w{given[0]}"
        path.write_bytes(given[1])
        read_weights(path)

    good = json.dumps(record).encode()
    words = (b"\x0a\x05image", b"Loop", b"location", b"../../etc/passwd", b"\xff\xff\xff\xff\x07", b"\x08\x01")
    yield Target("ONNX backbones, bytes", mutated([graph], words), lambda data, f: use(data, good, f), 5)
    yield Target(
        "ONNX backbones, graphs",
        graph_changes().map(lambda c: regraphed(graph, c, seal=False)),
        lambda d, f: use(d, good, f),
        4,
    )
    yield Target(
        "ONNX backbones, preprocessing",
        changed([record]),
        lambda text, f: use(graph, text.encode("utf-8", "replace"), f),
        5,
    )
    weights = whole.weights
    damaged = st.sampled_from(sorted(weights)).flatmap(
        lambda ending: st.tuples(st.just(ending), mutated([weights[ending]], (*PICKLE_WORDS, *ZIP_WORDS)))
    )
    yield Target("files of weights", damaged, read_weights_file, 8)
    members = st.tuples(st.just(".pth"), members_of({".pth": weights[".pth"]}, PICKLE_WORDS))
    yield Target("files of weights, members", members, read_weights_file, 4)
