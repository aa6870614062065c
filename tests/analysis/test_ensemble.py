"""Who votes, against plain loops over all candidates; the vote on foreign images, threshold by threshold."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax
from scipy.stats import percentileofscore
from sklearn.metrics import accuracy_score, auc, log_loss, roc_auc_score

from evoprune.analysis import (
    WINDOWS,
    Panel,
    best_window,
    diverse_members,
    greedy_members,
    outlier_vote,
    quality,
    window_members,
)
from evoprune.errors import ConfigError
from evoprune.heads import VOTES

C = 4


def panels(seed, members=7, rows=40, count=2):
    """Heads that are right more or less often."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        labels = rng.integers(0, C, rows)
        strength = np.linspace(0.2, 1.2, members)[:, None, None] * np.eye(C)[labels]
        found.append(Panel(softmax(strength + rng.normal(size=(members, rows, C)), axis=2), labels))
    return found


def judged(rounds, members, vote):
    """Quality by scikit-learn."""
    scores = []
    for panel in rounds:
        shares = VOTES[vote](panel.probabilities[list(members)], None)
        entropy = log_loss(panel.labels, shares, labels=range(C))
        scores.append((accuracy_score(panel.labels, shares.argmax(axis=1)), -entropy))
    return tuple(np.mean(scores, axis=0))


@pytest.mark.parametrize("vote", ["soft", "majority"])
def test_quality_is_accuracy_and_cross_entropy_of_the_vote(vote):
    rounds = panels(0)
    assert quality(rounds, np.array([4, 1, 6]), vote) == pytest.approx(judged(rounds, [4, 1, 6], vote), abs=1e-6)


def test_the_windows_are_the_published_ones():
    assert WINDOWS == ((50, 60), (55, 65), (60, 70), (65, 75), (70, 80), (75, 85), (80, 90), (85, 95))


def test_a_window_holds_what_lies_between_two_quantiles():
    values = np.array([0.9, 0.1, 0.5, 0.3, 0.7, 0.2, 0.8, 0.4, 0.6, 0.0, 1.0])
    # Of 0.0, 0.1, .. 1.0 each tenth is a quantile, and both ends belong to the window.
    assert sorted(values[window_members(values, (50, 60))]) == [0.5, 0.6]
    assert sorted(values[window_members(values, (85, 95))]) == [0.9]
    assert window_members(np.array([0.2, 0.9]), (50, 60)).tolist() == []
    assert window_members(np.full(4, 0.5), (50, 60)).tolist() == [0, 1, 2, 3]


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), vote=st.sampled_from(["soft", "majority"]))
def test_the_greedy_selection_is_caruanas_naive_loop(seed, vote):
    rounds = panels(seed)
    chosen, trace = [], []
    for _ in range(6):
        scored = [(judged(rounds, [*chosen, m], vote), -m) for m in range(7)]
        (score, member) = max(scored)
        chosen.append(-member)
        trace.append(score)
    length = trace.index(max(trace)) + 1
    assert greedy_members(rounds, vote, picks=6).tolist() == chosen[:length]


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1), vote=st.sampled_from(["soft", "majority"]), share=st.sampled_from([0.3, 0.5, 1.0])
)
def test_the_diverse_selection_takes_the_best_of_those_that_disagree(seed, vote, share):
    rounds = panels(seed)
    chosen = [max(range(7), key=lambda m: judged(rounds, [m], vote))]
    while True:
        left = [m for m in range(7) if m not in chosen]
        said = [VOTES[vote](panel.probabilities[chosen], None).argmax(axis=1) for panel in rounds]
        agreement = [
            np.mean([np.mean(p.probabilities[m].argmax(axis=1) == s) for p, s in zip(rounds, said, strict=True)])
            for m in left
        ]
        most_different = sorted(np.argsort(agreement, kind="stable")[: int(np.ceil(share * len(left)))])
        candidates = [left[i] for i in most_different]
        if not candidates:
            break
        member = max(candidates, key=lambda m: judged(rounds, [*chosen, m], vote))
        if judged(rounds, [*chosen, member], vote) <= judged(rounds, chosen, vote):
            break
        chosen.append(member)
    assert diverse_members(rounds, vote, share).tolist() == chosen


@pytest.mark.parametrize("vote", ["soft", "majority"])
def test_the_best_window_is_the_one_whose_vote_is_best(vote):
    rounds = panels(5, members=30)
    values = np.array([judged(rounds, [m], "soft")[0] for m in range(30)])
    window, members = best_window(rounds, values, vote)
    scores = {w: judged(rounds, window_members(values, w), vote) for w in WINDOWS if len(window_members(values, w))}
    assert window == max(scores, key=scores.get)
    assert members.tolist() == window_members(values, window).tolist()


def test_where_no_window_holds_anyone_all_members_vote():
    rounds = panels(1, members=2)
    window, members = best_window(rounds, np.array([0.2, 0.9]), "soft")
    assert (window, members.tolist()) == ((0, 100), [0, 1])


def published_auroc(inside, outside):
    """At every share to be rejected each member has its threshold, and a majority has to accept an image."""
    standing = [
        np.stack([percentileofscore(own, row, kind="mean") for own, row in zip(inside, scores, strict=True)])
        for scores in (inside, outside)
    ]
    levels = np.linspace(0, 100, 4 * inside.shape[1] + 1)
    rates = [[np.mean(2 * (of <= level + 1e-9).sum(axis=0) > len(inside)) for level in levels] for of in standing]
    return auc([0.0, *rates[1], 1.0], [0.0, *rates[0], 1.0])


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), members=st.integers(1, 6), digits=st.sampled_from([1, 6]))
def test_the_majority_on_foreign_images_is_that_at_every_threshold(seed, members, digits):
    rng = np.random.default_rng(seed)
    # One digit makes ties of many scores; members count on scales of their own.
    inside = np.round(rng.normal(size=(members, 25)), digits) * (1 + np.arange(members))[:, None]
    outside = np.round(rng.normal(0.7, 1, size=(members, 31)), digits) * (1 + np.arange(members))[:, None]
    scored = outlier_vote(inside, outside, "majority")
    found = roc_auc_score(np.repeat([0, 1], [25, 31]), np.concatenate(scored))
    assert found == pytest.approx(published_auroc(inside, outside))


def test_the_majority_of_one_orders_images_as_its_member_does():
    rng = np.random.default_rng(0)
    inside, outside = rng.normal(size=(1, 40)), rng.normal(0.5, 1, size=(1, 50))
    labels = np.repeat([0, 1], [40, 50])
    for vote in ("soft", "majority"):
        found = roc_auc_score(labels, np.concatenate(outlier_vote(inside, outside, vote)))
        assert found == pytest.approx(roc_auc_score(labels, np.concatenate([inside[0], outside[0]])))


def test_a_soft_vote_on_foreign_images_is_the_mean_score():
    inside, outside = np.array([[0.0, 1.0], [2.0, 5.0]]), np.array([[3.0], [4.0]])
    assert [scores.tolist() for scores in outlier_vote(inside, outside, "soft")] == [[1.0, 3.0], [3.5]]


@pytest.mark.parametrize("vote", ["soft", "majority"])
def test_a_diverged_member_leaves_no_score(vote):
    inside, outside = np.random.default_rng(0).normal(size=(2, 3, 9))
    inside[1, 4] = np.nan
    assert np.isnan(outlier_vote(inside, outside, vote)[0][4])


def test_what_does_not_go_together_is_refused():
    with pytest.raises(ConfigError, match="are of no ensemble"):
        outlier_vote(np.zeros((2, 3)), np.zeros((3, 3)), "soft")
    (panel,) = panels(0, count=1)
    with pytest.raises(ConfigError, match="do not go together"):
        Panel(panel.probabilities, panel.labels[1:])
    with pytest.raises(ConfigError, match="do not go together"):
        Panel(panel.probabilities, panel.labels, np.zeros((7, 40)))


def test_a_panel_of_some_members_holds_their_rows():
    rng = np.random.default_rng(0)
    (panel,) = panels(0, count=1)
    whole = Panel(panel.probabilities, panel.labels, rng.random((7, 40)), rng.random((7, 5)))
    some = whole.of(np.array([3, 3, 0]))
    assert np.array_equal(some.probabilities[1], whole.probabilities[3])
    assert np.array_equal(some.outside, whole.outside[[3, 3, 0]])
    assert len(some) == 3
