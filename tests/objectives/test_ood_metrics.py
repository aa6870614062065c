"""AUROC, average precision and FPR at 95 % TPR are scikit-learn's, ties included."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

from evoprune.errors import ConfigError
from evoprune.objectives import aupr, auroc, fpr_at_tpr, odin


@st.composite
def _scores(draw):
    """Scores of the two groups: all equal, full of ties, or of logits up to +-100; float32 or float64."""
    n, m = draw(st.integers(1, 60)), draw(st.integers(1, 40))
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    kind = draw(st.sampled_from(["constant", "ties", "logits", "float32", "near"]))
    if kind == "constant":
        scores = np.full(n + m, 0.25)
    elif kind == "ties":
        scores = rng.integers(-3, 4, size=n + m).astype(float)
    elif kind == "logits":
        scores = odin(rng.uniform(-100, 100, size=(n + m, 4)))
    elif kind == "float32":
        scores = rng.normal(size=n + m).astype(np.float32)
    else:
        # Apart by less than float32 can tell.
        scores = -0.25 - 1e-10 * rng.integers(0, 5, size=n + m)
    return scores[:n], scores[n:]


def joined(inside, outside):
    return np.repeat([0, 1], [len(inside), len(outside)]), np.concatenate([inside, outside])


@settings(deadline=None)
@given(_scores())
def test_auroc_is_scikit_learns(groups):
    assert auroc(*groups) == pytest.approx(roc_auc_score(*joined(*groups)), abs=1e-12)


@settings(deadline=None)
@given(_scores())
def test_aupr_is_scikit_learns_with_outliers_positive(groups):
    assert aupr(*groups) == pytest.approx(average_precision_score(*joined(*groups)), abs=1e-12)


@settings(deadline=None)
@given(_scores(), st.sampled_from([0.05, 0.5, 0.8, 0.95, 1.0]))
def test_fpr_at_tpr_is_read_off_scikit_learns_curve_with_images_inside_positive(groups, tpr):
    outlier, scores = joined(*groups)
    false, true, _ = roc_curve(1 - outlier, -scores.astype(np.float64), drop_intermediate=False)
    assert fpr_at_tpr(*groups, tpr=tpr) == pytest.approx(false[np.argmax(true >= tpr)], abs=1e-12)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 1000))
def test_the_metrics_are_pytorch_oods(pytorch_ood, seed):
    functional = pytorch_ood.metrics.functional
    rng = np.random.default_rng(seed)
    inside, outside = rng.integers(0, 30, size=80) / 7, rng.integers(10, 40, size=60) / 7
    outlier, scores = map(torch.from_numpy, joined(inside, outside))
    assert auroc(inside, outside) == pytest.approx(float(functional.auroc(scores, -outlier)), abs=1e-12)
    # There, outliers are the positives: the same rate with the parts exchanged.
    expected = functional.fpr_at_tpr(-scores, outlier - 1, 0.95)
    assert fpr_at_tpr(inside, outside) == pytest.approx(float(expected), abs=1e-12)


def test_higher_scores_outside_are_better():
    inside, outside = np.array([0.1, 0.2, 0.3]), np.array([0.7, 0.8])
    assert (auroc(inside, outside), aupr(inside, outside), fpr_at_tpr(inside, outside)) == (1, 1, 0)
    assert (auroc(outside, inside), fpr_at_tpr(outside, inside)) == (0, 1)


def test_equal_scores_count_half():
    assert auroc(np.zeros(5), np.zeros(3)) == 0.5
    assert auroc(np.array([0.0, 1.0]), np.array([1.0])) == 0.75


def test_accepting_95_percent_of_20_images_leaves_out_one():
    inside = np.arange(20.0)
    assert fpr_at_tpr(inside, np.array([18.0, 18.5])) == 0.5
    assert fpr_at_tpr(inside, np.array([18.0, 18.5]), tpr=0.951) == 1.0


@pytest.mark.parametrize("metric", [auroc, aupr, fpr_at_tpr])
def test_leading_axes_are_a_batch(metric):
    rng = np.random.default_rng(0)
    inside, outside = rng.integers(0, 9, size=(2, 3, 40)) / 3, rng.integers(2, 11, size=(2, 3, 30)) / 3
    values = metric(inside, outside)
    assert values.shape == (2, 3)
    assert all(values[i] == metric(inside[i], outside[i]) for i in np.ndindex(2, 3))


@pytest.mark.parametrize("metric", [auroc, aupr, fpr_at_tpr])
def test_a_score_that_is_nan_makes_its_value_nan_and_no_other(metric):
    inside, outside = np.tile(np.arange(6.0), (3, 1)), np.tile(np.arange(3.0, 8.0), (3, 1))
    whole = metric(inside, outside)[0]
    inside[0, 2] = outside[1, 4] = np.nan
    assert np.isnan(metric(inside, outside)).tolist() == [True, True, False]
    assert metric(inside, outside)[2] == whole


@pytest.mark.parametrize("metric", [auroc, aupr, fpr_at_tpr])
def test_nothing_to_compare_is_refused(metric):
    with pytest.raises(ConfigError, match=r"4 image\(s\) inside and 0 outside the distribution; give at least one"):
        metric(np.zeros(4), np.zeros(0))
    with pytest.raises(ConfigError, match=r"shapes \(2, 4\) and \(3, 4\) do not go together"):
        metric(np.zeros((2, 4)), np.zeros((3, 4)))


@pytest.mark.parametrize("tpr", [0.0, -0.5, 1.5, float("nan")])
def test_a_share_out_of_range_is_refused(tpr):
    with pytest.raises(ConfigError, match="is no share of images to accept"):
        fpr_at_tpr(np.zeros(4), np.zeros(4), tpr=tpr)
