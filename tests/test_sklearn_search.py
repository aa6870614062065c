"""What the estimators search for, what they choose, and what they tell of it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.feature_selection import f_classif

from evoprune.errors import ConfigError, DataError
from evoprune.guidance import _gates
from evoprune.problem import Problem
from evoprune.sklearn import EvoPruneClassifier, EvoPruneSelector
from evoprune.training import FAST

RECIPE = FAST.model_copy(
    update={"epochs": 6, "batch_size": 32, "learning_rate": 1e-2, "input_dropout": 0.0, "hidden_dropout": 0.0}
)
PUBLISHED = {"algorithm": "genetic", "hidden": (16,), "evaluations": 32, "recipe": RECIPE, "random_state": 0}
GUIDED = {**PUBLISHED, "algorithm": "guided"}


@pytest.fixture(scope="module")
def rows():
    """Three classes told apart by features 0..3; features 4..11 are noise."""
    rng = np.random.default_rng(0)
    y = np.array(["ash", "elm", "oak"])[np.arange(180) % 3]
    X = rng.normal(size=(180, 12))
    X[:, :4] += 4.0 * np.array([[1, 0, 0, 1], [0, 1, 0, -1], [0, 0, 1, 0]])[np.arange(180) % 3]
    return X, y


@pytest.fixture
def quick_gates(monkeypatch):
    """Gates that are trained for two steps: for what does not depend on how well they rank."""
    monkeypatch.setattr(_gates, "FEWEST_STEPS", 2)
    monkeypatch.setattr(_gates, "EPOCHS", 1)


@pytest.fixture(scope="module")
def guided(rows):
    """A guided search of all sizes, with exactly four features wanted."""
    return EvoPruneSelector(**{**GUIDED, "evaluations": 40}, n_features_to_select=4).fit(*rows)


def test_the_guided_selector_finds_the_features_that_tell(rows, guided):
    assert list(np.flatnonzero(guided.get_support())) == [0, 1, 2, 3]
    assert set(np.argsort(-f_classif(*rows)[0])[:4]) == {0, 1, 2, 3}


def test_the_history_has_every_evaluation_in_both_objectives(guided):
    history = guided.history_
    assert set(history) == {"genome", "active", "calibrated_loss"}
    evaluations = len(history["genome"])
    assert 40 <= evaluations <= 49
    assert len({genome.tobytes() for genome in history["genome"]}) == evaluations
    np.testing.assert_allclose(history["active"], history["genome"].sum(axis=1) / 12)
    assert ((history["calibrated_loss"] >= 0) & np.isfinite(history["calibrated_loss"])).all()


def test_the_front_is_what_nothing_beats(guided):
    points = np.column_stack([guided.history_["calibrated_loss"], guided.history_["active"]])
    beaten = [any((q <= p).all() and (q < p).any() for q in points) for p in points]
    expected = {tuple(p) for p, lost in zip(points, beaten, strict=True) if not lost}
    found = list(zip(guided.front_["calibrated_loss"], guided.front_["active"], strict=True))
    assert set(found) == expected
    assert list(guided.front_["active"]) == sorted(guided.front_["active"])


@pytest.mark.parametrize(("wanted", "count"), [(1, 1), (5, 5), (12, 12), (0.5, 6), (1.0, 12)])
def test_exactly_so_many_features_are_kept(rows, quick_gates, wanted, count):
    selector = EvoPruneSelector(**GUIDED, n_features_to_select=wanted).fit(*rows)
    assert selector.get_support().sum() == count == selector.transform(rows[0]).shape[1]
    genomes, loss = selector.history_["genome"], selector.history_["calibrated_loss"]
    assert loss[(genomes == selector.support_).all(axis=1)].item() == loss[genomes.sum(axis=1) == count].min()


@pytest.mark.parametrize("algorithm", ["genetic", "nsga2", "random"])
def test_every_search_keeps_the_number_of_features(rows, algorithm):
    selector = EvoPruneSelector(**{**PUBLISHED, "algorithm": algorithm}, n_features_to_select=7).fit(*rows)
    assert selector.get_support().sum() == 7


@pytest.mark.parametrize("algorithm", ["genetic", "nsga2"])
def test_the_best_within_the_largest_share_is_chosen(rows, algorithm):
    classifier = EvoPruneClassifier(**{**PUBLISHED, "algorithm": algorithm}, max_share=0.3).fit(*rows)
    sizes, accuracy = classifier.history_["genome"].sum(axis=1), classifier.history_["accuracy"]
    within = (sizes >= 1) & (sizes <= 3)
    assert classifier.support_.sum() <= 3
    chosen = (classifier.history_["genome"] == classifier.genome_).all(axis=1)
    assert accuracy[chosen].item() == accuracy[within].max()
    assert sizes[chosen].item() == sizes[within & (accuracy == accuracy[within].max())].min()


def test_a_loss_is_minimised(rows):
    classifier = EvoPruneClassifier(**PUBLISHED, objectives="loss").fit(*rows)
    chosen = (classifier.history_["genome"] == classifier.genome_).all(axis=1)
    assert classifier.history_["loss"][chosen].item() == classifier.history_["loss"].min()


def test_the_same_seed_gives_the_same_result_on_any_number_of_threads(rows):
    one = EvoPruneClassifier(**PUBLISHED, n_jobs=1).fit(*rows)
    before = torch.get_num_threads()
    two = EvoPruneClassifier(**PUBLISHED, n_jobs=2).fit(*rows)
    assert torch.get_num_threads() == before
    np.testing.assert_array_equal(one.history_["accuracy"], two.history_["accuracy"])
    np.testing.assert_array_equal(one.predict_proba(rows[0]), two.predict_proba(rows[0]))
    other = EvoPruneClassifier(**{**PUBLISHED, "random_state": 1}).fit(*rows)
    assert not np.array_equal(one.history_["genome"], other.history_["genome"])


def test_generators_are_sources_of_seeds(rows):
    seeds = {
        EvoPruneClassifier(**{**PUBLISHED, "evaluations": 2, "random_state": source}).fit(*rows).seed_
        for source in (np.random.RandomState(3), np.random.RandomState(3), np.random.default_rng(3), None)
    }
    assert len(seeds) == 3


@pytest.mark.parametrize("settings", [PUBLISHED, GUIDED], ids=["genetic", "guided"])
def test_a_warm_start_ends_where_one_longer_search_ends(rows, quick_gates, settings):
    warm = EvoPruneClassifier(**{**settings, "evaluations": 12}, warm_start=True).fit(*rows)
    assert len(warm.history_["active"]) == 12
    warm.set_params(evaluations=36).fit(*rows)
    whole = EvoPruneClassifier(**{**settings, "evaluations": 36}).fit(*rows)
    for name, column in whole.history_.items():
        np.testing.assert_array_equal(warm.history_[name], column)
    np.testing.assert_array_equal(warm.predict_proba(rows[0]), whole.predict_proba(rows[0]))


def test_another_largest_share_of_a_guided_search_costs_no_evaluations(rows, quick_gates, monkeypatch):
    warm = EvoPruneClassifier(**GUIDED, warm_start=True).fit(*rows)
    before = warm.history_
    monkeypatch.setattr(Problem, "evaluate", None)
    warm.set_params(max_share=0.1).fit(*rows)
    assert warm.support_.sum() == 1
    for name, column in before.items():
        np.testing.assert_array_equal(warm.history_[name], column)


def test_a_warm_start_on_other_rows_starts_anew_and_says_so(rows):
    X, y = rows
    warm = EvoPruneClassifier(**PUBLISHED, warm_start=True).fit(X, y)
    with pytest.warns(UserWarning, match="starts anew"):
        warm.fit(X[:120], y[:120])
    cold = EvoPruneClassifier(**PUBLISHED).fit(X[:120], y[:120])
    np.testing.assert_array_equal(warm.history_["accuracy"], cold.history_["accuracy"])
    with pytest.raises(ConfigError, match="evaluations=5 is fewer than the 32"):
        warm.set_params(evaluations=5).fit(X[:120], y[:120])


def test_a_verbose_fit_prints_how_far_it_is(rows, capsys):
    fitted = EvoPruneClassifier(**PUBLISHED, verbose=1).fit(*rows)
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1].startswith(
        f"[EvoPruneClassifier] 32 of 32 evaluations, best accuracy {fitted.history_['accuracy'].max():.4g}"
    )
    EvoPruneClassifier(**PUBLISHED).fit(*rows)
    assert capsys.readouterr().out == ""


def test_a_guided_search_of_a_rare_class_takes_fewer_folds(rows, quick_gates):
    X, y = rows
    few = np.concatenate([np.flatnonzero(y != "oak"), np.flatnonzero(y == "oak")[:2]])
    small = {**GUIDED, "evaluations": 4}
    assert EvoPruneClassifier(**small).fit(X[few], y[few]).predict(X[few]).shape == (122,)
    with pytest.raises(DataError, match=r"class 'oak' has 2 row\(s\), too few for 3 inner folds"):
        EvoPruneClassifier(**small, folds=3).fit(X[few], y[few])
    with pytest.raises(DataError, match=r"class 'oak' has 1 row\(s\), too few for a validation part"):
        EvoPruneClassifier(**small).fit(X[few[:-1]], y[few[:-1]])


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"recipe": "fats"}, "did you mean 'fast'"),
        ({"encoding": "second"}, "needs two hidden layers"),
        ({"objectives": "acuracy"}, "did you mean 'accuracy'"),
        ({"objectives": ("accuracy", "ood")}, "needs out-of-distribution"),
        ({"objectives": ("accuracy", "active")}, "objective"),
        ({"algorithm": "gided"}, "did you mean 'guided'"),
        ({"hidden": (0,)}, "head .* is not possible"),
        ({"evaluations": 0}, "evaluations=0 is not possible"),
        ({"evaluations": 2.5}, "evaluations=2.5 is not possible"),
        ({"folds": 0}, "folds=0 is not possible"),
        ({"max_share": 0}, "max_share=0 is out of range"),
        ({"max_share": "half"}, "max_share='half' is out of range"),
        ({"n_jobs": 0}, "n_jobs=0 is not possible"),
    ],
)
def test_parameters_that_do_not_fit_are_refused(rows, change, sentence):
    with pytest.raises(ConfigError, match=sentence):
        EvoPruneClassifier(**{**PUBLISHED, **change}).fit(*rows)


@pytest.mark.parametrize("wanted", [0, 13, 1.5, 0.0, True, "all"])
def test_numbers_of_features_that_do_not_fit_are_refused(rows, wanted):
    with pytest.raises(ConfigError, match="does not fit 12 features"):
        EvoPruneSelector(**PUBLISHED, n_features_to_select=wanted).fit(*rows)
