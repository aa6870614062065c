"""Backbones as arrays and facts: there and back, and what is refused."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto
from safetensors.numpy import load_file, save_file
from torch import nn

from evoprune.backbones import ModuleBackbone, Preprocessing, load_backbone, pack, shrink, unpack
from evoprune.backbones._network_backbone import NetworkBackbone
from evoprune.backbones._torchvision_import import import_optional
from evoprune.errors import BackboneError
from tests.backbones.networks import alive


def installed(package):
    return pytest.mark.skipif(importlib.util.find_spec(package) is None, reason=f"{package} is an optional extra")


def there_and_back(backbone, folder):
    """Through the two kinds of file that a model uses, so that nothing else can help."""
    arrays, facts = pack(backbone)
    save_file(arrays, folder / "backbone.safetensors")
    return unpack(load_file(folder / "backbone.safetensors"), json.loads(json.dumps(facts)))


def assert_same(given, backbone, atol=0.0):
    pixels = np.random.default_rng(0).integers(0, 256, (70, 91, 3), dtype=np.uint8)
    np.testing.assert_allclose(given.prepare(pixels), backbone.prepare(pixels), atol=1e-6)
    batch = np.random.default_rng(0).normal(size=(2, 3, *backbone.input_size)).astype(np.float32)
    expected = backbone.extract(batch)
    np.testing.assert_allclose(given.extract(batch), expected, rtol=0, atol=atol * np.abs(expected).max())
    assert given.width == backbone.width and given.name == backbone.name


@pytest.mark.parametrize("keep", [None, [7], list(range(0, 384, 2))])
def test_the_bundled_network_comes_back(tmp_path, tiny_weights, keep):
    backbone = load_backbone("tiny", weights=tiny_weights)
    if keep is not None:
        backbone = shrink(backbone, np.array(keep)).backbone
    assert_same(there_and_back(backbone, tmp_path), backbone)
    # Its weights are numbers of 16 bits, and stay so in the file.
    assert (tmp_path / "backbone.safetensors").stat().st_size < 1_300_000


@pytest.fixture
def torchvision_backbone(monkeypatch):
    """A network of torchvision on small images, on a machine from which nothing can be downloaded."""

    def unreachable(*_args, **_options):
        raise AssertionError("nothing is downloaded")

    monkeypatch.setattr(torch.hub, "download_url_to_file", unreachable)
    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", unreachable)

    def make(name):
        network = getattr(import_optional("torchvision", name).models, name)(weights=None)
        setattr(network, "fc" if name == "resnet50" else "classifier", nn.Identity())
        if name == "vgg19":
            network.avgpool = nn.AdaptiveAvgPool2d(1)
        return NetworkBackbone(name, "0", Preprocessing((64, 64)), lambda: alive(network))

    return make


@installed("torchvision")
@pytest.mark.parametrize(
    ("name", "keep"),
    [("resnet50", None), ("resnet50", [5, 77, 2000]), ("densenet121", [5, 77, 1001]), ("vgg19", [5, 77, 500])],
)
def test_torchvisions_networks_come_back_without_a_download(tmp_path, torchvision_backbone, name, keep):
    backbone = torchvision_backbone(name)
    if keep is not None:
        backbone = shrink(backbone, np.array(keep)).backbone
        assert backbone.width == len(keep)
    assert_same(there_and_back(backbone, tmp_path), backbone, atol=1e-6)


@installed("torchvision")
def test_a_network_that_was_cut_twice_comes_back(tmp_path, torchvision_backbone):
    first = shrink(torchvision_backbone("densenet121"), np.array([5, 77, 500, 995, 1001])).backbone
    for keep in ([0, 4], [1, 2]):
        second = shrink(first, np.array(keep)).backbone
        assert second.width == 2
        assert_same(there_and_back(second, tmp_path), second, atol=1e-6)


@installed("timm")
@pytest.mark.parametrize("keep", [None, [5, 77, 500]])
def test_timms_networks_come_back(tmp_path, keep):
    timm = import_optional("timm", "timm:resnet18")
    torch.save(alive(timm.create_model("resnet18")).state_dict(), tmp_path / "w.pth")
    backbone = load_backbone("timm:resnet18", weights=tmp_path / "w.pth")
    if keep is not None:
        backbone = shrink(backbone, np.array(keep)).backbone
    assert_same(there_and_back(backbone, tmp_path), backbone, atol=1e-6)


@pytest.mark.parametrize("keep", [None, [1, 4]])
def test_graphs_come_back_byte_by_byte(tmp_path, make_onnx, keep):
    path = make_onnx("flat")
    backbone = load_backbone(f"onnx:{path}")
    if keep is not None:
        backbone = shrink(backbone, np.array(keep)).backbone
    given = there_and_back(backbone, tmp_path)
    assert given.content() == backbone.content() and given.fingerprint == backbone.fingerprint
    assert given.name == ("onnx:small.onnx" if keep is None else "onnx:small.onnx (cut to 2 of 5 features)")
    batch = np.random.default_rng(0).normal(size=(3, 3, 8, 8)).astype(np.float32)
    np.testing.assert_array_equal(given.extract(batch), backbone.extract(batch))
    path.unlink()
    np.testing.assert_array_equal(given.extract(batch), backbone.extract(batch))


def test_a_graph_whose_weights_lie_beside_it_is_packed_whole(tmp_path, make_onnx):
    path = make_onnx("flat")
    model = onnx.load(path)
    onnx.save(model, path, save_as_external_data=True, location="weights.bin", size_threshold=0)
    backbone = load_backbone(f"onnx:{path}")
    given = there_and_back(backbone, tmp_path)
    (tmp_path / "weights.bin").unlink()
    batch = np.random.default_rng(0).normal(size=(3, 3, 8, 8)).astype(np.float32)
    np.testing.assert_array_equal(given.extract(batch), backbone.extract(batch))


def test_a_module_comes_back_as_its_graph(tmp_path):
    network = alive(nn.Sequential(nn.Conv2d(3, 9, 3), nn.BatchNorm2d(9), nn.ReLU()))
    backbone = ModuleBackbone(network, Preprocessing((16, 16), fit="crop", crop_fraction=0.8), "mine")
    for wanted in (backbone, shrink(backbone, np.array([2, 8])).backbone):
        given = there_and_back(wanted, tmp_path)
        assert_same(given, wanted, atol=1e-5)
        assert type(given).__name__ == "OnnxBackbone"


def test_a_preprocessing_that_no_file_can_hold_is_one_sentence():
    backbone = ModuleBackbone(nn.Conv2d(3, 4, 3), Preprocessing((8, 8), std=(-1.0, 1.0, 1.0)))
    with pytest.raises(BackboneError, match="has values that a file cannot hold"):
        pack(backbone)


def test_the_fingerprint_follows_the_arrays(tiny_weights):
    arrays, facts = pack(load_backbone("tiny", weights=tiny_weights))
    first = unpack(arrays, facts).fingerprint
    assert unpack(dict(reversed(arrays.items())), facts).fingerprint == first
    changed = arrays | {"weights.expand.1.bias": arrays["weights.expand.1.bias"] + np.float16(0.01)}
    assert unpack(changed, facts).fingerprint != first
    other = facts["preprocessing"] | {"std": [60.0, 60.0, 60.0]}
    assert unpack(arrays, facts | {"preprocessing": other}).fingerprint != first


def test_unpacking_needs_no_file_and_runs_in_a_process_of_its_own(tmp_path, tiny_weights):
    backbone = shrink(load_backbone("tiny", weights=tiny_weights), np.arange(0, 384, 3)).backbone
    arrays, facts = pack(backbone)
    save_file(arrays, tmp_path / "a.safetensors")
    (tmp_path / "f.json").write_text(json.dumps(facts))
    program = f"""
import json, numpy as np
from pathlib import Path
from safetensors.numpy import load_file
from evoprune.backbones import unpack
folder = Path({str(tmp_path)!r})
backbone = unpack(load_file(folder / "a.safetensors"), json.loads((folder / "f.json").read_text()))
np.save(folder / "out.npy", backbone.extract(np.ones((2, 3, 32, 32), dtype=np.float32)))
"""
    subprocess.run([sys.executable, "-c", program], check=True)
    given = np.load(tmp_path / "out.npy", allow_pickle=False)
    np.testing.assert_allclose(given, backbone.extract(np.ones((2, 3, 32, 32), dtype=np.float32)), atol=1e-5)


@pytest.fixture
def packed(tiny_weights):
    return pack(shrink(load_backbone("tiny", weights=tiny_weights), np.array([3, 9, 200])).backbone)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"architecture": "tinier"}, "architecture 'tinier' is unknown"),
        ({"architecture": "timm:hf-hub:somebody/something"}, "something'|timm"),
        ({"architecture": "resnet50"}, "resnet50|weights of another network"),
        ({"architecture": None}, "it has no graph"),
        ({"width": 4}, "gives 3 features instead of 4"),
        ({"width": 0}, r"says nothing of use about its backbone \(width: "),
        ({"name": 3}, r"\(name: "),
        ({"preprocessing": {}}, r"\(preprocessing.input_size: "),
        ({"run": "print()"}, r"\(run: "),
    ],
)
def test_foreign_facts_are_one_sentence(packed, change, why):
    arrays, facts = packed
    with pytest.raises(BackboneError, match=why) as caught:
        unpack(arrays, facts | change)
    assert "\n" not in str(caught.value)


def test_facts_of_nothing_are_one_sentence(packed):
    for facts in ({}, {"format": 1}):
        with pytest.raises(BackboneError, match="says nothing of use about its backbone"):
            unpack(packed[0], facts)


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("cuts.0", np.array([3, 9, 384]), "features that its architecture has not"),
        ("cuts.0", np.array([3, 9, 10**12]), "features that its architecture has not"),
        ("cuts.0", np.array([9, 3, 200]), "the numbers of its features are none"),
        ("cuts.0", np.array([-1, 3, 200]), "the numbers of its features are none"),
        ("cuts.0", np.array([3.0, 9.0, 200.0]), "the numbers of its features are none"),
        ("cuts.0", np.array([3, 9]), "holds the weights of another network"),
        ("cuts.0", None, "holds the weights of another network"),
        ("weights.expand.0.weight", None, "'expand.0.weight' missing"),
        ("weights.expand.0.weight", np.zeros((3, 128, 1, 2), np.float32), "weights of another network: size mismatch"),
        ("weights.expand.0.weight", np.zeros((3, 128, 1, 1), np.int64), "weights of another network: "),
        ("weights.expand.0.weight", np.zeros((3, 128, 1, 1), np.complex64), "arrays that are no weights"),
        ("weights.expand.1.bias", np.zeros(3, np.bool_), "weights of another network: "),
        ("weights.extra", np.zeros(3, np.float32), "'extra' not known to it"),
        ("graph", np.zeros(3, np.uint8), "arrays that are no weights"),
    ],
)
def test_damaged_arrays_are_one_sentence(packed, name, value, why):
    arrays, facts = packed
    changed = {key: array for key, array in arrays.items() if key != name}
    if value is not None:
        changed[name] = value
    with pytest.raises(BackboneError, match=why) as caught:
        unpack(changed, facts)
    assert "\n" not in str(caught.value)


def test_a_damaged_graph_is_one_sentence(make_onnx):
    arrays, facts = pack(load_backbone(f"onnx:{make_onnx('flat')}"))
    graph = arrays["graph"]
    noise = np.random.default_rng(0).integers(0, 256, 500, dtype=np.uint8)
    for damaged in (graph[:40], graph[:-30], noise, graph.astype(np.float32), graph.reshape(1, -1)):
        with pytest.raises(BackboneError) as caught:
            unpack({"graph": damaged}, facts)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("location", ["/etc/hostname", "../secret", "beside.bin"])
def test_a_graph_that_reaches_for_other_files_is_not_opened(make_onnx, tmp_path, monkeypatch, location):
    (tmp_path / "beside.bin").write_bytes(bytes(540))
    monkeypatch.chdir(tmp_path)
    arrays, facts = pack(load_backbone(f"onnx:{make_onnx('flat')}"))
    model = onnx.load_model_from_string(arrays["graph"].tobytes())
    weights = model.graph.initializer[0]
    weights.ClearField("raw_data")
    weights.data_location = TensorProto.EXTERNAL
    weights.external_data.add(key="location", value=location)
    graph = np.frombuffer(model.SerializeToString(), dtype=np.uint8)
    assert Path("beside.bin").is_file()
    with pytest.raises(BackboneError, match="keeps weights in another file, and is not opened"):
        unpack({"graph": graph}, facts)
