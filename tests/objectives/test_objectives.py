"""The table of objectives: values on trained heads, directions, bounds, and what they need."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, average_precision_score, balanced_accuracy_score, f1_score, roc_auc_score

from evoprune.errors import ConfigError
from evoprune.objectives import OBJECTIVES, OOD_SCORES, Evaluated, fit_detector, get_objectives
from evoprune.objectives._objectives import CORRUPTED
from evoprune.training import TrainedCandidate


def evaluated(trained, data, **settings):
    return Evaluated(np.ones(12, dtype=bool), trained, data, **settings)


def mean_over_folds(trained, data, score):
    """Mean over folds of the mean over seeds of a score of logits and labels."""
    labels = [data.y[fold.evaluate] for fold in data.folds]
    return np.mean(
        [np.mean([score(logits, y) for logits in fold]) for fold, y in zip(trained.logits, labels, strict=True)]
    )


@pytest.mark.parametrize(
    ("name", "score"),
    [
        ("accuracy", lambda logits, y: accuracy_score(y, logits.argmax(1))),
        ("balanced_accuracy", lambda logits, y: balanced_accuracy_score(y, logits.argmax(1))),
        ("f1", lambda logits, y: f1_score(y, logits.argmax(1), average="macro")),
    ],
)
def test_values_are_means_over_folds_and_seeds(trained, data, name, score):
    expected = mean_over_folds(trained, data, score)
    assert 0.5 < expected < 1
    assert OBJECTIVES[name].compute(evaluated(trained, data)) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("score", OOD_SCORES)
@pytest.mark.parametrize(("name", "metric"), [("ood", roc_auc_score), ("ood_aupr", average_precision_score)])
def test_detection_is_measured_with_the_score_asked_for(trained, data, score, name, metric):
    expected = []
    for number, fold in enumerate(data.folds):
        outside = data.extra["ood"][number]
        outlier = np.repeat([0, 1], [len(fold.evaluate), len(outside)])
        for head in trained.heads[number]:
            detector = fit_detector(score, head, data.X[fold.train], data.y[fold.train])
            scores = np.concatenate([detector.score(data.X[fold.evaluate]), detector.score(outside)])
            expected.append(metric(outlier, scores))
    # Logits of the evaluation rows went through the head in other batches: the last bits may differ.
    assert OBJECTIVES[name].compute(evaluated(trained, data, ood_score=score)) == pytest.approx(
        np.mean(expected), abs=2e-4
    )


def test_the_scores_measure_different_things(trained, data):
    values = {score: OBJECTIVES["ood"].compute(evaluated(trained, data, ood_score=score)) for score in OOD_SCORES}
    assert len(set(values.values())) == len(OOD_SCORES)


def test_corruption_is_the_mean_accuracy_over_kinds(trained, data):
    labels = [data.y[fold.evaluate] for fold in data.folds]
    by_kind = [
        np.mean([accuracy_score(labels[f], trained.extra[kind][f][s].argmax(1)) for f in (0, 1) for s in (0, 1)])
        for kind in CORRUPTED
    ]
    assert by_kind[0] > by_kind[-1]
    assert OBJECTIVES["corruption"].compute(evaluated(trained, data)) == pytest.approx(np.mean(by_kind), abs=1e-12)


@pytest.mark.parametrize("name", [name for name, o in OBJECTIVES.items() if o.task != "regression"])
def test_values_lie_within_the_bounds_and_the_names_agree(trained, data, name):
    objective = OBJECTIVES[name]
    value = objective.compute(evaluated(trained, data))
    assert isinstance(value, float)
    assert objective.lower <= value <= objective.upper
    assert objective.name == name
    assert get_objectives([name]) == (objective,)


@pytest.mark.parametrize("name", ["accuracy", "f1", "loss", "calibrated_loss", "calibration", "corruption"])
def test_weights_of_evaluation_rows_are_counted(trained, data, name):
    objective, weights = OBJECTIVES[name], np.random.default_rng(0).gamma(1.0, size=240)
    plain = objective.compute(evaluated(trained, data))
    assert objective.compute(evaluated(trained, replace(data, evaluation_weights=np.full(240, 2.0)))) == pytest.approx(
        plain, rel=1e-9
    )
    assert objective.compute(evaluated(trained, replace(data, evaluation_weights=weights))) != plain
    assert objective.compute(evaluated(trained, replace(data, weights=weights))) == plain


def worsened(trained):
    """The same candidate with logits that say the opposite."""

    def turned(folds):
        return tuple(tuple(-logits for logits in fold) for fold in folds)

    extra = {name: turned(folds) for name, folds in trained.extra.items()}
    return TrainedCandidate(trained.heads, turned(trained.logits), trained.epochs, extra)


@pytest.mark.parametrize("name", ["accuracy", "balanced_accuracy", "f1", "loss", "calibration", "corruption"])
def test_the_direction_of_an_objective_is_that_of_its_values(trained, data, name):
    objective = OBJECTIVES[name]
    good, bad = (objective.compute(evaluated(candidate, data)) for candidate in (trained, worsened(trained)))
    assert good > bad if objective.maximize else good < bad


def test_detection_that_is_perfect_has_the_best_values(trained, data):
    def scaled(folds, factor):
        return tuple(tuple(factor * logits for logits in fold) for fold in folds)

    sure = TrainedCandidate(
        trained.heads, scaled(trained.logits, 1e3), trained.epochs, {"ood": scaled(trained.extra["ood"], 0)}
    )
    candidate = evaluated(sure, data)
    assert [OBJECTIVES[name].compute(candidate) for name in ("ood", "ood_aupr", "ood_fpr95")] == [1, 1, 0]
    assert [OBJECTIVES[name].maximize for name in ("ood", "ood_aupr", "ood_fpr95")] == [True, True, False]


def test_a_training_that_diverged_has_no_values(trained, data):
    lost = np.full_like(trained.logits[0][0], np.nan)
    logits = ((lost, trained.logits[0][1]), trained.logits[1])
    candidate = evaluated(TrainedCandidate(trained.heads, logits, trained.epochs, trained.extra), data)
    for name in ("accuracy", "f1", "balanced_accuracy", "calibration", "ood", "ood_aupr", "ood_fpr95"):
        assert np.isnan(OBJECTIVES[name].compute(candidate)), name


def test_labels_are_those_of_the_evaluation_rows(trained, data):
    labels = evaluated(trained, data).labels
    assert [y.tolist() for y in labels] == [data.y[fold.evaluate].tolist() for fold in data.folds]


def test_unknown_objectives_are_refused_with_the_nearest_name_and_the_way_to_register():
    with pytest.raises(ConfigError, match=r"objective 'acuracy' is unknown; did you mean 'accuracy'\? choose among"):
        get_objectives(["acuracy"])
    with pytest.raises(ConfigError, match="or register it"):
        get_objectives(["worst_class"])
    with pytest.raises(ConfigError, match="name one twice"):
        get_objectives(["ood", "ood"])
    with pytest.raises(ConfigError, match="no objective is given"):
        get_objectives([])
