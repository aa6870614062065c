"""Heads of a guided search's front are made unsure of the search's out-of-distribution images, none of the report's."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import evoprune as ep
from evoprune.objectives import auroc, odin
from evoprune.report import soft_remark
from evoprune.workflow import exposed_rows

from .conftest import make_features


@pytest.fixture(scope="module")
def with_outliers():
    """The blobs, and rows of two sets that heads take for one of the classes: far out in the direction of its mean."""
    blobs = make_features()
    rng = np.random.default_rng(5)
    parts = [blobs.divisions[0].train, blobs.divisions[0].test]
    means = [blobs.X[parts[0]][blobs.y[parts[0]] == label].mean(axis=0) for label in (0, 1)]
    sets = [
        (4 * mean + rng.normal(size=(count, 16))).astype(np.float32)
        for mean, count in zip(means, (120, 90), strict=True)
    ]
    rows = [(blobs.X[part], blobs.y[part]) for part in parts]
    return ep.from_arrays(*rows[0], *rows[1], class_names=["a", "b", "c"], ood=sets)


def study(features, quick, **settings):
    common = {"head": ep.Head(16), "recipe": quick, "objectives": ("calibrated_loss", "active"), "report_seeds": 2}
    return ep.Study(features, **{**common, "algorithm": "guided", "folds": 2, **settings})


@pytest.fixture(autouse=True)
def short_gates(monkeypatch):
    monkeypatch.setattr("evoprune.guidance._gates.FEWEST_STEPS", 6)
    monkeypatch.setattr("evoprune.guidance._gates.EPOCHS", 1)


def test_it_is_drawn_from_the_searchs_images_alone_and_evenly(with_outliers):
    fold = study_fold(with_outliers)
    rows = exposed_rows(with_outliers, fold, ood_score="odin", seed=3)
    known = {row.tobytes() for row in rows}
    of_each = [{row.tobytes() for row in ood.X[ood.search]} for ood in with_outliers.ood]
    kept = {row.tobytes() for ood in with_outliers.ood for row in ood.X[ood.report]}
    assert not known & kept
    assert len(rows) == min(len(fold.train), sum(map(len, of_each)))
    small = replace(fold, train=fold.train[:20])
    few = exposed_rows(with_outliers, small, ood_score="odin", seed=3)
    assert [len({row.tobytes() for row in few} & own) for own in of_each] == [10, 10]
    again, other = (exposed_rows(with_outliers, small, ood_score="odin", seed=s) for s in (3, 4))
    assert np.array_equal(few, again)
    assert not np.array_equal(few, other)


def study_fold(features):
    return ep.Study(features, recipe="fast").partition.report[0]


@pytest.mark.parametrize("score", ["mahalanobis", "knn"])
def test_scores_of_features_and_runs_without_such_images_have_none(with_outliers, score):
    fold = study_fold(with_outliers)
    assert exposed_rows(with_outliers, fold, ood_score=score, seed=0) is None
    assert exposed_rows(replace(with_outliers, ood=()), fold, ood_score="odin", seed=0) is None


def test_the_model_tells_foreign_images_that_a_head_by_labels_takes_for_its_own(with_outliers, quick):
    found = {soft: study(with_outliers, quick, soft_targets=soft).run(16) for soft in (True, False)}
    fold = study_fold(with_outliers)
    inside = with_outliers.X[fold.evaluate]
    outside = np.concatenate([ood.X[ood.report] for ood in with_outliers.ood])
    measured = {}
    for soft, result in found.items():
        logits = result.best.build().head.logits
        scores = (odin(logits(rows).astype(np.float64)) for rows in (inside, outside))
        measured[soft] = float(auroc(*(s[None] for s in scores))[0])
        assert result.dense.scores.test["ood"] < 0.7
    assert measured[False] < 0.7
    assert measured[True] > 0.8
    assert found[True].best.scores.test["ood"] > 0.8
    assert found[True].dense_soft.scores.test["ood"] > 0.8
    count = len(exposed_rows(with_outliers, fold, ood_score="odin", seed=0))
    assert (found[True].exposed, found[False].exposed) == (count, 0)
    (said,) = soft_remark(found[True].summary())
    assert f"to be unsure of {count:,} out-of-distribution images" in said
    assert said.endswith(f"and an OOD AUROC of {found[True].dense_soft.scores.test['ood']:.4f}.")
    # The search itself knows nothing of it.
    for one, other in zip(found[True].history, found[False].history, strict=True):
        assert np.array_equal(one.values, other.values)
