"""The bundled backbone."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.numpy import load_file, save_file

from evoprune.backbones import load_backbone
from evoprune.backbones._tiny import BUNDLED
from evoprune.backbones._tiny_network import TinyNetwork
from evoprune.errors import BackboneError


def pictures(count, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, 40, 50, 3), dtype=np.uint8)


def test_features_are_those_of_the_network_called_directly(tiny_weights):
    backbone = load_backbone("tiny", weights=tiny_weights)
    network = TinyNetwork().eval()
    state = {name: torch.from_numpy(value).float() for name, value in load_file(tiny_weights).items()}
    network.load_state_dict(state, strict=False)
    record = json.loads(tiny_weights.with_suffix(".json").read_text())
    inputs = []
    for image in pictures(3):
        small = np.asarray(Image.fromarray(image).resize((32, 32), Image.Resampling.BILINEAR), dtype=np.float32)
        inputs.append(((small - record["mean"]) / record["std"]).transpose(2, 0, 1))
    with torch.no_grad():
        expected = network(torch.tensor(np.stack(inputs), dtype=torch.float32)).numpy()

    features = backbone.extract(np.stack([backbone.prepare(image) for image in pictures(3)]))
    assert features.dtype == np.float32 and features.shape == (3, 384)
    np.testing.assert_allclose(features, expected, atol=1e-5)
    assert backbone.width == 384 and backbone.input_size == (32, 32) and backbone.name == "tiny"


def test_the_batch_does_not_matter_beyond_the_last_bits(tiny_weights):
    backbone = load_backbone("tiny", weights=tiny_weights)
    batch = np.stack([backbone.prepare(image) for image in pictures(7)])
    one_by_one = np.concatenate([backbone.extract(batch[row : row + 1]) for row in range(7)])
    np.testing.assert_allclose(backbone.extract(batch), one_by_one, rtol=1e-4, atol=1e-5)


def test_fingerprint_is_stable_and_sees_every_change(tmp_path, write_tiny):
    first = write_tiny(tmp_path, 0)
    fingerprint = load_backbone("tiny", weights=first).fingerprint
    assert len(fingerprint) == 64
    assert load_backbone("tiny", weights=first).fingerprint == fingerprint

    state = load_file(first)
    state["expand.1.bias"][7] += np.float16(0.001)
    save_file(state, first)
    changed_weight = load_backbone("tiny", weights=first).fingerprint
    assert changed_weight != fingerprint

    record = json.loads(first.with_suffix(".json").read_text())
    first.with_suffix(".json").write_text(json.dumps({**record, "trained_on": "something else"}))
    assert load_backbone("tiny", weights=first).fingerprint == changed_weight
    first.with_suffix(".json").write_text(json.dumps({**record, "resize": "bicubic"}))
    assert load_backbone("tiny", weights=first).fingerprint != changed_weight


def test_missing_and_foreign_files_are_one_sentence(tmp_path, tiny_weights):
    with pytest.raises(BackboneError, match=r"needs other.safetensors and other.json in"):
        load_backbone("tiny", weights=tmp_path / "other.safetensors")
    tiny_weights.with_suffix(".json").write_text("{}")
    with pytest.raises(BackboneError, match=r"is not a record of tools/pretrain_tiny\.py"):
        load_backbone("tiny", weights=tiny_weights)


def test_weights_of_another_network_are_refused(tiny_weights):
    state = load_file(tiny_weights)
    del state["expand.0.weight"]
    save_file(state, tiny_weights)
    with pytest.raises(BackboneError, match=r"'expand.0.weight' missing"):
        _ = load_backbone("tiny", weights=tiny_weights).width


def test_the_bundled_weights_are_small_and_as_recorded():
    if not BUNDLED.is_file():
        pytest.skip("the bundled weights have not been trained yet (tools/pretrain_tiny.py)")
    assert BUNDLED.stat().st_size < 1_500_000
    record = json.loads(BUNDLED.with_suffix(".json").read_text())
    backbone = load_backbone("tiny")
    assert backbone.width == record["width"] and 0.85 < record["cifar10_test_accuracy"] < 1
