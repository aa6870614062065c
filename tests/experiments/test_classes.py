"""`classes`: what is left out is out, what is added is added, and both heads see the same."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from evoprune.errors import ConfigError
from evoprune.experiments import Settings, get_experiment
from evoprune.experiments._classes import add, leave_out
from evoprune.experiments._contest import Ground
from evoprune.experiments._convergence import converge
from evoprune.experiments._reduced import with_share_of_class, without_class
from evoprune.features import features_digest, from_arrays

from .conftest import cells, computed

EXPERIMENT = get_experiment("classes")
SETTINGS = Settings(seeds=2, evaluations=8)
FIGURES = ("fitness", "test_accuracy", "dense_test_accuracy", "active_neurons")


@pytest.fixture(scope="module")
def rows(blobs, small):
    return computed(EXPERIMENT, blobs, small, SETTINGS)


def arguments(**changes):
    return {"dataset": "blobs", "seed": 1, "evaluations": 8, **changes}


def test_a_class_left_out_is_in_no_part(blobs):
    reduced = without_class(blobs, "b")
    kept = blobs.y != 1
    assert reduced.class_names == ("a", "c")
    assert np.array_equal(reduced.X, blobs.X[kept])
    assert np.array_equal(reduced.y, np.unique(blobs.y[kept], return_inverse=True)[1])
    assert len(reduced.divisions[0].test) == (blobs.y[blobs.divisions[0].test] != 1).sum()


def test_the_class_left_out_has_no_say(blobs, small):
    other = blobs.X.copy()
    other[blobs.y == 2] *= -3
    own, changed = (leave_out(f, small, arguments(**{"class": 2})) for f in (blobs, replace(blobs, X=other)))
    assert own == changed
    assert (own[0]["class"], own[0]["kind"]) == ("c", "left out")


def test_a_class_that_is_not_there_gives_no_rows_and_two_classes_cannot_lose_one(blobs, small):
    assert leave_out(blobs, small, arguments(**{"class": 3})) == []
    with pytest.raises(ConfigError, match="2 classes, and without 'a' nothing is left to tell apart"):
        leave_out(without_class(blobs, "b"), small, arguments(**{"class": 0}))


def counts(features, part):
    return np.bincount(features.y[getattr(features.divisions[0], part)], minlength=3).tolist()


def test_a_share_takes_training_rows_of_one_class_only(blobs):
    assert counts(blobs, "train") == [70, 70, 70]
    reduced = with_share_of_class(blobs, "a", 0.2, 0)
    assert counts(reduced, "train") == [14, 70, 70]
    assert np.array_equal(reduced.divisions[0].test, blobs.divisions[0].test)
    assert reduced.digest == features_digest(reduced.X, reduced.y, reduced.divisions) != blobs.digest


def test_a_larger_share_holds_a_smaller_one_and_all_is_all(blobs):
    trains = [set(with_share_of_class(blobs, "a", share, 5).divisions[0].train) for share in (0.2, 0.6, 1.0)]
    assert trains[0] < trains[1] < trains[2] == set(blobs.divisions[0].train)
    assert trains[0] != set(with_share_of_class(blobs, "a", 0.2, 6).divisions[0].train)
    assert with_share_of_class(blobs, "a", 1.0, 5).digest == blobs.digest


def test_a_given_validation_part_is_thinned_as_well_and_enough_rows_stay_to_draw_one(small):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(90, 4)).astype(np.float32), np.tile(np.arange(3), 30)
    given = from_arrays(X[:60], y[:60], X[60:75], y[60:75], X_val=X[75:], y_val=y[75:])
    reduced = with_share_of_class(given, given.class_names[0], 0.01, 0)
    assert counts(reduced, "train") == [4, 20, 20]
    assert counts(reduced, "validation") == [4, 5, 5]
    drawn = with_share_of_class(from_arrays(X[:60], y[:60], X[60:], y[60:]), "0", 0.01, 0)
    fold = Ground.of(drawn, small, 0).parts.search[0]
    assert (np.bincount(drawn.y[fold.train])[0], np.bincount(drawn.y[fold.evaluate])[0]) == (3, 1)


def test_with_all_its_images_a_class_is_there_as_in_any_search(blobs, small):
    (row,) = add(blobs, small, arguments(share=1.0))
    last = converge(blobs, small, {**arguments(), "method": "genetic"})[-1]
    assert {name: row[name] for name in FIGURES} == {name: last[name] for name in FIGURES}


def test_there_is_a_row_for_each_class_share_and_seed(rows):
    found = [(row["kind"], row["case"], row["seed"]) for row in rows]
    cases = [("left out", name) for name in "abc"] + [("added", f"{share} %") for share in (20, 40, 60, 80, 100)]
    assert sorted(found) == sorted((*case, seed) for case in cases for seed in (0, 1))


def test_fewer_classes_can_be_asked_for(small):
    names = {task.id.split("/")[1] for task in EXPERIMENT.tasks({"blobs": small}, replace(SETTINGS, classes=2))}
    assert {name for name in names if name.startswith("without")} == {"without-0", "without-1"}


def test_the_report_has_evolved_beside_not_pruned_and_the_published_figures(rows, tmp_path):
    report = EXPERIMENT.write(rows, {}, SETTINGS, tmp_path)
    ours, published = report.split("## Published")
    own = [row for row in rows if row["case"] == "b"]
    evolved, dense = (100 * np.array([row[name] for row in own]) for name in ("test_accuracy", "dense_test_accuracy"))
    shown = cells(ours, "b")
    for cell, values in zip(shown, (evolved, dense, evolved - dense), strict=False):
        assert cell == f"{values.mean():.1f} ± {values.std(ddof=1):.1f}"
    assert "one class that is used: a." in ours
    # All pairs: three classes and five shares, with two seeds each.
    wins, ties, losses = map(int, cells(ours, "not pruned")[1].split("/"))
    assert wins + ties + losses == 16
    assert "protocol paper" in published
    assert cells(published, "sculpture") == ["94.2", "93.2", "94.7", "85.7"]
    assert (tmp_path / "classes.png").is_file()


def test_a_case_that_failed_is_shown(rows, tmp_path):
    kept = [row for row in rows if (row["case"], row["seed"]) != ("b", 0)]
    shown = cells(EXPERIMENT.write(kept, {}, SETTINGS, tmp_path), "b")
    assert all(cell.endswith("(1 missing)") for cell in shown)
