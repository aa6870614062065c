"""Splits are stratified, disjoint, complete and seeded, whatever the classes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.model_selection import StratifiedShuffleSplit

from evoprune.data._splits import split_rows, stratified_parts
from evoprune.errors import ConfigError, DataError

SPLITS = st.sampled_from([(0.6, 0.2, 0.2), (0.8, 0.0, 0.2), (0.5, 0.25, 0.25), (0.34, 0.33, 0.33), (0.98, 0.01, 0.01)])


def labels_of(counts, seed):
    return np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))


def divide(labels, split, seed=0):
    division = split_rows(labels, [str(n) for n in range(labels.max() + 1)], split=split, seed=seed, where="here")
    empty = np.array([], dtype=np.int64)
    return division.train, empty if division.validation is None else division.validation, division.test


@given(st.lists(st.integers(3, 40), min_size=2, max_size=6), SPLITS, st.integers(0, 10_000))
def test_parts_are_stratified_disjoint_and_complete(counts, split, seed):
    labels = labels_of(counts, seed)
    parts = divide(labels, split, seed)
    np.testing.assert_array_equal(np.sort(np.concatenate(parts)), np.arange(len(labels)))
    for part, share in zip(parts, split, strict=True):
        assert np.array_equal(part, np.sort(part))
        in_part = np.bincount(labels[part], minlength=len(counts))
        if share == 0:
            assert len(part) == 0
            continue
        assert in_part.min() >= 1
        for got, count in zip(in_part, counts, strict=True):
            # Rounding moves less than one row; the row that every part must have, one or two more.
            assert abs(got - share * count) < (1 if min(s * count for s in split if s) >= 1 else 3)


@given(st.integers(0, 1000))
def test_same_seed_same_parts(seed):
    labels = labels_of([20, 30], 0)
    for a, b in zip(divide(labels, (0.6, 0.2, 0.2), seed), divide(labels, (0.6, 0.2, 0.2), seed), strict=True):
        np.testing.assert_array_equal(a, b)


def test_another_seed_gives_other_parts():
    labels = labels_of([50, 50], 0)
    assert not np.array_equal(divide(labels, (0.6, 0.2, 0.2), 0)[2], divide(labels, (0.6, 0.2, 0.2), 1)[2])


def test_five_images_at_60_20_20_are_3_1_1():
    assert [len(part) for part in divide(np.repeat([0, 1], 5), (0.6, 0.2, 0.2))] == [6, 2, 2]


@pytest.mark.parametrize("counts", [[10, 20, 40], [33, 7, 12]])
def test_class_counts_are_those_of_scikit_learn_up_to_rounding(counts):
    labels = labels_of(counts, 0)
    ours = stratified_parts(labels, np.array([0.75, 0.25]), 0)
    theirs = next(StratifiedShuffleSplit(1, test_size=0.25, random_state=0).split(labels, labels))
    for a, b in zip(ours, theirs, strict=True):
        assert np.abs(np.bincount(labels[a]) - np.bincount(labels[b])).max() <= 1


def test_class_with_too_few_rows():
    with pytest.raises(
        DataError, match=r"class 'b' of here has 2 image\(s\) or row\(s\), too few .* at least 3 are needed"
    ):
        split_rows(np.array([0, 0, 0, 1, 1]), ["a", "b"], split=(0.6, 0.2, 0.2), seed=0, where="here")


def test_two_rows_are_enough_without_a_validation_part():
    division = split_rows(np.array([0, 0, 1, 1]), ["a", "b"], split=(0.5, 0, 0.5), seed=0, where="here")
    assert division.validation is None
    assert len(division.train) == len(division.test) == 2


@pytest.mark.parametrize(
    "split", [(0.5, 0.2, 0.2), (1.0, 0, 0), (0, 0.5, 0.5), (1.2, -0.4, 0.2), (0.8, 0.2), (np.nan, 0.2, 0.2)]
)
def test_unusable_shares(split):
    with pytest.raises(ConfigError, match=r"split=.* is not usable; give the shares"):
        divide(np.repeat([0, 1], 9), split)


def test_negative_seed():
    with pytest.raises(ConfigError, match="seed=-1 is negative; give 0 or more"):
        divide(np.repeat([0, 1], 9), (0.6, 0.2, 0.2), seed=-1)
