"""How far the search has fitted its own rows is said, beside random masks of the same size."""

from __future__ import annotations

import json

import numpy as np
import pytest
from rich.console import Console

import evoprune as ep
from evoprune.report import result_table
from evoprune.search import SearchOptions
from evoprune.training import TrainingSet, train_population
from evoprune.workflow._conclusion import RANDOM_MASKS
from evoprune.workflow._scorer import Scorer

from .conftest import make_features

SMALL = SearchOptions(population=8)


def study(features, quick, **settings):
    return ep.Study(features, head=ep.Head(8), recipe=quick, search=SMALL, report_seeds=2, **settings)


def test_the_chosen_head_s_gap_is_its_validation_minus_its_test_accuracy(features, quick):
    result = study(features, quick).run(16)
    scores = result.best.scores
    assert result.overfitting.chosen == scores.validation_accuracy - scores.test_accuracy
    assert len(result.overfitting.random) == RANDOM_MASKS
    summary = json.loads(json.dumps(result.summary()))["overfitting"]
    assert summary["random"] == pytest.approx(np.mean(result.overfitting.random))
    assert summary["random_std"] == pytest.approx(np.std(result.overfitting.random, ddof=1))


def test_random_masks_have_the_chosen_head_s_size_and_are_read_on_both_parts(features, quick, monkeypatch):
    asked, gaps = [], Scorer.gaps

    def recorded(self, genomes):
        asked.append(genomes.copy())
        return gaps(self, genomes)

    monkeypatch.setattr(Scorer, "gaps", recorded)
    whole = study(features, quick)
    result = whole.run(16)
    (masks,) = asked
    assert (masks.sum(axis=1) == result.best.active_neurons).all()
    assert len(np.unique(masks, axis=0)) > 1
    # An own count, from heads trained by the problem and the rows of the two parts.
    seed = whole.conclusion.scorer.training_seeds(1)[0]
    for mask, gap in zip(masks, result.overfitting.random, strict=True):
        accuracies = []
        for part in (whole.partition.search, whole.partition.report):
            (trained,) = train_population(
                TrainingSet(features.X, features.y, features.classes, part),
                [whole.encoding.decode(mask)],
                head=whole.encoding.head,
                recipe=whole.config.recipe,
                seeds=[seed],
            )
            hits = [trained.logits[0][0].argmax(axis=1) == features.y[part[0].evaluate]]
            accuracies.append(np.mean(hits))
        assert gap == pytest.approx(accuracies[0] - accuracies[1])


def test_where_test_labels_are_noise_the_gaps_of_all_masks_say_so(quick):
    honest, poisoned = (study(make_features(test_labels_shuffled=p), quick).run(16).overfitting for p in (False, True))
    assert np.mean(poisoned.random) > np.mean(honest.random) + 0.2
    assert poisoned.chosen > honest.chosen + 0.2


def test_they_are_trained_once(features, quick, tmp_path, monkeypatch):
    first = study(features, quick, output=tmp_path / "run").run(16)

    def refuse(*arguments):
        raise AssertionError("trained again")

    monkeypatch.setattr("evoprune.workflow._scorer.Scorer.gaps", refuse)
    again = study(features, quick, output=tmp_path / "run").run(16)
    assert again.overfitting == first.overfitting


def test_there_is_none_where_validation_is_the_test_part(features, quick):
    result = study(features, quick, protocol="paper").run(16)
    assert result.overfitting is None
    assert result.summary()["overfitting"] is None


def test_the_table_says_it_in_points(features, quick):
    summary = study(features, quick).run(16).summary()
    summary["overfitting"] = {"chosen": 0.0123, "random": -0.004, "random_std": 0.0061, "random_masks": 5}
    console = Console(width=200, record=True)
    console.print(result_table(summary))
    sentence = "Validation minus test accuracy: +1.2 points; of 5 random masks of this size -0.4 ± 0.6."
    assert sentence in console.export_text()
