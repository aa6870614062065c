"""Scores of logits are pytorch-ood's, sign included, and survive any logits."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import log_softmax, logsumexp

from evoprune.objectives import auroc, energy, maxlogit, msp, odin

LOGITS = arrays(np.float64, st.tuples(st.integers(1, 20), st.integers(2, 9)), elements=st.floats(-1000, 1000))


def detectors(pytorch_ood):
    """Our score and pytorch-ood's, from logits."""
    library = pytorch_ood.detector
    return {
        "odin": (odin, library.ODIN(torch.nn.Identity(), eps=0.0, temperature=1000.0).predict),
        "msp": (msp, library.MaxSoftmax(None).predict_logits),
        "energy": (energy, library.EnergyBased(None).predict_logits),
        "maxlogit": (maxlogit, library.MaxLogit(None).predict_logits),
    }


@pytest.mark.parametrize("name", ["odin", "msp", "energy", "maxlogit"])
@settings(deadline=None)
@given(logits=LOGITS)
def test_scores_are_pytorch_oods(pytorch_ood, name, logits):
    ours, theirs = detectors(pytorch_ood)[name]
    expected = theirs(torch.from_numpy(logits)).numpy()
    assert np.allclose(ours(logits), expected, rtol=1e-12, atol=1e-12)


@settings(deadline=None)
@given(LOGITS)
def test_scores_are_scipys(logits):
    assert np.allclose(odin(logits), -np.exp(log_softmax(logits / 1000, axis=-1)).max(-1), rtol=1e-13, atol=0)
    assert np.allclose(energy(logits), -logsumexp(logits, axis=-1), rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("score", [odin, msp, energy, maxlogit])
def test_a_sure_prediction_scores_lower_than_an_unsure_one(score):
    sure, unsure = np.array([[9.0, 0.0, 0.0]]), np.array([[0.4, 0.3, 0.3]])
    assert score(sure) < score(unsure)
    assert auroc(score(sure), score(unsure)) == 1


@pytest.mark.parametrize("score", [odin, msp, energy, maxlogit])
def test_scores_of_huge_logits_are_finite(score):
    logits = np.array([[1000.0, -1000.0, 0.0], [-1000.0, -1000.0, -1000.0], [1000.0, 1000.0, 1000.0]])
    assert np.isfinite(score(logits)).all()


def test_odin_of_nearly_equal_float32_logits_has_no_ties():
    logits = np.zeros((200, 3), dtype=np.float32)
    logits[:, 0] = 1e-5 * np.arange(200)
    scores = odin(logits)
    assert len(np.unique(scores)) == 200
    assert (np.diff(scores) < 0).all()
    assert len(np.unique(scores.astype(np.float32))) < 200


@pytest.mark.parametrize("score", [odin, msp, energy, maxlogit])
def test_scores_of_a_batch_are_those_of_its_parts_and_nan_stays(score):
    logits = np.random.default_rng(0).normal(size=(2, 3, 5, 4)).astype(np.float32)
    logits[1, 2, 4, 0] = np.nan
    scores = score(logits)
    assert scores.shape == (2, 3, 5)
    assert scores.dtype == np.float64
    assert np.argwhere(np.isnan(scores)).tolist() == [[1, 2, 4]]
    assert np.array_equal(scores[0, 1], score(logits[0, 1]))


@pytest.mark.parametrize("score", [odin, msp, energy])
def test_infinite_logits_give_nan_without_a_warning(score):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isnan(score(np.array([[np.inf, 0.0, 1.0]]))).all()
