"""Off means off: masked and compact heads agree, for every encoding and any genome (promise 2)."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evoprune.errors import ConfigError
from evoprune.heads import ENCODINGS, Head, compact, default_head, fold_standardization, parse_encoding

D, C = 13, 4


def small_head(encoding: str) -> Head:
    return Head(9, 7) if len(default_head(encoding).hidden) == 2 else Head(9)


def masked_logits(X, matrices, biases, structure):
    """The published form: every weight matrix times its mask."""
    for i, (matrix, bias) in enumerate(zip(matrices, biases, strict=True)):
        X = np.maximum(X, 0) if i else X
        X = X @ (matrix * structure.mask(i, C)).astype(np.float64) + (0 if bias is None else bias)
    return X


def random_weights(head: Head, rng: np.random.Generator):
    shapes = head.shapes(D, C)
    matrices = tuple((rng.normal(size=shape) / np.sqrt(shape[0])).astype(np.float32) for shape in shapes)
    biases = [None] * (len(shapes) - 1) + [rng.normal(size=C).astype(np.float32)]
    return matrices, tuple(biases)


@pytest.mark.parametrize("encoding", [*ENCODINGS, "connections:1"])
@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), share=st.sampled_from([0.0, 0.05, 0.3, 0.7, 1.0]))
def test_compact_head_gives_the_masked_heads_logits(encoding, seed, share):
    rng = np.random.default_rng(seed)
    head = small_head(encoding)
    plan = parse_encoding(encoding, head, width=D, classes=C)
    structure = plan.decode(rng.random(plan.length) < share)
    matrices, biases = random_weights(head, rng)
    X = rng.normal(size=(6, D)).astype(np.float32)
    small = compact(matrices, biases, structure)
    assert np.abs(small.logits(X) - masked_logits(X, matrices, biases, structure)).max() <= 1e-5


@pytest.mark.parametrize("encoding", ENCODINGS)
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_folded_standardization_gives_the_same_logits(encoding, seed):
    rng = np.random.default_rng(seed)
    head = small_head(encoding)
    plan = parse_encoding(encoding, head, width=D, classes=C)
    structure = plan.decode(rng.random(plan.length) < rng.random())
    matrices, biases = random_weights(head, rng)
    mean, scale = rng.normal(size=D), rng.uniform(0.5, 2, size=D)
    X = rng.normal(size=(6, D)).astype(np.float32)
    expected = masked_logits((X - mean) / scale, matrices, biases, structure)
    first, bias = fold_standardization(matrices[0] * structure.mask(0, C), biases[0], mean, scale)
    folded = compact((first, *matrices[1:]), (bias, *biases[1:]), structure)
    assert np.abs(folded.logits(X) - expected).max() <= 2e-5


@pytest.mark.parametrize(
    ("encoding", "head", "length"),
    [
        ("features", Head(512), 2048),
        ("first", Head(512, 512), 512),
        ("second", Head(512, 512), 512),
        ("both", Head(512, 512), 1024),
        ("connections", Head(512, 512), 512 * 512),
        ("connections", Head(512), 2048 * 512),
        ("connections:1", Head(512, 512), 2048 * 512),
    ],
)
def test_genome_lengths_are_the_published_ones(encoding, head, length):
    assert parse_encoding(encoding, head, width=2048, classes=3).length == length


@pytest.mark.parametrize(
    ("encoding", "sizes"),
    [
        ("features", [(3, 9), (9, C)]),
        ("first", [(D, 3), (3, 7), (7, C)]),
        ("second", [(D, 9), (9, 3), (3, C)]),
    ],
)
def test_compact_head_is_physically_smaller(encoding, sizes):
    rng = np.random.default_rng(0)
    plan = parse_encoding(encoding, small_head(encoding), width=D, classes=C)
    genome = np.zeros(plan.length, dtype=bool)
    genome[[0, 2, 5]] = True
    small = compact(*random_weights(plan.head, rng), plan.decode(genome))
    assert [m.shape for m in small.matrices] == sizes
    assert small.parameters == sum(a * b for a, b in sizes) + C
    assert small.multiply_adds == sum(a * b for a, b in sizes)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_genome_of_zeros_leaves_only_the_output_bias(encoding):
    rng = np.random.default_rng(1)
    plan = parse_encoding(encoding, small_head(encoding), width=D, classes=C)
    matrices, biases = random_weights(plan.head, rng)
    small = compact(matrices, biases, plan.decode(np.zeros(plan.length, dtype=bool)))
    logits = small.logits(rng.normal(size=(5, D)).astype(np.float32))
    assert np.array_equal(logits, np.tile(biases[-1], (5, 1)))
    assert plan.decode(plan.dense_genome()).mask(0, C).all()


def test_connections_that_lead_nowhere_are_removed():
    plan = parse_encoding("connections:1", Head(9), width=D, classes=C)
    genome = np.zeros((D, 9), dtype=bool)
    genome[2, 4] = genome[5, 4] = genome[5, 8] = True
    small = compact(*random_weights(plan.head, np.random.default_rng(2)), plan.decode(genome.ravel()))
    assert list(small.inputs) == [2, 5]
    assert small.matrices[0].shape == (2, 2)
    assert small.connections == (3, 2 * C)


@pytest.mark.parametrize(
    ("name", "head", "sentence"),
    [
        ("feature", Head(4), "did you mean 'features'"),
        ("second", Head(4), "needs two hidden layers"),
        ("both", Head(4), "needs two hidden layers"),
        ("connections:3", Head(4), "names a layer"),
        ("first:1", Head(4), "is unknown"),
    ],
)
def test_encodings_that_do_not_fit_are_refused(name, head, sentence):
    with pytest.raises(ConfigError, match=sentence):
        parse_encoding(name, head, width=D, classes=C)


@pytest.mark.parametrize("genome", [np.ones(5, dtype=bool), np.ones(D), np.ones((2, D), dtype=bool)])
def test_genomes_that_do_not_fit_are_refused(genome):
    with pytest.raises(ConfigError, match="does not fit encoding 'features', which takes 13 booleans"):
        parse_encoding("features", Head(4), width=D, classes=C).decode(genome)


@pytest.mark.parametrize("units", [(0,), (1, 2, 3), (-4,), (2.5,), (True,)])
def test_heads_that_cannot_be_are_refused(units):
    with pytest.raises(ConfigError, match="give the units of one or two hidden layers"):
        Head(*units)
