"""A model saved and loaded again is the same model; files that are not whole are refused."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest
from safetensors.numpy import load_file, save
from scipy.special import softmax

from evoprune._files import sealed_json
from evoprune.errors import BackboneError, ConfigError, DataError, StorageError
from evoprune.heads import Head, compact, dense_structure
from evoprune.model import Model, stored_model


class Doubling:
    """A backbone that needs no network: the mean of each channel, twice."""

    name = "doubling"
    fingerprint = "f" * 64
    width = 6
    input_size = (4, 4)

    def prepare(self, pixels):
        return pixels[:4, :4].transpose(2, 0, 1).astype(np.float32)

    def extract(self, batch):
        means = batch.mean(axis=(2, 3))
        return np.concatenate([means, 2 * means], axis=1).astype(np.float32)


def make_head(hidden=(5,), width=6, classes=3, seed=0):
    rng = np.random.default_rng(seed)
    head = Head(*hidden)
    structure = dense_structure(head, width)
    structure.inputs[[1, 4]] = False
    matrices = tuple(rng.normal(size=shape).astype(np.float32) for shape in head.shapes(width, classes))
    return compact(matrices, (*(None for _ in hidden), rng.normal(size=classes).astype(np.float32)), structure)


@pytest.fixture
def model():
    return Model(make_head(), ("cat", "dög", "[red]"), Doubling(), {"seed": 3})


@pytest.mark.parametrize("hidden", [(5,), (5, 4)])
def test_a_saved_model_is_the_same_model(tmp_path, hidden):
    model = Model(make_head(hidden), ("a", "b", "c"), None, {"recipe": "fast"})
    model.save(tmp_path / "m")
    again = Model.load(tmp_path / "m")
    X = np.random.default_rng(1).normal(size=(20, 6)).astype(np.float32)
    assert np.array_equal(again.head.logits(X), model.head.logits(X))
    assert (again.class_names, again.about, again.backbone) == (("a", "b", "c"), {"recipe": "fast"}, None)
    assert (again.head.parameters, again.head.multiply_adds) == (model.head.parameters, model.head.multiply_adds)
    assert {path.name for path in (tmp_path / "m").iterdir()} == {"head.safetensors", "model.json"}


def test_the_weights_are_a_plain_safetensors_file(tmp_path, model):
    model.save(tmp_path)
    tensors = load_file(tmp_path / "head.safetensors")
    assert tensors["inputs"].tolist() == [0, 2, 3, 5]
    hidden = np.maximum(np.ones((1, 4), np.float32) @ tensors["matrix.0"], 0)
    expected = hidden @ tensors["matrix.1"] + tensors["bias.1"]
    assert np.allclose(model.head.logits(np.ones((1, 6), np.float32)), expected)


def test_probabilities_are_a_softmax_of_the_logits(model):
    X = 100 * np.random.default_rng(1).normal(size=(20, 6)).astype(np.float32)
    probabilities = model.probabilities(X)
    assert np.isfinite(probabilities).all()
    assert np.allclose(probabilities.sum(axis=1), 1)
    assert np.array_equal(probabilities.argmax(axis=1), model.predict_features(X))
    assert np.allclose(probabilities, softmax(model.head.logits(X).astype(np.float64), axis=1))


def test_images_are_classified_one_or_many(model):
    images = [np.full((4, 4, 3), value, np.uint8) for value in (0, 100, 250)]
    many = model.predict(images)
    assert [p.image for p in many] == ["image 0", "image 1", "image 2"]
    (one,) = model.predict(images[1])
    assert (one.label, one.probabilities) == (many[1].label, many[1].probabilities)
    assert one.probability == max(one.probabilities) == one.probabilities[model.class_names.index(one.label)]


def test_what_a_model_cannot_do_is_said(model):
    with pytest.raises(ConfigError, match="has no backbone"):
        Model(model.head, model.class_names).predict("photo.jpg")
    with pytest.raises(DataError, match="do not fit a head made for 6 features"):
        model.predict_features(np.zeros((2, 7), np.float32))
    with pytest.raises(DataError, match="nowhere"):
        model.predict("nowhere.jpg")


def test_a_model_wants_the_backbone_it_was_made_with(tmp_path, model):
    model.save(tmp_path)
    with pytest.raises(BackboneError, match="'doubling' is unknown"):
        Model.load(tmp_path)
    assert Model.load(tmp_path, Doubling()).backbone is not None
    other = Doubling()
    other.fingerprint = "0" * 64
    with pytest.raises(BackboneError, match="another version of backbone 'doubling'"):
        Model.load(tmp_path, other)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"format_version": 99}, "has format version 99, this program reads 1 and 2; install the version"),
        ({"class_names": ["a"]}, "1 class names for 3 outputs"),
        ({"class_names": None}, "is damaged"),
        ({"width": "six"}, "is damaged"),
        ({"width": 5}, "do not fit together"),
        ({"connections": [1]}, "do not fit together"),
        ({"backbone": "tiny"}, "is damaged"),
        ({"about": 3}, "is damaged"),
        ({"head_sha256": "0" * 64}, "its checksum is not that in model.json"),
    ],
)
def test_a_description_that_was_changed_is_refused(tmp_path, model, change, sentence):
    model.save(tmp_path)
    description = json.loads((tmp_path / "model.json").read_text())
    del description["sha256"]
    (tmp_path / "model.json").write_text(sealed_json({**description, **change}))
    assert stored_model(tmp_path) is None
    with pytest.raises(StorageError, match=sentence):
        Model.load(tmp_path, Doubling())


@pytest.mark.parametrize(
    "change",
    [
        {"inputs": None},
        {"matrix.0": None},
        {"matrix.1": np.zeros(3, np.float32)},
        {"matrix.1": np.zeros((4, 3), np.float32)},
        {"bias.1": np.zeros(2, np.float32)},
        {"inputs": np.array([0.0, 1.0, 2.0, 3.0])},
        {"inputs": np.array([0, 1, 2, 60])},
        {"inputs": np.zeros((2, 2), np.int64)},
    ],
)
def test_arrays_that_do_not_fit_are_refused(tmp_path, model, change):
    model.save(tmp_path)
    tensors = {k: v for k, v in {**load_file(tmp_path / "head.safetensors"), **change}.items() if v is not None}
    contents = save(tensors)
    (tmp_path / "head.safetensors").write_bytes(contents)
    description = json.loads((tmp_path / "model.json").read_text())
    description["head_sha256"] = hashlib.sha256(contents).hexdigest()
    (tmp_path / "model.json").write_text(json.dumps(description))
    with pytest.raises(StorageError, match="is damaged"):
        Model.load(tmp_path, Doubling())
