"""Every format computes what the model does, whatever its head, its score and its numbers."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import numpy as np
import onnx
import onnxruntime
import pytest
import safetensors
import torch

from evoprune.backbones import load_backbone
from evoprune.errors import ConfigError
from evoprune.heads import probabilities_of
from evoprune.model import (
    SUFFIXES,
    Model,
    Options,
    agreement,
    deployable,
    exported_bytes,
    load_exported,
    parse_exported,
)
from evoprune.model._stored_head import read_head

from .conftest import NAMES, make_model

KINDS = ("one", "two layers", "soft", "majority", "reads nothing")


def exported(model, kind, **options):
    ready = deployable(model, Options(kind, **options))
    return ready, parse_exported(exported_bytes(ready), "file")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("file_format", SUFFIXES)
def test_a_whole_file_gives_the_logits_of_the_model(tiny, batch, features, training, file_format, kind):
    model = make_model(kind, tiny, training, "msp", features)
    ready, read = exported(model, file_format)
    expected, given = model.outputs(features), read.run(batch)
    assert agreement(given.logits, expected.logits).max_difference < 1e-5
    assert np.array_equal(given.logits.argmax(axis=1), expected.logits.argmax(axis=1))
    assert np.allclose(given.scores, expected.scores, atol=1e-6)
    assert read.class_names == NAMES
    assert read.facts.about == {"seed": 3}
    # What is read is all that is left of the backbone.
    assert ready.head.width == max(1, model.head.inputs.size) < tiny.width


@pytest.mark.parametrize("score", ["odin", "msp", "energy", "maxlogit", "mahalanobis", "knn"])
@pytest.mark.parametrize("file_format", SUFFIXES)
def test_a_head_alone_scores_as_the_model_does(tiny, training, file_format, score):
    X = np.abs(np.random.default_rng(5).normal(size=(60, tiny.width))).astype(np.float32)
    model = make_model("one", tiny, training, score, X)
    _, read = exported(model, file_format, head_only=True)
    expected, given = model.outputs(X), read.run(X)
    assert np.allclose(given.logits, expected.logits, atol=1e-5)
    assert np.allclose(given.scores, expected.scores, rtol=1e-6, atol=1e-6)
    # The threshold lies between two of the scores, so rounding turns nothing over.
    assert 20 < given.unknown.sum() < 40
    apart = np.abs(expected.scores - model.rejection.threshold) > 1e-5
    assert np.array_equal(given.unknown[apart], expected.unknown[apart])


@pytest.mark.parametrize("file_format", SUFFIXES)
@pytest.mark.parametrize(
    ("options", "tolerance"),
    [({"half": True}, 0.02), ({"quantize": True}, 0.2), ({"half": True, "quantize": True}, 0.2)],
)
def test_a_rounded_file_gives_the_logits_of_the_rounded_model(
    tiny, batch, features, training, file_format, options, tolerance
):
    model = make_model("soft", tiny, training, "maxlogit", features)
    ready, read = exported(model, file_format, **options)
    given = read.run(batch).logits
    assert np.abs(given - ready.model.run(batch).logits).max() < 1e-5
    difference = np.abs(given - model.head.logits(features)).max()
    assert 1e-6 < difference < tolerance


def test_8_bit_weights_lie_within_half_a_step_of_the_others(tiny):
    model = make_model("one", tiny)
    first, *others = model.head.matrices
    # As features of very different spread give them, whose standardisation is part of the weights; one is never read.
    spreads = np.geomspace(1e-3, 1e3, len(first)).astype(np.float32)[:, None]
    spreads[1] = 0
    model = replace(model, head=replace(model.head, matrices=(first * spreads, *others)))
    ready = deployable(model, Options(quantize=True, head_only=True))
    for before, after, stored in zip(
        model.head.matrices, ready.model.head.matrices, ready.head.members[0].matrices, strict=True
    ):
        assert stored.values.dtype == np.int8
        assert np.abs(stored.values).max(axis=0).tolist() == [127] * before.shape[1]
        assert (np.abs(after - before) <= 0.501 * stored.scale * stored.row_scale[:, None]).all()
        # Small rows are kept as well as large ones.
        assert (np.abs(after - before).max(axis=1) <= 0.502 * np.abs(before).max(axis=1) / 127).all()
        assert np.array_equal(after[before == 0], before[before == 0])


def test_8_bit_weights_with_scales_of_columns_alone_can_be_read():
    values, scale = np.array([[1, -2], [3, 4], [0, 127]], np.int8), np.array([0.5, 0.25], np.float32)
    arrays = {"inputs": np.arange(3), "matrix.0": values, "scale.0": scale}
    (member,) = read_head(arrays, {"width": 3, "connections": [6]}).members
    assert np.array_equal(member.matrices[0].weights, values * scale)
    for rows in (np.ones(2, np.float32), np.ones(3)):
        with pytest.raises(ValueError, match="do not fit together"):
            read_head({**arrays, "rows.0": rows}, {"width": 3, "connections": [6]})


@pytest.mark.parametrize("file_format", SUFFIXES)
def test_rounded_files_are_smaller(tiny, file_format):
    # Its bundled weights are exact in 16 bits; these are not.
    backbone = load_backbone("tiny")
    with torch.no_grad():
        for weight in backbone.network.parameters():
            weight.mul_(1 + 1e-4)
    model = Model(make_model("one", tiny).head, NAMES, backbone)
    sizes = [len(exported_bytes(deployable(model, Options(file_format, half=half)))) for half in (False, True)]
    assert sizes[1] < 0.56 * sizes[0]
    heads = [
        len(exported_bytes(deployable(model, Options(file_format, head_only=True, quantize=q)))) for q in (False, True)
    ]
    assert heads[1] < heads[0]


def test_other_programs_read_the_files(tiny, batch, features, training):
    model = make_model("one", tiny, training, "odin", features)
    expected = model.outputs(features)

    data = exported_bytes(deployable(model, Options("onnx")))
    onnx.checker.check_model(onnx.load_model_from_string(data), full_check=True)
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    logits, probabilities, scores = session.run(["logits", "probabilities", "ood_score"], {"image": batch})
    assert np.allclose(logits, expected.logits, atol=1e-5)
    assert np.allclose(probabilities, probabilities_of(expected.logits), atol=1e-6)
    facts = json.loads(session.get_modelmeta().custom_metadata_map["evoprune"])
    assert (facts["class_names"], facts["preprocessing"]["size"]) == (list(NAMES), [32, 32])
    assert np.array_equal(scores > facts["rejection"]["threshold"], expected.unknown)

    extra = {"evoprune.json": ""}
    script = io.BytesIO(exported_bytes(deployable(model, Options("torchscript"))))
    with pytest.warns(DeprecationWarning, match=r"torch\.jit\.load"):
        network = torch.jit.load(script, _extra_files=extra)
    assert np.allclose(network(torch.from_numpy(batch))[0].numpy(), expected.logits, atol=1e-5)
    assert json.loads(extra["evoprune.json"])["class_names"] == list(NAMES)

    loaded = torch.load(io.BytesIO(exported_bytes(deployable(model, Options("torch")))), weights_only=True)
    assert json.loads(loaded.pop("evoprune"))["class_names"] == list(NAMES)
    arrays = safetensors.deserialize(exported_bytes(deployable(model, Options("safetensors"))))
    assert {name for name, _ in arrays} == loaded.keys()


def test_files_tell_nothing_of_the_machine_they_were_written_on(tiny, training, features):
    model = make_model("one", tiny, training, "odin", features)
    for file_format in SUFFIXES:
        data = exported_bytes(deployable(model, Options(file_format)))
        assert b"site-packages" not in data, file_format
        assert __file__.encode().rpartition(b"/tests/")[0] not in data, file_format


def test_a_file_predicts_as_the_model_does(tmp_path, tiny, pixels, training, features):
    model = make_model("two layers", tiny, training, "mahalanobis", features)
    path = tmp_path / "m.onnx"
    path.write_bytes(exported_bytes(deployable(model, Options("onnx"))))
    given, expected = load_exported(path).predict(pixels), model.predict(pixels)
    assert [(p.image, p.label, p.nearest, p.unknown) for p in given] == [
        (p.image, p.label, p.nearest, p.unknown) for p in expected
    ]
    assert {p.unknown for p in given} == {True, False}
    assert all(p.label == ("unknown" if p.unknown else p.nearest) for p in given)
    assert np.allclose([p.probabilities for p in given], [p.probabilities for p in expected], atol=1e-6)


def test_what_cannot_be_exported_is_said(tiny):
    alone = Model(make_model("one", tiny).head, NAMES)
    with pytest.raises(ConfigError, match="has no backbone to put into the file; export its head with --head-only"):
        deployable(alone, Options("onnx"))
    huge = make_model("one", tiny)
    huge.head.matrices[0][0, 0] = 1e6
    with pytest.raises(ConfigError, match="not finite: 16-bit numbers end at 65504"):
        deployable(huge, Options("onnx", half=True))
    _, read = exported(alone, "onnx", head_only=True)
    with pytest.raises(ConfigError, match="holds a head without a backbone"):
        read.predict("photo.jpg")
