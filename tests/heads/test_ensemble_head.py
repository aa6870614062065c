"""Heads that vote: against scikit-learn's voting classifier, and what an ensemble reads, costs and refuses."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import log_softmax, softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.ensemble import VotingClassifier
from sklearn.preprocessing import LabelEncoder

from evoprune.errors import ConfigError, DataError
from evoprune.heads import (
    CompactHead,
    EnsembleHead,
    Head,
    compact,
    log_shares,
    majority_vote,
    parse_encoding,
    probabilities_of,
    soft_vote,
)

D, C = 12, 4


class Known(ClassifierMixin, BaseEstimator):
    """A classifier that says what it is told to."""

    def __init__(self, table=None):
        self.table = table
        self.classes_ = np.arange(C)

    def fit(self, X, y):
        return self

    def predict_proba(self, X):
        return self.table[X[:, 0].astype(int)]

    def predict(self, X):
        return self.predict_proba(X).argmax(axis=1)


def scikit(probabilities, voting, weights=None):
    """A fitted VotingClassifier over the members' probabilities, and the rows to ask it for."""
    members = [(str(i), Known(table)) for i, table in enumerate(probabilities)]
    voters = VotingClassifier(members, voting=voting, weights=weights)
    voters.estimators_ = [member for _, member in members]
    voters.le_ = LabelEncoder().fit(np.arange(C))
    voters.classes_ = np.arange(C)
    return voters, np.arange(probabilities.shape[1])[:, None]


def random_probabilities(seed, members=5, rows=30):
    return softmax(2 * np.random.default_rng(seed).normal(size=(members, rows, C)), axis=2)


def random_head(seed, share=0.4):
    rng = np.random.default_rng(seed)
    head = Head(6)
    matrices = tuple(rng.normal(size=shape).astype(np.float32) for shape in head.shapes(D, C))
    structure = parse_encoding("features", head, width=D, classes=C).decode(rng.random(D) < share)
    return compact(matrices, (None, rng.normal(size=C).astype(np.float32)), structure)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), weighted=st.booleans())
def test_a_soft_vote_is_scikit_learns(seed, weighted):
    probabilities = random_probabilities(seed)
    votes = np.random.default_rng(seed).integers(1, 4, 5) if weighted else None
    voters, rows = scikit(probabilities, "soft", votes)
    assert soft_vote(probabilities, votes) == pytest.approx(voters.predict_proba(rows))


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), members=st.integers(1, 9))
def test_a_majority_vote_is_scikit_learns_where_it_is_no_tie(seed, members):
    probabilities = random_probabilities(seed, members)
    voters, rows = scikit(probabilities, "hard")
    counts = np.stack([np.bincount(row, minlength=C) for row in probabilities.argmax(axis=2).T])
    shares = majority_vote(probabilities)
    clear = (counts == counts.max(axis=1, keepdims=True)).sum(axis=1) == 1
    assert np.array_equal(shares.argmax(axis=1)[clear], voters.predict(rows)[clear])
    # Ties go to the class that is most probable on average among the tied ones.
    tied = np.where(counts == counts.max(axis=1, keepdims=True), probabilities.mean(axis=0), -1)
    assert np.array_equal(shares.argmax(axis=1), tied.argmax(axis=1))
    assert np.abs(shares - counts / members).max() <= 1 / (16 * members)
    assert shares.sum(axis=1) == pytest.approx(1)


def test_a_member_with_two_votes_counts_as_two_members():
    probabilities = random_probabilities(3)
    twice = probabilities[[0, 1, 1, 2, 3, 4]]
    for vote in (soft_vote, majority_vote):
        assert vote(probabilities, np.array([1, 2, 1, 1, 1])) == pytest.approx(vote(twice))


@pytest.mark.parametrize("vote", ["soft", "majority"])
def test_the_logits_of_an_ensemble_are_the_logarithms_of_its_shares(vote):
    heads = tuple(map(random_head, range(4)))
    X = np.random.default_rng(9).normal(size=(50, D)).astype(np.float32)
    members = softmax([head.logits(X).astype(np.float64) for head in heads], axis=2)
    expected = soft_vote(members) if vote == "soft" else majority_vote(members)
    logits = EnsembleHead(heads, vote).logits(X)
    assert logits.dtype == np.float32
    assert softmax(logits, axis=1) == pytest.approx(expected, abs=1e-6)
    assert log_softmax(logits.astype(np.float64), axis=1) == pytest.approx(logits, abs=1e-6)


def test_no_logit_is_infinite_where_a_share_is_0():
    certain = np.array([[1000.0, -1000.0]], dtype=np.float32)
    logits = log_shares(probabilities_of(certain))
    assert logits[0] == pytest.approx([0, np.log(1e-30)])


def test_an_ensemble_of_one_gives_its_members_classes_and_probabilities():
    head = random_head(1)
    X = np.random.default_rng(2).normal(size=(40, D)).astype(np.float32)
    alone = EnsembleHead((head,)).logits(X)
    assert softmax(alone, axis=1) == pytest.approx(softmax(head.logits(X), axis=1), abs=1e-6)


def test_a_repeated_member_votes_twice_and_is_counted_once():
    first, second = random_head(1), random_head(2)
    # Equal contents, as after a file was read, and not the same object.
    copy = CompactHead(first.inputs.copy(), D, tuple(m.copy() for m in first.matrices), first.biases, first.connections)
    heads = EnsembleHead((first, second, copy))
    assert [(head, votes) for head, votes in heads.distinct] == [(first, 2), (second, 1)]
    assert heads.parameters == first.parameters + second.parameters
    assert heads.multiply_adds == first.multiply_adds + second.multiply_adds
    X = np.random.default_rng(2).normal(size=(8, D)).astype(np.float32)
    assert heads.logits(X) == pytest.approx(EnsembleHead((first, first, second)).logits(X))
    assert heads.logits(X) != pytest.approx(EnsembleHead((first, second)).logits(X))


def test_an_ensemble_reads_what_any_member_reads():
    heads = tuple(map(random_head, range(3)))
    together = EnsembleHead(heads)
    assert together.inputs.tolist() == sorted({i for head in heads for i in head.inputs.tolist()})
    assert (together.width, together.classes) == (D, C)
    with pytest.raises(DataError, match="made for 12 features"):
        together.logits(np.zeros((2, D + 1), dtype=np.float32))


def test_a_diverged_member_is_heard():
    probabilities = random_probabilities(1)
    probabilities[2, 3] = np.nan
    for vote in (soft_vote, majority_vote):
        shares = vote(probabilities)
        assert np.isnan(shares[3]).all()
        assert np.isfinite(np.delete(shares, 3, axis=0)).all()


def test_what_is_no_ensemble_is_refused():
    head = random_head(0)
    with pytest.raises(ConfigError, match="without members"):
        EnsembleHead(())
    with pytest.raises(ConfigError, match="'loud' is unknown; choose 'soft' or 'majority'"):
        EnsembleHead((head,), "loud")
    with pytest.raises(ConfigError, match="made for the same data"):
        EnsembleHead((head, replace(head, width=D + 1)))
    with pytest.raises(ConfigError, match="of no members"):
        soft_vote(np.zeros((0, 3, C)))
    for votes in ([1, 1], [0] * 5, [-1, 1, 1, 1, 1]):
        with pytest.raises(ConfigError, match="do not fit 5 members"):
            soft_vote(random_probabilities(0), np.array(votes))
