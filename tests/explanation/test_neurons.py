"""Which neurons a front keeps, how strong they are, and which images are looked at."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from sklearn.neighbors import NearestCentroid

from evoprune.backbones import ModuleBackbone, load_backbone
from evoprune.backbones._base import Preprocessing
from evoprune.backbones._network_backbone import NetworkBackbone
from evoprune.errors import ConfigError
from evoprune.explanation import (
    Target,
    most_activating,
    neuron_frequency,
    neuron_strength,
    neuron_targets,
    representatives,
    seen_part,
    thumbnail,
    top_neurons,
)
from evoprune.heads import Head, compact_head, parse_encoding


def test_frequency_is_the_share_of_members():
    genomes = np.random.default_rng(0).random((7, 40)) < 0.3
    expected = pd.DataFrame(genomes).mean().to_numpy()
    np.testing.assert_allclose(neuron_frequency(genomes), expected)


@pytest.mark.parametrize("genomes", [np.zeros((0, 4), bool), np.zeros(4, bool), np.zeros((2, 4))])
def test_what_is_no_front_has_no_frequencies(genomes):
    with pytest.raises(ConfigError, match="have no frequencies"):
        neuron_frequency(genomes)


def test_the_most_frequent_come_first_then_the_strongest_and_inactive_ones_never():
    frequency = np.array([0.5, 1.0, 0.5, 0.0, 0.5])
    strength = np.array([1.0, 0.0, 3.0, 9.0, 1.0])
    assert top_neurons(frequency, strength, 10).tolist() == [1, 2, 0, 4]
    assert top_neurons(frequency, strength, 2).tolist() == [1, 2]
    with pytest.raises(ConfigError, match="give 1 or more"):
        top_neurons(frequency, strength, 0)


def made(encoding, genome, head, width=6, classes=3):
    """A compact head of a genome with random weights, and its full-size matrices with zeros where it is off."""
    parsed = parse_encoding(encoding, head, width=width, classes=classes)
    structure = parsed.decode(genome)
    rng = np.random.default_rng(3)
    layers = structure.layers(classes)
    full, small = [], []
    for index, shape in enumerate(head.shapes(width, classes)):
        matrix = rng.normal(size=shape).astype(np.float32)
        full.append(np.where(structure.mask(index, classes), matrix, 0))
        small.append(np.ascontiguousarray(matrix[np.ix_(layers[index], layers[index + 1])]))
    return compact_head(tuple(small), np.zeros(classes, np.float32), structure), full


def test_features_are_neurons_whether_the_head_reads_them_or_not():
    genome = np.array([1, 0, 1, 0, 0, 1], dtype=bool)
    head, full = made("features", genome, Head(4))
    targets = neuron_targets("features", head, genome, (4,))
    assert sorted(targets) == list(range(6))
    X = np.random.default_rng(0).normal(size=(30, 6)).astype(np.float32)
    np.testing.assert_array_equal(targets[3].values(X), X[:, 3])
    strength = neuron_strength(targets, head, X, 6)
    np.testing.assert_allclose(strength, X.std(axis=0) * np.linalg.norm(full[0], axis=1), rtol=1e-5)
    assert (strength[~genome] == 0).all()


@pytest.mark.parametrize(("encoding", "layers"), [("first", (0,)), ("second", (1,)), ("both", (0, 1))])
def test_hidden_units_are_found_in_the_compact_head(encoding, layers):
    units = (5, 4)
    length = sum(units[layer] for layer in layers)
    genome = np.random.default_rng(4).random(length) < 0.6
    head, full = made(encoding, genome, Head(*units))
    targets = neuron_targets(encoding, head, genome, units)
    assert sorted(targets) == np.flatnonzero(genome).tolist()
    X = np.random.default_rng(0).normal(size=(50, 6)).astype(np.float32)
    hidden = [np.maximum(X @ full[0], 0)]
    hidden.append(np.maximum(hidden[0] @ full[1], 0))
    values = np.concatenate([hidden[layer] for layer in layers], axis=1)
    outgoing = np.concatenate([np.linalg.norm(full[layer + 1], axis=1) for layer in layers])
    for number, target in targets.items():
        np.testing.assert_allclose(target.values(X), values[:, number], rtol=1e-4, atol=1e-5)
    strength = neuron_strength(targets, head, X, length)
    np.testing.assert_allclose(strength, np.where(genome, values.std(axis=0) * outgoing, 0), rtol=1e-4)


def test_single_connections_are_no_neurons(head):
    assert neuron_targets("connections", head, np.ones(24, dtype=bool), (4,)) == {}


def test_logits_are_those_of_the_head(head):
    X = np.random.default_rng(0).normal(size=(5, 6)).astype(np.float32)
    classes = np.array([0, 2, 1, 1, 0])
    np.testing.assert_allclose(
        Target.class_logit(head, classes).values(X), head.logits(X)[np.arange(5), classes], rtol=1e-6
    )


def test_representatives_are_nearest_to_the_mean_of_their_class():
    rng = np.random.default_rng(0)
    y = np.arange(90) % 3
    X = (rng.normal(size=(90, 5)) + 2 * np.eye(5)[y]).astype(np.float32)
    rows = rng.permutation(90)
    train, test = np.sort(rows[:60]), np.sort(rows[60:])
    centroids = NearestCentroid().fit(X[train], y[train]).centroids_
    found = representatives(X, y, train, test)
    assert y[found].tolist() == [0, 1, 2] and np.isin(found, test).all()
    for number, row in enumerate(found):
        own = test[y[test] == number]
        distances = ((X[own] - centroids[number]) ** 2).sum(axis=1)
        assert row == own[distances.argmin()]


def test_a_class_without_test_images_has_no_representative():
    y = np.array([0, 0, 1, 1])
    assert representatives(np.eye(4, dtype=np.float32), y, np.array([0, 2, 3]), np.array([1])).tolist() == [1]


def test_the_most_activating_images_come_from_the_largest_on():
    values = np.array([0.0, 2.0, 5.0, 2.0, 0.0])
    assert most_activating(values, 3).tolist() == [2, 1, 3]
    assert most_activating(values, 9).tolist() == [2, 1, 3]
    assert most_activating(np.zeros(4), 2).tolist() == []
    assert most_activating(np.array([-3.0, -1.0]), 2).tolist() == [1]


def pictured(height, width):
    rows, columns = np.mgrid[:height, :width]
    picture = np.stack([255 * rows / height, 255 * columns / width, 127 + 0 * rows], axis=2)
    return picture.astype(np.uint8)


@pytest.mark.parametrize("size", [(300, 400), (400, 300), (256, 256)])
@pytest.mark.parametrize("fit", ["crop", "stretch"])
def test_the_part_that_is_shown_is_the_part_that_the_network_gets(size, fit):
    how = Preprocessing(size=(96, 96), fit=fit, crop_fraction=0.75 if fit == "crop" else 1.0)
    backbone = NetworkBackbone("net", "0", how, lambda: None)
    pixels = pictured(*size)
    shown = seen_part(pixels, backbone)
    # Stretched to the input's size, both are one picture.
    whole = NetworkBackbone("net", "0", Preprocessing(size=(96, 96)), lambda: None)
    np.testing.assert_allclose(whole.prepare(shown), backbone.prepare(pixels), atol=2 / 255)


def test_a_transform_of_ones_own_is_shown_as_it_comes_out():
    def transform(image):
        return np.asarray(image.resize((12, 10)), dtype=np.float32).transpose(2, 0, 1) / 50 - 2

    backbone = ModuleBackbone(torch.nn.Conv2d(3, 4, 3), transform)
    pixels = pictured(40, 50)
    shown = seen_part(pixels, backbone)
    assert shown.shape == (10, 12, 3) and (shown.min(), shown.max()) == (0, 255)
    prepared = transform(Image.fromarray(pixels)).transpose(1, 2, 0)
    assert np.corrcoef(shown.ravel(), prepared.ravel())[0, 1] > 0.9999


def test_tiny_sees_whole_images_and_thumbnails_keep_their_proportions():
    pixels = pictured(100, 200)
    assert seen_part(pixels, load_backbone("tiny")) is pixels
    assert thumbnail(pixels, 50).shape == (25, 50, 3)
    assert thumbnail(pixels, 500).shape == (100, 200, 3)
