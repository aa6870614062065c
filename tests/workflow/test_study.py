"""A whole study: same seed same result, honest by default, resumable, readable."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from PIL import Image

import evoprune as ep
from evoprune.errors import ConfigError, StorageError
from evoprune.search import SearchOptions
from evoprune.workflow import RunFolder, read_status

from .conftest import make_features

SMALL = SearchOptions(population=8)


def study(features, quick, **settings):
    return ep.Study(features, head=ep.Head(8), recipe=quick, search=SMALL, report_seeds=2, **settings)


def table(result):
    return [(e.id, e.genome.tobytes(), e.values.tobytes(), e.state) for e in result.history]


def without_times(summary):
    return {k: v for k, v in summary.items() if k not in ("seconds", "run")}


def test_same_seed_same_result(features, quick):
    a, b, other = (study(features, quick, seed=s).run(20) for s in (3, 3, 4))
    assert table(a) == table(b) != table(other)
    assert without_times(a.summary()) == without_times(b.summary())


@pytest.mark.parametrize("batch", [1, 2, 30])
def test_the_batch_changes_nothing(features, quick, batch):
    assert table(study(features, quick, batch=batch).run(16)) == table(study(features, quick).run(16))


def test_the_test_part_has_no_influence_on_the_search(quick):
    honest, poisoned = (study(make_features(test_labels_shuffled=p), quick).run(16) for p in (False, True))
    assert table(honest) == table(poisoned)
    assert honest.best.scores.validation_accuracy == poisoned.best.scores.validation_accuracy
    assert honest.best.scores.test_accuracy > poisoned.best.scores.test_accuracy + 0.2


def test_paper_protocol_measures_fitness_on_the_test_part_and_says_so(quick):
    honest, poisoned = (
        study(make_features(test_labels_shuffled=p), quick, protocol="paper").run(16) for p in (False, True)
    )
    assert table(honest) != table(poisoned)
    assert honest.summary()["protocol"] == "paper"
    assert honest.best.scores.test_accuracy == honest.best.scores.validation_accuracy


def test_the_best_has_the_highest_fitness_and_then_the_fewest_active(features, quick):
    result = study(features, quick).run(24)
    fitness = np.array([e.values[0] for e in result.history])
    tied = [int(e.genome.sum()) for e in result.history if e.values[0] == fitness.max()]
    assert result.best.values["accuracy"] == fitness.max()
    assert result.best.active_neurons == min(tied)


def test_two_objectives_give_a_front(features, quick):
    result = study(features, quick, objectives=["accuracy", "active"]).run(24)
    assert len(result.front) > 1
    for a in result.front:
        assert not any(
            b.values["accuracy"] >= a.values["accuracy"] and b.values["active"] < a.values["active"]
            for b in result.front
        )
    assert result.best.values["accuracy"] == max(s.values["accuracy"] for s in result.front)


def test_scores_are_what_an_own_count_of_the_built_model_says(features, quick):
    result = ep.Study(features, head=ep.Head(8), recipe=quick, search=SMALL, report_seeds=1).run(12)
    model = result.best.build()
    rows = features.divisions[0].test
    accuracy = (model.predict_features(features.X[rows]) == features.y[rows]).mean()
    assert accuracy == pytest.approx(result.best.scores.test_accuracy)
    assert model.head.parameters == result.best.scores.parameters
    assert model.head.inputs.size == result.best.active_neurons


def test_a_run_folder_holds_what_it_should(features, quick, tmp_path):
    result = study(features, quick, output=tmp_path / "run").run(16)
    names = {p.name for p in (tmp_path / "run").iterdir()}
    assert {"config.toml", "study.sqlite", "model", "history.csv", "convergence.png", "log.txt"} <= names
    rows = list(csv.DictReader((tmp_path / "run" / "history.csv").read_text().splitlines()))
    assert [float(r["accuracy"]) for r in rows] == pytest.approx([e.values[0] for e in result.history])
    assert [float(r["best_accuracy"]) for r in rows] == pytest.approx(
        np.maximum.accumulate([e.values[0] for e in result.history])
    )
    with Image.open(tmp_path / "run" / "convergence.png") as figure:
        assert figure.size[0] > 600
    assert read_status(RunFolder(tmp_path / "run")).summary == json.loads(json.dumps(result.summary()))
    loaded = ep.Model.load(tmp_path / "run" / "model")
    X = features.X[features.divisions[0].test]
    assert np.array_equal(loaded.predict_features(X), result.best.build().predict_features(X))


def test_a_larger_total_extends_a_finished_run(features, quick, tmp_path):
    straight = study(features, quick).run(31)
    study(features, quick, output=tmp_path / "run").run(13)
    extended = study(features, quick, output=tmp_path / "run").run(31)
    assert table(extended) == table(straight)
    assert without_times(extended.summary()) == without_times(straight.summary())


def test_a_finished_run_is_not_trained_again(features, quick, tmp_path, monkeypatch):
    first = study(features, quick, output=tmp_path / "run").run(12)
    monkeypatch.setattr("evoprune.training.Trainer.train", lambda *a, **k: pytest.fail("trained again"))
    again = study(features, quick, output=tmp_path / "run").run(12)
    assert again.summary() == first.summary()


def test_other_settings_are_refused_with_the_differences(features, quick, tmp_path):
    study(features, quick, output=tmp_path / "run").run(8)
    with pytest.raises(ConfigError, match=r"other settings \(encoding: 'features' -> 'first'; seed: 0 -> 5\)"):
        study(features, quick, output=tmp_path / "run", encoding="first", seed=5).run(8)


def test_other_features_are_refused(features, quick, tmp_path):
    study(features, quick, output=tmp_path / "run").run(8)
    with pytest.raises(StorageError, match="was made from other features or settings"):
        study(make_features(seed=9), quick, output=tmp_path / "run").run(8)


def test_a_second_process_is_refused_and_the_first_is_named(features, quick, tmp_path):
    folder = RunFolder(tmp_path / "run")
    with folder.locked(), pytest.raises(StorageError, match=r"is in use by process \d+ on .*, since"):
        study(features, quick, output=tmp_path / "run").run(8)
    study(features, quick, output=tmp_path / "run").run(8)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"encoding": "both", "head": ep.Head(8)}, "needs two hidden layers"),
        ({"objectives": ["acuracy"]}, "did you mean 'accuracy'"),
        ({"objectives": []}, "no objective is given"),
        ({"objectives": ["active", "active"]}, "name one twice"),
        ({"algorithm": "nsga2"}, "objective"),
        ({"objectives": ["accuracy", "active"], "algorithm": "genetic"}, "objective"),
        ({"recipe": "fats"}, "did you mean 'fast'"),
        ({"protocol": "peper"}, "protocol = 'peper'"),
        ({"folds": 0}, "folds = 0"),
        ({"folds": 500}, "too few for 500 inner folds"),
        ({"protocol": "paper", "folds": 3}, "does not go with protocol 'paper'"),
        ({"held_out": 2}, "held_out=2 is out of range"),
        ({"report_seeds": 0}, "report_seeds = 0"),
    ],
)
def test_settings_that_do_not_fit_are_refused_before_anything_is_computed(features, settings, sentence):
    with pytest.raises(ConfigError if "too few" not in sentence else ep.DataError, match=sentence):
        ep.Study(features, **settings)


def test_inner_folds_average_over_folds(features, quick):
    result = study(features, quick, folds=3).run(8)
    assert len(result.history) == 8
    counts = np.array([e.values[0] for e in result.history]) * 3 * 70
    assert np.allclose(counts, counts.round(), atol=1e-6)


def test_more_report_seeds_measure_again_without_searching_again(features, quick, tmp_path, monkeypatch):
    first = ep.Study(features, head=ep.Head(8), recipe=quick, search=SMALL, report_seeds=2, output=tmp_path / "run")
    first = first.run(10)
    monkeypatch.setattr("evoprune.study._store.Store.start", lambda *a: pytest.fail("searched again"))
    again = ep.Study(features, head=ep.Head(8), recipe=quick, search=SMALL, report_seeds=4, output=tmp_path / "run")
    again = again.run(10)
    assert (first.best.scores.seeds, again.best.scores.seeds) == (2, 4)
    assert table(first) == table(again)
