"""Small backbones made on the spot."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from safetensors.torch import save_file

RECORD = {
    "input_size": [8, 8],
    "color": "RGB",
    "resize": "bilinear",
    "mean": [127.5, 127.5, 127.5],
    "std": [127.5, 127.5, 127.5],
}


class MakeOnnx(Protocol):
    def __call__(
        self,
        pooling: str = "none",
        batch: int | str = "N",
        size: int | str = 8,
        record: dict[str, object] | None = RECORD,
    ) -> Path: ...


@pytest.fixture
def make_onnx(tmp_path: Path) -> MakeOnnx:
    """Write an ONNX file of one convolution with 5 filters, and its record."""

    def make(pooling="none", batch="N", size=8, record=RECORD):
        weights = np.random.default_rng(0).normal(size=(5, 3, 3, 3)).astype(np.float32)
        nodes = [helper.make_node("Conv", ["image", "weights"], ["maps"], pads=[1, 1, 1, 1])]
        if pooling != "none":
            nodes.append(helper.make_node("GlobalAveragePool", ["maps"], ["pooled"]))
        if pooling == "flat":
            nodes.append(helper.make_node("Flatten", ["pooled"], ["flat"]))
        if pooling == "scalar":
            nodes.append(helper.make_node("ReduceMean", ["pooled"], ["scalar"], keepdims=0))
        output = nodes[-1].output[0]
        graph = helper.make_graph(
            nodes,
            "small",
            [helper.make_tensor_value_info("image", TensorProto.FLOAT, [batch, 3, size, size])],
            [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)],
            [numpy_helper.from_array(weights, "weights")],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
        path = tmp_path / "small.onnx"
        onnx.save(model, path)
        if record is not None:
            path.with_suffix(".json").write_text(json.dumps(record), encoding="utf-8")
        return path

    return make


def _write_tiny(folder: Path, seed: int) -> Path:
    """Random weights in the form that `tools/pretrain_tiny.py` writes."""
    from evoprune.backbones._tiny_network import TinyNetwork

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = TinyNetwork()
    state = {
        name: tensor.half().contiguous()
        for name, tensor in network.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    path = folder / "tiny.safetensors"
    save_file(state, path)
    record = {
        "width": 384,
        "input_size": [32, 32],
        "resize": "bilinear",
        "color": "RGB",
        "mean": [125.307, 122.961, 113.8575],
        "std": [62.985, 62.0925, 66.708],
        "trained_on": "nothing",
    }
    path.with_suffix(".json").write_text(json.dumps(record), encoding="utf-8")
    return path


@pytest.fixture
def write_tiny() -> Callable[[Path, int], Path]:
    return _write_tiny


@pytest.fixture
def tiny_weights(tmp_path: Path) -> Path:
    return _write_tiny(tmp_path, seed=0)
