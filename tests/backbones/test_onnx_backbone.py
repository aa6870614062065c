"""ONNX files as backbones; onnxruntime called directly is the oracle."""

from __future__ import annotations

import json

import numpy as np
import onnx
import onnxruntime
import pytest
from PIL import Image

from evoprune.backbones import load_backbone
from evoprune.errors import BackboneError


def batch_of(count, size=8, seed=0):
    return np.random.default_rng(seed).normal(size=(count, 3, size, size)).astype(np.float32)


def oracle(path, batch):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(None, {"image": batch})[0]


def load(path):
    return load_backbone(f"onnx:{path}")


@pytest.mark.parametrize("pooling", ["none", "maps", "flat"])
def test_features_are_onnxruntimes_pooled(make_onnx, pooling):
    path = make_onnx(pooling)
    backbone, batch = load(path), batch_of(4)
    expected = oracle(path, batch)
    if expected.ndim == 4:
        expected = expected.mean(axis=(2, 3))
    features = backbone.extract(batch)
    assert features.shape == (4, 5) and features.dtype == np.float32 and backbone.width == 5
    np.testing.assert_allclose(features, expected, atol=1e-6)


@pytest.mark.parametrize("fixed", [1, 3])
@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_a_graph_fixed_to_a_number_of_images_takes_any_number(make_onnx, fixed, count):
    batch = batch_of(count)
    free = load(make_onnx("flat")).extract(batch)
    np.testing.assert_allclose(load(make_onnx("flat", batch=fixed)).extract(batch), free, atol=1e-6)


def test_real_network_gives_the_features_computed_elsewhere(shared_data):
    folder = shared_data / "images" / "sign_digits" / "train"
    files = [path for name in sorted(folder.iterdir()) for path in sorted(name.iterdir())]
    published = np.load(shared_data / "features" / "sign_digits.npz", allow_pickle=False)["X_train"]
    assert len(files) == len(published)
    backbone = load(shared_data / "backbones" / "mobilenet_v2_imagenet.onnx")
    rows = range(0, len(files), len(files) // 12)
    batch = np.stack([backbone.prepare(np.asarray(Image.open(files[row]).convert("RGB"))) for row in rows])
    features = backbone.extract(batch)
    assert backbone.width == 1280 and backbone.input_size == (224, 224)
    np.testing.assert_allclose(features, published[list(rows)], atol=1e-4)


def test_the_record_decides_the_preprocessing(make_onnx):
    pixels = np.random.default_rng(1).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    backbone = load(make_onnx())
    np.testing.assert_allclose(backbone.prepare(pixels), pixels.transpose(2, 0, 1) / 127.5 - 1, atol=1e-6)


def test_fingerprint_follows_weights_and_record(make_onnx, tmp_path):
    path = make_onnx("flat")
    fingerprint = load(path).fingerprint
    assert load(path).fingerprint == fingerprint
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    for file in (path, path.with_suffix(".json")):
        (moved / file.name).write_bytes(file.read_bytes())
    assert load(moved / path.name).fingerprint == fingerprint

    record = json.loads(path.with_suffix(".json").read_text())
    path.with_suffix(".json").write_text(json.dumps({**record, "std": [127.5, 127.5, 127.0]}))
    assert load(path).fingerprint != fingerprint
    path.with_suffix(".json").write_text(json.dumps(record))

    model = onnx.load(path)
    model.graph.initializer[0].raw_data = model.graph.initializer[0].raw_data[:-1] + b"\0"
    onnx.save(model, path)
    assert load(path).fingerprint != fingerprint


def test_no_record_is_answered_with_the_json_to_write(make_onnx):
    path = make_onnx(record=None)
    with pytest.raises(BackboneError) as caught:
        load(path)
    shown = str(caught.value)
    assert "write small.json into the same folder" in shown
    json.loads(shown[shown.index("{") : shown.rindex("}") + 1])


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"std": [1, 1, 0]}, "std.2"),
        ({"mean": [1, 1]}, "mean.2"),
        ({"mean": [1, 1, float("nan")]}, "mean.2"),
        ({"input_size": [8, -8]}, "input_size.1"),
        ({"color": "GRB"}, "color"),
        ({"layout": "NHWC"}, "layout"),
        ({"crop_fraction": 1.5}, "crop_fraction"),
        ({"meen": [1, 1, 1]}, "meen"),
    ],
)
def test_a_wrong_field_is_named(make_onnx, change, fault):
    path = make_onnx()
    record = json.loads(path.with_suffix(".json").read_text())
    path.with_suffix(".json").write_text(json.dumps({**record, **change}))
    with pytest.raises(BackboneError, match=rf"small\.json is wrong: {fault}: "):
        load(path)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"std": [1, 1, 1]}'])
def test_a_record_that_is_none_is_refused(make_onnx, text):
    path = make_onnx()
    path.with_suffix(".json").write_text(text)
    with pytest.raises(BackboneError, match=r"small\.json is wrong"):
        load(path)


def test_sizes_that_contradict_the_record_are_refused(make_onnx):
    with pytest.raises(BackboneError, match=r"takes FLOAT \[\?, 3, 16, 16\]; needed is FLOAT \[N, 3, 8, 8\]"):
        load(make_onnx(size=16))


def test_unknown_ports_are_answered_with_the_known_ones(make_onnx):
    path = make_onnx()
    record = json.loads(path.with_suffix(".json").read_text())
    path.with_suffix(".json").write_text(json.dumps({**record, "output": "features"}))
    with pytest.raises(BackboneError, match=r"has no output 'features'; set .* to one of: 'maps'"):
        load(path)


def test_an_output_that_is_no_feature_vector_is_refused(make_onnx):
    with pytest.raises(BackboneError, match="gives an output of shape"):
        _ = load(make_onnx("scalar")).width


@pytest.mark.parametrize("contents", [b"", b"not an ONNX file at all"])
def test_a_file_that_is_not_onnx_is_refused(make_onnx, contents):
    path = make_onnx()
    path.write_bytes(contents)
    with pytest.raises(BackboneError, match=r"small\.onnx"):
        load(path)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(BackboneError, match="there is no ONNX file"):
        load(tmp_path / "absent.onnx")


def _externalised(path, location):
    model = onnx.load(path)
    onnx.external_data_helper.convert_model_to_external_data(model, location="weights.bin", size_threshold=0)
    onnx.save(model, path)
    model = onnx.load(path, load_external_data=False)
    for entry in model.graph.initializer[0].external_data:
        if entry.key == "location":
            entry.value = location
    path.write_bytes(model.SerializeToString())


def test_weights_in_a_second_file_count_for_the_fingerprint(make_onnx):
    path, batch = make_onnx("flat"), batch_of(2)
    inside = load(path).extract(batch)
    _externalised(path, "weights.bin")
    backbone = load(path)
    np.testing.assert_array_equal(backbone.extract(batch), inside)
    weights = path.parent / "weights.bin"
    changed = bytearray(weights.read_bytes())
    changed[5] ^= 1
    weights.write_bytes(changed)
    assert load(path).fingerprint != backbone.fingerprint
    weights.unlink()
    with pytest.raises(BackboneError, match=r"'weights\.bin', which is not beside it"):
        load(path)


@pytest.mark.parametrize(
    "location", ["../weights.bin", "/etc/passwd", "a/../../weights.bin", "C:\\weights.bin", "..\\weights.bin"]
)
def test_weights_outside_the_folder_are_refused(make_onnx, location):
    path = make_onnx("flat")
    _externalised(path, location)
    with pytest.raises(BackboneError, match="outside its own folder"):
        load(path)


def test_weights_outside_the_folder_are_found_in_branches_too(make_onnx):
    path = make_onnx("flat")
    model = onnx.load(path)
    hidden = onnx.helper.make_tensor("hidden", onnx.TensorProto.FLOAT, [1], [1.0])
    hidden.data_location = onnx.TensorProto.EXTERNAL
    entry = hidden.external_data.add()
    entry.key, entry.value = "location", "../hidden.bin"
    branch = onnx.helper.make_graph([], "branch", [], [], [hidden])
    model.graph.node.append(onnx.helper.make_node("If", ["flag"], ["x"], then_branch=branch, else_branch=branch))
    path.write_bytes(model.SerializeToString())
    with pytest.raises(BackboneError, match=r"'\.\./hidden\.bin', outside its own folder"):
        load(path)
