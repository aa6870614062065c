"""Fuzzing of model files, and of the models in run folders."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from hypothesis import strategies as st

from evoprune.model import Model, load_exported

from .archives import (
    PICKLE_WORDS,
    SCRIPT_WORDS,
    facts_of,
    header_of,
    members_of,
    rearranged,
    refaced,
    with_header,
)
from .graphs import graph_changes, regraphed
from .material import Material
from .mutations import ZIP_WORDS, changed, mutated
from .target import Target


def models(whole: Material) -> Iterator[Target]:
    pixels = np.full((9, 7, 3), 100, np.uint8)
    batch = np.zeros((2, whole.model.head.width), np.float32)

    def use(path: Path) -> None:
        model = load_exported(path, threads=1)
        if model.facts.input == "image":
            model.predict([pixels, pixels])
        else:
            model.run(batch)

    def read(data: bytes, folder: Path) -> None:
        path = folder / "model"
        path.write_bytes(data)
        use(path)

    def read_folder(given: tuple[str, bytes, bool], folder: Path) -> None:
        text, head, seal = given
        description = text.encode("utf-8", "surrogatepass")
        if seal:
            # As who means harm would.
            known = json.dumps(json.loads((whole.model_folder / "model.json").read_text())["head_sha256"]).encode()
            description = description.replace(known, json.dumps(hashlib.sha256(head).hexdigest()).encode())
        (folder / "model.json").write_bytes(description)
        (folder / "head.safetensors").write_bytes(head)
        model = Model.load(folder, whole.model.backbone)
        model.predict(pixels)
        repr(model)

    exported = whole.exported
    words = (
        *ZIP_WORDS,
        b"F16",
        b"BF16",
        b"data_offsets",
        b"__metadata__",
        b"evoprune",
        b"Relu",
        b"Loop",
        b"ATen",
        b"code/",
        b"__setstate__",
    )
    files = list(exported.values())
    yield Target("model files, bytes", mutated(files, words), read, 8)
    arrays = {name: data for name, data in exported.items() if name.endswith(".safetensors")}
    facts = [facts_of(data) for data in arrays.values()]
    other_facts = st.tuples(st.sampled_from(sorted(arrays)), changed(facts)).map(lambda g: refaced(arrays[g[0]], g[1]))
    yield Target("model files (safetensors), facts", other_facts, read, 6)
    header = st.tuples(st.sampled_from(sorted(arrays)), changed([header_of(data) for data in arrays.values()])).map(
        lambda g: with_header(arrays[g[0]], g[1])
    )
    yield Target("model files (safetensors), header", header, read, 4)
    kinds = st.sampled_from(("int8", "float16", "float64", "bool", "int64", "uint8"))
    shapes = st.sampled_from(((), (0,), (1,), (1, 1), (3, 4, 5), (100, 100), (5, 0)))
    dtypes = st.tuples(st.sampled_from(sorted(arrays)), st.integers(0, 2**31), kinds, shapes)
    yield Target("model files (safetensors), arrays", dtypes.map(lambda g: rearranged(arrays[g[0]], *g[1:])), read, 3)
    tensors = {name: data for name, data in exported.items() if name.endswith(".pt")}
    yield Target("model files (torch), members", members_of(tensors, PICKLE_WORDS), read, 3)
    scripts = {name: data for name, data in exported.items() if name.endswith(".torchscript")}
    yield Target("model files (TorchScript), members", members_of(scripts, SCRIPT_WORDS, seal=True), read, 3)
    graphs = {name: data for name, data in exported.items() if name.endswith(".onnx")}
    other_graphs = st.tuples(st.sampled_from(sorted(graphs)), graph_changes()).map(
        lambda g: regraphed(graphs[g[0]], g[1], seal=True)
    )
    yield Target("model files (ONNX), graphs", other_graphs, read, 3)
    described = json.loads((whole.model_folder / "model.json").read_text(encoding="utf-8"))
    head = (whole.model_folder / "head.safetensors").read_bytes()
    folders = st.tuples(
        st.one_of(changed([described]), st.just(json.dumps(described))),
        st.one_of(st.just(head), mutated([head], words)),
        st.booleans(),
    )
    yield Target("models of runs", folders, read_folder, 6)
