"""What was found is trained by soft targets, the dense head by labels, and both are said."""

from __future__ import annotations

import json

import numpy as np
import pytest
from rich.console import Console

import evoprune as ep
from evoprune.model import Model, stored_model
from evoprune.objectives import accuracy_score
from evoprune.report import result_table, soft_remark
from evoprune.search import SearchOptions
from evoprune.training import Trainer, TrainingSet, _soft_targets, head_logits, patient_recipe, soften
from evoprune.workflow._scorer import SEEDS_A_RUN, Scorer

SMALL = SearchOptions(population=8)


def study(features, quick, **settings):
    common = {"head": ep.Head(8), "recipe": quick, "search": SMALL, "report_seeds": 2, "soft_targets": True}
    return ep.Study(features, **{**common, **settings})


def by_hand(features, whole, genome, *, soft):
    """Test accuracy and first head of a genome, trained on the report's rows by the engine itself."""
    fold = whole.partition.report[0]
    head, recipe = whole.encoding.head, whole.config.recipe
    data = TrainingSet(features.X, features.y, features.classes, (fold,))
    if soft:
        data = soften(data, head, recipe, whole.config.seed * SEEDS_A_RUN + 8_000)
        recipe = patient_recipe(recipe)
    seeds = whole.conclusion.scorer.training_seeds(whole.config.report_seeds)
    (trained,) = Trainer(data, head, recipe).train([whole.encoding.decode(genome)], seeds)
    labels = features.y[fold.evaluate]
    return np.mean([accuracy_score(logits, labels) for logits in trained.logits[0]]), trained.heads[0][0]


def test_each_figure_is_that_of_its_own_targets(features, quick):
    whole = study(features, quick)
    result = whole.run(16)
    dense, evolved = result.dense.genome, result.best.genome
    assert result.dense.scores.test_accuracy == pytest.approx(by_hand(features, whole, dense, soft=False)[0])
    assert result.dense_soft.scores.test_accuracy == pytest.approx(by_hand(features, whole, dense, soft=True)[0])
    accuracy, head = by_hand(features, whole, evolved, soft=True)
    assert result.best.scores.test_accuracy == pytest.approx(accuracy)
    assert np.array_equal(head_logits(result.best.build().head, features.X), head_logits(head, features.X))
    by_labels = by_hand(features, whole, evolved, soft=False)[0]
    assert result.overfitting.chosen == pytest.approx(result.best.scores.validation_accuracy - by_labels)


def test_they_change_nothing_of_the_search(features, quick):
    soft, hard = (study(features, quick, soft_targets=by).run(16) for by in (True, False))
    for one, other in zip(soft.history, hard.history, strict=True):
        assert np.array_equal(one.genome, other.genome)
        assert np.array_equal(one.values, other.values)
    assert hard.dense_soft is None
    assert soft.best.scores.validation == hard.best.scores.validation
    assert soft.dense.scores == hard.dense.scores


def test_the_guided_search_has_them_by_default_and_others_do_not(features, quick):
    assert ep.Study(features, recipe=quick, algorithm="guided").config.soft_targets
    assert not ep.Study(features, recipe=quick).config.soft_targets
    assert not ep.Study(features, recipe=quick, algorithm="guided", protocol="paper").config.soft_targets


def test_the_table_says_what_the_dense_head_has_by_them(features, quick):
    result = study(features, quick).run(16)
    summary = json.loads(json.dumps(result.summary()))
    console = Console(width=80, no_color=True)
    with console.capture() as caught:
        console.print(result_table(summary))
    said = " ".join(caught.get().split())
    assert f"Trained likewise the dense one has {100 * summary['dense_soft']['test_accuracy']:.2f}" in said


def test_a_finished_run_measured_the_other_way_is_measured_anew(features, quick, tmp_path):
    first = study(features, quick, output=tmp_path / "run", soft_targets=False).run(16)
    about = stored_model(tmp_path / "run" / "model").about
    assert about["targets"] == "labels"
    again = study(features, quick, output=tmp_path / "run").run(16)
    fresh = study(features, quick, output=tmp_path / "other").run(16)
    assert first.dense_soft is None
    assert again.best.scores == fresh.best.scores
    assert again.dense_soft.scores == fresh.dense_soft.scores
    assert stored_model(tmp_path / "run" / "model").about["targets"] == "soft"


@pytest.mark.parametrize("described", [True, False])
def test_a_run_whose_heads_an_earlier_version_trained_is_measured_anew(
    features, quick, tmp_path, monkeypatch, described
):
    """Longer, in groups, with outliers: what was measured otherwise is not put beside what is measured now."""
    with monkeypatch.context() as earlier:
        earlier.setattr(_soft_targets, "PATIENCE", 1)
        if not described:
            earlier.setattr(Scorer, "training", {"targets": "soft"})
        first = study(features, quick, output=tmp_path / "run").run(16)
    again = study(features, quick, output=tmp_path / "run").run(20)
    fresh = study(features, quick, output=tmp_path / "other").run(20)
    assert first.dense_soft.scores != fresh.dense_soft.scores
    assert [member.scores for member in again.front] == [member.scores for member in fresh.front]
    assert again.dense_soft.scores == fresh.dense_soft.scores
    kept = [Model.load(tmp_path / name / "model").head.logits(features.X) for name in ("run", "other")]
    assert np.array_equal(*kept)


def test_groups_are_said(features, quick):
    wide = study(features, quick, head=ep.Head(140)).run(8)
    narrow = study(features, quick).run(8)
    assert (wide.groups, narrow.groups) == (2, 1)
    assert "for longer and in 2 groups of units; the dense one" in soft_remark(wide.summary())[0]
    assert "for longer; the dense one" in soft_remark(narrow.summary())[0]


def test_how_heads_are_trained_is_told_apart(features, quick, monkeypatch):
    """Epochs, groups and outliers: where one of them is another, so is what is kept."""
    scorer = study(features, quick).conclusion.scorer
    usual = scorer.training
    assert usual == {"targets": "soft", "training": f"{2 * quick.epochs} epochs, up to 4 groups, 0 outliers"}
    monkeypatch.setattr(_soft_targets, "GROUPS", 3)
    assert study(features, quick).conclusion.scorer.training != usual
    assert study(features, quick, soft_targets=False).conclusion.scorer.training == {"targets": "labels"}


def test_a_dense_head_in_more_groups_is_said(features, quick):
    """Fewer hidden units make fewer groups, so that the dense head is not trained quite likewise."""
    result = study(features, quick, head=ep.Head(140), encoding="first").run(8)
    summary = {**result.summary(), "groups": 1, "dense_groups": 2}
    assert "Trained likewise, but in 2 groups, the dense one has" in soft_remark(summary)[0]
    assert "Trained likewise the dense one has" in soft_remark({**summary, "dense_groups": 1})[0]
