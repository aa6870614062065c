"""From genomes to values: by seed, in their means, and never without the rows that an objective needs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from evoprune.errors import ConfigError, DataError
from evoprune.heads import parse_encoding
from evoprune.objectives import OBJECTIVES, Objective, get_objectives, odin
from evoprune.problem import Problem
from evoprune.training import Recipe
from tests.objectives.conftest import HEAD, RECIPE, make_data

DATA = make_data()
GENOMES = np.random.default_rng(0).random((4, 12)) < np.array([[0.2], [0.5], [0.8], [1.0]])


def make_problem(names=("accuracy", "active", "ood"), data=DATA, seeds=1, **settings):
    plan = parse_encoding("features", HEAD, width=12, classes=3)
    recipe = RECIPE.model_copy(update={"seeds": seeds})
    objectives = [OBJECTIVES[name] if isinstance(name, str) else name for name in names]
    return Problem(data, plan, recipe, objectives, **settings)


def test_values_are_by_seed_and_evaluate_is_their_mean():
    problem = make_problem(seeds=3, seed=7)
    values = problem.evaluate(GENOMES)
    by_seed = problem.measure(GENOMES, [7, 8, 9])
    assert by_seed.shape == (4, 3, 3)
    assert np.array_equal(values, by_seed.mean(axis=1))
    assert len(np.unique(by_seed[2, :, 2])) == 3
    assert np.array_equal(by_seed[:, 1:2], problem.measure(GENOMES, [8]))


def test_a_candidates_values_do_not_depend_on_the_company():
    problem = make_problem(["accuracy", "ood", "ood_aupr", "ood_fpr95", "calibration", "corruption", "f1"])
    together = problem.evaluate(GENOMES)
    alone = np.concatenate([problem.evaluate(genome[None]) for genome in GENOMES])
    assert together.tobytes() == alone.tobytes()


def test_training_and_measuring_apart_give_the_same_values():
    problem = make_problem(seeds=2)
    trained = problem.train(GENOMES, [0, 1])
    assert np.array_equal(problem.values(GENOMES, trained), problem.measure(GENOMES, [0, 1]))
    only = problem.values(GENOMES, trained, get_objectives(["f1", "accuracy"]))
    assert only.shape == (4, 2, 2)
    assert np.array_equal(only[:, :, 1], problem.values(GENOMES, trained)[:, :, 0])


def test_the_ood_value_is_scikit_learns_auroc_of_odin_averaged_over_folds():
    problem = make_problem(["ood"])
    (candidate,) = problem.train(GENOMES[1:2], [0])
    expected = []
    for inside, outside in zip(candidate.logits, candidate.extra["ood"], strict=True):
        scores = odin(np.concatenate([inside[0], outside[0]]))
        expected.append(roc_auc_score(np.repeat([0, 1], [len(inside[0]), len(outside[0])]), scores))
    assert problem.evaluate(GENOMES[1:2])[0, 0] == pytest.approx(np.mean(expected), abs=1e-12)


@pytest.mark.parametrize("score", ["mahalanobis", "knn", "energy"])
def test_the_score_can_be_chosen(score):
    values = make_problem(["ood"], ood_score=score).evaluate(GENOMES[2:])
    assert (values > 0.4).all()
    assert not np.array_equal(values, make_problem(["ood"]).evaluate(GENOMES[2:]))


def test_nan_is_a_value_that_cannot_be_had_and_leaves_the_others_alone():
    def compute(candidate):
        return float("nan") if candidate.genome[0] else 1.0

    odd = Objective("odd", "odd", True, 0.0, 1.0, compute)
    values = make_problem(["accuracy", odd], seeds=2).evaluate(GENOMES)
    assert np.array_equal(np.isnan(values[:, 1]), GENOMES[:, 0])
    assert np.isfinite(values[:, 0]).all()


def test_a_training_that_diverges_has_no_value():
    plan = parse_encoding("features", HEAD, width=12, classes=3)
    recipe = Recipe(optimizer="sgd", learning_rate=1e30, epochs=2, batch_size=32)
    problem = Problem(DATA, plan, recipe, get_objectives(["accuracy", "ood"]))
    with np.errstate(all="ignore"):
        assert np.isnan(problem.evaluate(GENOMES)).all()


def test_a_head_with_nothing_on_is_at_chance():
    for score in ("odin", "mahalanobis", "knn"):
        (values,) = make_problem(["ood", "ood_fpr95"], ood_score=score).evaluate(np.zeros((1, 12), dtype=bool))
        assert values.tolist() == [0.5, 1.0]


def test_progress_is_told_of_every_training():
    seen = []
    make_problem(seeds=2).evaluate(GENOMES, lambda done, total: seen.append((done, total)))
    assert seen[-1] == (16, 16)


def without(*names):
    return replace(DATA, extra={name: rows for name, rows in DATA.extra.items() if name not in names})


@pytest.mark.parametrize("name", ["ood", "ood_aupr", "ood_fpr95"])
def test_detection_without_images_is_refused_with_the_way_out(name):
    with pytest.raises(ConfigError) as error:
        make_problem([name], without("ood"))
    assert str(error.value) == (
        f"objective '{name}' needs out-of-distribution images; give --ood FOLDER (in Python ood=[...] to extract), "
        "or leave it out"
    )


def test_corruption_without_images_is_refused_with_the_way_out():
    with pytest.raises(ConfigError, match=r"'corruption' needs corrupted copies of the images, which a feature file"):
        make_problem(["corruption"], without("corrupted:jpeg"))


def test_rows_of_its_own_that_an_objective_needs_are_named():
    own = Objective("own", "own", True, 0.0, 1.0, lambda candidate: 0.0, needs=("night",))
    with pytest.raises(ConfigError, match="objective 'own' needs extra rows 'night'; add them to the training set"):
        make_problem([own])


def test_a_fold_without_images_is_refused():
    data = replace(DATA, extra={**DATA.extra, "ood": (DATA.extra["ood"][0], DATA.extra["ood"][1][:0])})
    with pytest.raises(ConfigError, match="needs out-of-distribution images, and fold 1 has none"):
        make_problem(["ood"], data)


def test_corrupted_images_that_are_not_the_folds_are_refused():
    blurred = tuple(rows[:-1] for rows in DATA.extra["corrupted:blur"])
    data = replace(DATA, extra={**DATA.extra, "corrupted:blur": blurred})
    with pytest.raises(ConfigError, match="one row of 'corrupted:blur' for each of the 70 evaluation rows of fold 0"):
        make_problem(["corruption"], data)


def test_measuring_something_that_needs_absent_rows_is_refused_before_training():
    seen = []
    problem = make_problem(["accuracy"], without("ood"))
    with pytest.raises(ConfigError, match="objective 'ood' needs"):
        problem.measure(GENOMES, [0], lambda *progress: seen.append(progress), get_objectives(["ood"]))
    assert not seen


def test_an_unknown_score_is_refused():
    with pytest.raises(ConfigError, match="OOD score 'odn' is unknown; did you mean 'odin'"):
        make_problem(["accuracy"], ood_score="odn")


def test_extra_rows_of_another_width_are_refused():
    rows = tuple(r[:, :5] for r in DATA.extra["ood"])
    with pytest.raises(DataError, match="extra rows 'ood' of fold 0"):
        make_problem(["accuracy"], replace(DATA, extra={"ood": rows}))


@pytest.mark.parametrize("genomes", [GENOMES[:, :5], GENOMES[0], GENOMES.astype(int)])
def test_genomes_of_another_shape_or_type_are_refused(genomes):
    with pytest.raises(ConfigError, match=r"do not fit this problem, which takes \[P, 12\] of type bool"):
        make_problem().evaluate(genomes)
