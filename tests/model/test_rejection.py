"""The threshold accepts the share it was set for, is kept with the model, and turns labels into `unknown`."""

from __future__ import annotations

import json

import numpy as np
import pytest

from evoprune.errors import ConfigError, StorageError
from evoprune.heads import EnsembleHead
from evoprune.model import Model, Rejection, fit_score, ood_scores, threshold_for, usable_score
from evoprune.objectives import OOD_SCORES, fit_detector

from .conftest import NAMES, make_head, make_model

KINDS = ("one", "two layers", "soft", "majority")


@pytest.mark.parametrize("tpr", [0.01, 0.5, 0.9, 0.95, 1.0])
@pytest.mark.parametrize("count", [1, 7, 100])
def test_the_threshold_is_the_smallest_that_accepts_enough(tpr, count):
    scores = np.random.default_rng(count).normal(size=count)
    threshold = threshold_for(scores, tpr)
    assert (scores <= threshold).mean() >= tpr
    assert (scores < threshold).mean() < tpr
    assert threshold == np.quantile(scores, tpr, method="inverted_cdf")


@pytest.mark.parametrize("tpr", [0, -1, 1.01, float("nan")])
def test_shares_out_of_range_are_refused(tpr):
    with pytest.raises(ConfigError, match="is no share of images to accept; give more than 0 and at most 1"):
        threshold_for(np.zeros(3), tpr)


def test_scores_that_are_none_set_no_threshold():
    for scores in (np.zeros(0), np.array([1.0, np.nan])):
        with pytest.raises(ConfigError, match="no finite OOD scores"):
            threshold_for(scores, 0.95)


@pytest.mark.parametrize("score", OOD_SCORES)
def test_scores_are_those_of_the_search(tiny, training, features, score):
    head = make_head("two layers", tiny.width)
    expected = fit_detector(score, head, *training).score(features)
    assert np.allclose(ood_scores(score, head, features, fit_score(score, head, *training)), expected, rtol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("score", ["msp", "mahalanobis", "knn"])
def test_a_saved_model_rejects_the_same_images(tmp_path, tiny, training, features, kind, score):
    model = make_model(kind, tiny, training, usable_score(score, make_head(kind, tiny.width)), features)
    model.save(tmp_path)
    again = Model.load(tmp_path)
    expected, given = model.outputs(features), again.outputs(features)
    assert np.array_equal(given.logits, expected.logits)
    assert np.array_equal(given.scores, expected.scores)
    assert set(given.unknown) == {True, False}
    assert np.array_equal(given.unknown, expected.unknown)
    assert again.rejection.facts() == model.rejection.facts()
    # Programs that know one head alone must not take an ensemble for one.
    version = json.loads((tmp_path / "model.json").read_text())["format_version"]
    assert version == (2 if isinstance(again.head, EnsembleHead) else 1)


def test_labels_of_rejected_images_are_unknown(tiny, pixels, training, features):
    model = make_model("one", tiny, training, "msp", features)
    outputs = model.outputs(features)
    for prediction, score, logits in zip(model.predict(pixels), outputs.scores, outputs.logits, strict=True):
        assert prediction.unknown == (score > model.rejection.threshold)
        assert prediction.nearest == NAMES[logits.argmax()]
        assert prediction.label == ("unknown" if prediction.unknown else prediction.nearest)
        assert prediction.score == pytest.approx(score, abs=1e-6)
    without = Model(model.head, NAMES, tiny).predict(pixels)
    assert [(p.label, p.unknown, p.score) for p in without] == [(p.nearest, False, None) for p in model.predict(pixels)]


def test_an_image_without_a_score_is_unknown():
    rejection = Rejection("msp", 0.0, 0.95)
    assert rejection.unknown(np.array([-1.0, 0.0, 0.1, np.nan])).tolist() == [False, False, True, True]


def test_ensembles_are_scored_by_what_tells_their_votes_apart(tiny, features, training):
    head = make_head("soft", tiny.width)
    assert [usable_score(name, head) for name in OOD_SCORES] == ["odin", "msp", "msp", "maxlogit", "msp", "msp"]
    assert np.ptp(OOD_SCORES["energy"].of_logits(head.logits(features))) < 1e-6
    shares = np.exp(head.logits(features).astype(np.float64))
    assert np.allclose(ood_scores("msp", head, features), -shares.max(axis=1), atol=1e-6)
    with pytest.raises(ConfigError, match="'energy' says nothing of an ensemble's votes; take 'msp'"):
        ood_scores("energy", head, features)


@pytest.mark.parametrize(
    "change",
    [{"score": "magic"}, {"threshold": "high"}, {"k": 0}, {"k": 1000}, {"measured": 3}, {"score": "mahalanobis"}],
)
def test_a_threshold_that_was_changed_is_refused(tmp_path, tiny, training, features, change):
    make_model("one", tiny, training, "knn", features).save(tmp_path)
    description = json.loads((tmp_path / "model.json").read_text())
    description["rejection"].update(change)
    (tmp_path / "model.json").write_text(json.dumps(description))
    with pytest.raises(StorageError, match="is damaged"):
        Model.load(tmp_path)
