"""Which rows the search may see: never the test rows, unless the published protocol is asked for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import StratifiedKFold, StratifiedShuffleSplit

from evoprune.data import Division, partition
from evoprune.errors import ConfigError, DataError


def data_set(counts, seed=0, validation=False, folds=1):
    """Labels and divisions: about a fifth of the rows for the test, another fifth for validation."""
    labels = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts)).astype(np.int64)
    divisions = []
    for fold in range(folds):
        order = np.random.default_rng([seed, fold]).permutation(len(labels))
        test, given, train = np.split(order, [len(labels) // 5, 2 * len(labels) // 5])
        if not validation:
            train = np.concatenate([train, given])
        divisions.append(Division(np.sort(train), np.sort(test), np.sort(given) if validation else None))
    return labels, divisions


def development(division):
    given = [] if division.validation is None else [division.validation]
    return np.sort(np.concatenate([division.train, *given]))


@settings(max_examples=60)
@given(
    st.lists(st.integers(25, 60), min_size=2, max_size=4),
    st.booleans(),
    st.integers(1, 4),
    st.integers(1, 3),
    st.integers(0, 99),
)
def test_nested_never_searches_on_test_rows(counts, validation, folds, published, seed):
    labels, divisions = data_set(counts, seed, validation, published)
    held_out = seed % published
    result = partition(divisions, labels, folds=folds, held_out=held_out, seed=seed)
    division = divisions[held_out]
    for fold in result.search:
        assert not np.intersect1d(fold.train, division.test).size
        assert not np.intersect1d(fold.evaluate, division.test).size
        assert not np.intersect1d(fold.train, fold.evaluate).size
        for rows in (fold.train, fold.evaluate):
            assert np.array_equal(rows, np.unique(rows))
            assert set(labels[rows]) == set(range(len(counts)))
    (report,) = result.report
    np.testing.assert_array_equal(report.evaluate, division.test)
    np.testing.assert_array_equal(report.train, development(division))


def test_given_validation_part_is_used_as_it_is():
    labels, divisions = data_set([50, 50], validation=True)
    (fold,) = partition(divisions, labels).search
    np.testing.assert_array_equal(fold.train, divisions[0].train)
    np.testing.assert_array_equal(fold.evaluate, divisions[0].validation)


def test_validation_part_is_a_stratified_quarter_of_the_training_rows():
    labels, divisions = data_set([40, 80, 60])
    (fold,) = partition(divisions, labels, seed=1).search
    train = divisions[0].train
    np.testing.assert_array_equal(np.union1d(fold.train, fold.evaluate), train)
    _, theirs = next(StratifiedShuffleSplit(1, test_size=0.25, random_state=0).split(train, labels[train]))
    assert np.abs(np.bincount(labels[fold.evaluate]) - np.bincount(labels[train[theirs]])).max() <= 1


def test_two_rows_a_class_are_enough_for_a_validation_part():
    labels = np.array([0, 0, 1, 1, 0, 1])
    (fold,) = partition([Division(np.arange(4), np.arange(4, 6))], labels).search
    assert sorted(labels[fold.train]) == sorted(labels[fold.evaluate]) == [0, 1]


def test_inner_folds_are_those_of_scikit_learn():
    labels, divisions = data_set([30, 45, 60], validation=True)
    folds = partition(divisions, labels, folds=5, seed=7).search
    rows = development(divisions[0])
    theirs = list(StratifiedKFold(5, shuffle=True, random_state=7).split(rows, labels[rows]))
    assert len(folds) == 5
    for fold, (train, evaluate) in zip(folds, theirs, strict=True):
        np.testing.assert_array_equal(fold.train, rows[train])
        np.testing.assert_array_equal(fold.evaluate, rows[evaluate])
    np.testing.assert_array_equal(np.sort(np.concatenate([fold.evaluate for fold in folds])), rows)


def test_same_seed_same_partition():
    labels, divisions = data_set([40, 40])
    for folds in (1, 3):
        first, again, other = (partition(divisions, labels, folds=folds, seed=seed).search for seed in (1, 1, 2))
        assert all(np.array_equal(a.evaluate, b.evaluate) for a, b in zip(first, again, strict=True))
        assert not np.array_equal(first[0].evaluate, other[0].evaluate)


@pytest.mark.parametrize("validation", [False, True])
def test_paper_is_the_published_folds_as_given(validation):
    labels, divisions = data_set([30, 30], validation=validation, folds=3)
    result = partition(divisions, labels, protocol="paper")
    assert result.protocol == "paper"
    assert result.search is result.report
    for fold, division in zip(result.search, divisions, strict=True):
        np.testing.assert_array_equal(fold.train, development(division))
        np.testing.assert_array_equal(fold.evaluate, division.test)


def test_descriptions_say_what_the_fitness_is():
    labels, one = data_set([30, 30])
    _, given = data_set([30, 30], validation=True)
    _, many = data_set([30, 30], folds=2)
    assert "25% of the training rows" in partition(one, labels).description
    assert "on the validation part" in partition(given, labels).description
    assert "mean over 3 inner folds" in partition(one, labels, folds=3).description
    assert "the test part of fold 1 is read once" in partition(many, labels, held_out=1).description
    assert "selected on it" in partition(one, labels, protocol="paper").description


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"protocol": "honest"}, "protocol 'honest' is unknown; choose 'nested' or 'paper'"),
        ({"protocol": "paper", "folds": 3}, "folds=3 does not go with protocol 'paper'"),
        ({"protocol": "paper", "held_out": 1}, "held_out=1 does not go with protocol 'paper'"),
        ({"held_out": 1}, r"held_out=1 is out of range; the data set has 1 fold\(s\), counted from 0"),
        ({"held_out": -1}, "held_out=-1 is out of range"),
        ({"folds": 0}, "folds=0 is out of range; give 1"),
        ({"seed": -1}, "seed=-1 is negative"),
        ({"seed": -1, "folds": 2}, "seed=-1 is negative"),
    ],
)
def test_settings_that_do_not_fit(settings, sentence):
    labels, divisions = data_set([30, 30])
    with pytest.raises(ConfigError, match=sentence):
        partition(divisions, labels, **settings)


@pytest.mark.parametrize(
    ("folds", "sentence"),
    [
        (1, r"class number 1 has 1 training row\(s\), too few for a validation part; at least 2"),
        (3, r"class number 1 has 1 training row\(s\), too few for 3 inner folds; at least 3 are needed"),
    ],
)
def test_class_with_too_few_rows(folds, sentence):
    labels = np.array([0] * 10 + [1, 0, 1])
    with pytest.raises(DataError, match=sentence):
        partition([Division(np.arange(11), np.arange(11, 13))], labels, folds=folds)
