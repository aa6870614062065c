"""The threshold comes from validation images and heads that were not trained on them, and from no test image."""

from __future__ import annotations

import numpy as np
import pytest

import evoprune as ep
from evoprune.heads import EnsembleHead, Head
from evoprune.model import Model, stored_model
from evoprune.objectives import auroc, fit_detector
from evoprune.training import FAST, TrainingSet, train_population
from evoprune.workflow._rejection import calibrate

RECIPE = FAST.model_copy(update={"epochs": 3})


def blobs(seed=0):
    rng = np.random.default_rng(seed)
    y = np.arange(240) % 3
    centres = 2 * rng.normal(size=(3, 12))
    X = (centres[y] + rng.normal(size=(240, 12))).astype(np.float32)
    return X, y


def study_of(X, y, *, ood=None, **settings) -> ep.Study:
    outside = {} if ood is None else {"ood": [ood]}
    features = ep.from_arrays(X[:180], y[:180], X[180:], y[180:], **outside)
    return ep.Study(features, head=Head(8), recipe=RECIPE, report_seeds=1, **settings)


def calibrated(study, genome=None, score=None, tpr=0.9):
    genome = study.encoding.dense_genome() if genome is None else genome
    return calibrate(study.conclusion.scorer, study.build(genome), [(genome, 1)], tpr, score).rejection


@pytest.mark.parametrize("settings", [{}, {"folds": 3}, {"protocol": "paper"}], ids=str)
def test_no_test_image_moves_the_threshold(settings):
    X, y = blobs()
    before = calibrated(study_of(X, y, **settings))
    other = X.copy()
    other[180:] += 5
    after = calibrated(study_of(other, y, **settings))
    assert after.threshold == before.threshold
    assert after.measured["test_tpr"] < before.measured["test_tpr"]


@pytest.mark.parametrize("score", ["msp", "mahalanobis"])
@pytest.mark.parametrize("folds", [1, 3])
def test_the_threshold_accepts_the_share_of_validation_images_it_was_set_for(score, folds):
    X, y = blobs()
    study = study_of(X, y, folds=folds)
    genome = study.encoding.dense_genome()
    rejection = calibrated(study, genome, score)
    rows = study.partition.search
    data = TrainingSet(study.features.X, study.features.y, 3, rows)
    (trained,) = train_population(data, [study.encoding.decode(genome)], head=Head(8), recipe=RECIPE, seeds=[9_000])
    scores = np.concatenate(
        [
            fit_detector(score, trained.heads[number][0], X[fold.train], y[fold.train]).score(X[fold.evaluate])
            for number, fold in enumerate(rows)
        ]
    )
    assert sum(len(fold.evaluate) for fold in rows) == len(scores)
    assert not set(np.concatenate([fold.evaluate for fold in rows])) & set(range(180, 240))
    assert (scores <= rejection.threshold + 1e-4).mean() >= 0.9 > (scores < rejection.threshold - 1e-4).mean()


def test_figures_on_foreign_images_are_those_of_the_kept_model():
    X, y = blobs()
    foreign = np.random.default_rng(3).normal(size=(60, 12)).astype(np.float32) * 4
    study = study_of(X, y, ood=foreign, objectives=["accuracy", "ood"], ood_score="knn")
    genome = study.encoding.dense_genome()
    model = calibrate(study.conclusion.scorer, study.build(genome), [(genome, 1)], 0.9)
    assert model.rejection.score == "knn"
    outside = study.features.ood[0]
    inside = model.outputs(X[180:])
    beyond = model.outputs(outside.X[outside.report])
    measured = model.rejection.measured
    assert measured["ood_images"] == len(outside.report) == 30
    assert measured["ood_auroc"] == pytest.approx(float(auroc(inside.scores, beyond.scores)), abs=1e-9)
    assert measured["ood_accepted"] == pytest.approx(1 - beyond.unknown.mean())
    assert measured["test_tpr"] == pytest.approx(1 - inside.unknown.mean())


def test_a_run_without_foreign_images_takes_the_score_that_needs_none():
    assert calibrated(study_of(*blobs())).score == "mahalanobis"


def test_an_ensemble_is_calibrated_with_all_its_members():
    study = study_of(*blobs())
    rng = np.random.default_rng(1)
    genomes = [study.encoding.dense_genome(), rng.random(12) < 0.5]
    heads = [study.build(genome).head for genome in genomes]
    for vote in ("soft", "majority"):
        model = Model(EnsembleHead((heads[0], heads[1], heads[1]), vote), study.features.class_names)
        found = calibrate(study.conclusion.scorer, model, [(genomes[0], 1), (genomes[1], 2)], 0.9).rejection
        assert found.score == "msp"
        assert -1 <= found.threshold < -1 / 3
        alone = calibrate(study.conclusion.scorer, model, [(genomes[0], 3)], 0.9).rejection
        assert found.threshold != alone.threshold


def same_rejection(one, other):
    return one.facts() == other.facts() and all(
        np.array_equal(one.arrays()[name], other.arrays()[name]) for name in {*one.arrays(), *other.arrays()}
    )


def test_a_run_keeps_its_model_with_a_threshold(tmp_path):
    X, y = blobs()
    study = study_of(X, y, output=tmp_path / "run")
    result = study.run(6)
    kept = Model.load(tmp_path / "run" / "model")
    expected = calibrated(study, result.best.genome, tpr=0.95)
    assert same_rejection(kept.rejection, expected)
    assert same_rejection(result.best.build().rejection, expected)
    far = np.full((1, 12), 1e3, np.float32)
    assert kept.outputs(far).unknown.all()
    assert not kept.outputs(X[180:]).unknown.all()


def test_a_model_that_was_kept_without_a_threshold_is_given_one(tmp_path):
    X, y = blobs()
    study_of(X, y, output=tmp_path / "run").run(6)
    folder = tmp_path / "run" / "model"
    whole = (folder / "model.json").read_bytes(), (folder / "head.safetensors").read_bytes()
    # As versions kept it that knew no threshold.
    kept = Model.load(folder)
    Model(kept.head, kept.class_names, kept.backbone, kept.about).save(folder)
    old = Model.load(folder)
    assert old.rejection is None
    assert not old.outputs(np.full((1, 12), 1e3, np.float32)).unknown.any()
    study_of(X, y, output=tmp_path / "run").run(6)
    assert ((folder / "model.json").read_bytes(), (folder / "head.safetensors").read_bytes()) == whole


def test_a_run_without_images_to_set_a_threshold_on_ends_and_says_so(tmp_path):
    X, y = blobs()
    rows = np.flatnonzero((y[:180] != 2) | (np.arange(180) == 2))
    # One image to train on: as published it is trained on, but a validation part cannot have it.
    features = ep.from_arrays(X[rows], y[rows], X[180:], y[180:])
    study = ep.Study(features, head=Head(8), recipe=RECIPE, report_seeds=1, protocol="paper", output=tmp_path / "run")
    result = study.run(6)
    stored = stored_model(tmp_path / "run" / "model")
    assert stored is not None
    assert stored.rejection is None
    assert np.isfinite(result.best.scores.test_accuracy)
    assert "gives every image a class, because there is no threshold for it" in (tmp_path / "run/log.txt").read_text()
    with pytest.raises(ep.DataError, match="too few for a validation part"):
        calibrated(study, result.best.genome)
