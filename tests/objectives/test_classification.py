"""Scores of predictions are scikit-learn's."""

from __future__ import annotations

import math
import warnings
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax
from sklearn import metrics
from sklearn.calibration import calibration_curve

from evoprune.objectives import (
    accuracy_score,
    balanced_accuracy_score,
    calibrated_cross_entropy,
    calibration_error,
    cross_entropy,
    f1_score,
)


@st.composite
def _predictions(draw):
    """Logits and labels; some classes may have no rows, or never be predicted."""
    rows, classes = draw(st.integers(1, 60)), draw(st.integers(2, 6))
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    scale = draw(st.sampled_from([0.0, 1.0, 5.0, 300.0]))
    logits = (scale * rng.normal(size=(rows, classes))).astype(np.float32)
    return logits, rng.integers(0, draw(st.integers(1, classes)), size=rows)


@settings(deadline=None)
@given(_predictions())
def test_accuracy_balanced_accuracy_f1_and_cross_entropy_are_scikit_learns(predictions):
    logits, labels = predictions
    predicted, classes = logits.argmax(axis=1), np.arange(logits.shape[1])
    with warnings.catch_warnings():
        # It warns of classes without rows.
        warnings.simplefilter("ignore")
        balanced = metrics.balanced_accuracy_score(labels, predicted)
        f1 = metrics.f1_score(labels, predicted, labels=classes, average="macro", zero_division=0)
    assert accuracy_score(logits, labels) == pytest.approx(metrics.accuracy_score(labels, predicted), abs=1e-12)
    assert balanced_accuracy_score(logits, labels) == pytest.approx(balanced, abs=1e-12)
    assert f1_score(logits, labels) == pytest.approx(f1, abs=1e-12)
    if np.abs(logits).max() < 30:
        # scikit-learn cuts probabilities off at the smallest that float64 knows.
        expected = metrics.log_loss(labels, softmax(logits.astype(np.float64), axis=1), labels=classes)
        assert cross_entropy(logits, labels) == pytest.approx(expected, abs=1e-6)


@settings(deadline=None, max_examples=50)
@given(_predictions())
def test_weighted_scores_are_scikit_learns(predictions):
    logits, labels = predictions
    weights = np.random.default_rng(0).gamma(1.0, size=len(labels))
    predicted, classes = logits.argmax(axis=1), np.arange(logits.shape[1])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        balanced = metrics.balanced_accuracy_score(labels, predicted, sample_weight=weights)
        f1 = metrics.f1_score(
            labels, predicted, labels=classes, average="macro", zero_division=0, sample_weight=weights
        )
    accuracy = metrics.accuracy_score(labels, predicted, sample_weight=weights)
    assert accuracy_score(logits, labels, weights) == pytest.approx(accuracy, abs=1e-12)
    assert balanced_accuracy_score(logits, labels, weights) == pytest.approx(balanced, abs=1e-12)
    assert f1_score(logits, labels, weights) == pytest.approx(f1, abs=1e-12)
    if np.abs(logits).max() < 30:
        probabilities = softmax(logits.astype(np.float64), axis=1)
        expected = metrics.log_loss(labels, probabilities, labels=classes, sample_weight=weights)
        assert cross_entropy(logits, labels, weights) == pytest.approx(expected, abs=1e-6)


@settings(deadline=None, max_examples=50)
@given(_predictions())
def test_a_row_of_weight_2_counts_as_two_rows(predictions):
    logits, labels = predictions
    times = np.random.default_rng(1).integers(0, 3, size=len(labels))
    times[0] = 2
    twice = logits.repeat(times, axis=0), labels.repeat(times)
    for score in (accuracy_score, balanced_accuracy_score, f1_score, cross_entropy, calibration_error):
        assert score(logits, labels, times.astype(float)) == pytest.approx(score(*twice), rel=1e-6, abs=1e-9)
    # The temperature is sought to 0.1 %.
    weighted = calibrated_cross_entropy(logits, labels, times.astype(float))
    assert weighted == pytest.approx(calibrated_cross_entropy(*twice), rel=1e-3, abs=1e-6)


@settings(deadline=None)
@given(_predictions())
def test_calibration_error_is_the_gap_of_scikit_learns_calibration_curve(predictions):
    logits, labels = predictions
    confidence = softmax(logits.astype(np.float64), axis=1).max(axis=1).clip(0, 1)
    correct = logits.argmax(axis=1) == labels
    accuracy, mean_confidence = calibration_curve(correct, confidence, n_bins=15)
    edges = np.linspace(0, 1, 16)
    shares = np.array([np.mean((low < confidence) & (confidence <= high)) for low, high in pairwise(edges)])
    expected = np.sum(shares[shares > 0] * np.abs(accuracy - mean_confidence))
    assert calibration_error(logits, labels) == pytest.approx(expected, abs=1e-12)


def test_a_sure_head_that_is_right_half_of_the_time_is_off_by_half():
    logits = np.tile(np.array([[50.0, 0.0]], dtype=np.float32), (10, 1))
    assert calibration_error(logits, np.arange(10) % 2) == pytest.approx(0.5)
    assert calibration_error(logits, np.zeros(10, dtype=np.int64)) == pytest.approx(0)


def test_a_bin_contains_its_upper_edge():
    # A confidence of exactly 1/3, an edge, with an accuracy of 0; then one just over it, with an accuracy of 1.
    logits = np.array([[0.0, 0.0, 0.0], [0.1, 0.0, 0.0]], dtype=np.float32)
    over = np.exp(np.float32(0.1).astype(float)) / (np.exp(np.float32(0.1).astype(float)) + 2)
    assert calibration_error(logits, np.array([2, 0])) == pytest.approx((1 / 3 + 1 - over) / 2)


@pytest.mark.parametrize(
    "score",
    [
        accuracy_score,
        balanced_accuracy_score,
        f1_score,
        calibration_error,
        cross_entropy,
        calibrated_cross_entropy,
    ],
)
def test_logits_that_are_not_finite_give_nan(score):
    logits = np.zeros((4, 3), dtype=np.float32)
    logits[2, 1] = np.nan
    assert np.isnan(score(logits, np.arange(4) % 3))


def smallest_over_temperatures(logits, labels):
    """The cross entropy of torch at the best of many temperatures, 1/20 to 20."""
    inverse = torch.logspace(-math.log10(20), math.log10(20), 4001, dtype=torch.float64)
    scaled = inverse[:, None, None] * torch.from_numpy(logits.astype(np.float64))
    chosen = torch.log_softmax(scaled, dim=2)[:, torch.arange(len(labels)), torch.from_numpy(labels)]
    return float(-chosen.mean(dim=1).max())


@settings(deadline=None, max_examples=40)
@given(_predictions())
def test_calibrated_cross_entropy_is_the_smallest_over_all_temperatures(predictions):
    logits, labels = predictions
    found = calibrated_cross_entropy(logits, labels)
    expected = min(smallest_over_temperatures(logits, labels), np.log(logits.shape[1]))
    assert found == pytest.approx(expected, abs=1e-5)
    # Logits that say less than nothing are worth as much as none.
    assert found <= np.log(logits.shape[1])
    assert found <= cross_entropy(logits, labels) + 1e-6


@pytest.mark.parametrize("seed", range(5))
def test_calibrated_cross_entropy_does_not_mind_how_sure_a_head_is_throughout(seed):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 4, size=300)
    logits = (np.eye(4)[labels] + rng.normal(size=(300, 4))).astype(np.float32)
    found = [calibrated_cross_entropy(scale * logits, labels) for scale in np.float32([0.2, 1, 8])]
    assert found == pytest.approx([found[0]] * 3, abs=1e-5)
    assert cross_entropy(8 * logits, labels) > 2 * found[0]
    # One that is sure of what it should doubt, and in doubt where it is right, does lose.
    wrong = logits.argmax(axis=1) != labels
    assert calibrated_cross_entropy(np.where(wrong[:, None], 8, 1) * logits, labels) > found[0] + 0.05
