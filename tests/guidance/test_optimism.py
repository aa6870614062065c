"""The correction takes away what a mask gains by having been chosen with the rows that it is measured on."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.feature_selection import f_classif

from evoprune.data import Fold
from evoprune.guidance import CorrectedProblem, Correction, guide_for, measured_correction
from evoprune.guidance._optimism import SHARES
from evoprune.heads import Head, parse_encoding
from evoprune.objectives import get_objectives
from evoprune.problem import Problem
from evoprune.training import FAST, TrainingSet

QUICK = FAST.model_copy(
    update={"epochs": 8, "batch_size": 32, "learning_rate": 1e-2, "input_dropout": 0.0, "precision": "float32"}
)


def noise_problem(width=32, rows=240, objectives=("calibrated_loss", "accuracy", "active")):
    """Labels that have nothing to do with the features, and three folds."""
    rng = np.random.default_rng(4)
    X = rng.normal(size=(rows, width)).astype(np.float32)
    y = rng.permutation(np.arange(rows) % 2)
    parts = np.array_split(rng.permutation(rows), 3)
    folds = tuple(Fold(np.setdiff1d(np.arange(rows), part), part) for part in parts)
    encoding = parse_encoding("features", Head(8), width=width, classes=2)
    return Problem(TrainingSet(X, y, 2, folds), encoding, QUICK, get_objectives(objectives), seed=1)


def masks_of(sizes, length, seed=0):
    rng = np.random.default_rng(seed)
    genomes = np.zeros((len(sizes), length), dtype=bool)
    for genome, size in zip(genomes, sizes, strict=True):
        genome[rng.choice(length, size=size, replace=False)] = True
    return genomes


CORRECTION = Correction(np.array([2, 8, 32]), np.array([[0.4, -0.2], [0.1, -0.1], [0.2, 0.0]]), 64)


def test_the_full_genome_is_not_corrected():
    assert CORRECTION.of(np.ones((2, 64), dtype=bool)).tolist() == [[0, 0], [0, 0]]


def test_at_measured_sizes_it_is_what_was_measured_and_below_the_smallest_what_was_there():
    found = CORRECTION.of(masks_of([32, 2, 8, 1, 0], 64))
    assert found == pytest.approx(np.array([[0.2, 0], [0.4, -0.2], [0.1, -0.1], [0.4, -0.2], [0.4, -0.2]]))


def test_between_sizes_it_is_interpolated_over_the_logarithm():
    found = CORRECTION.of(masks_of([4, 16, 5, 45], 64))
    # Half of the way in the logarithm from 2 to 8 and from 8 to 32; then by hand.
    assert found[0] == pytest.approx([0.25, -0.15])
    assert found[1] == pytest.approx([0.15, -0.05])
    way = np.log(5 / 2) / np.log(8 / 2)
    assert found[2] == pytest.approx([0.4 - 0.3 * way, -0.2 + 0.1 * way])
    assert found[3, 0] == pytest.approx(0.2 * (1 - np.log(45 / 32) / np.log(64 / 32)))


def made_alike(gaps, spread=0.0, folds=3):
    """Values `[F, 2, 2, K, M]` on folds with these gaps, and this standard deviation among two runs."""
    runs = np.array([1, -1])[:, None, None] * spread / np.sqrt(2)
    without = np.asarray(gaps)[None] + runs
    return np.tile(np.stack([without, np.zeros_like(without) + runs]), (folds, 1, 1, 1, 1))


@pytest.mark.parametrize("width", [1, 2, 9, 40])
def test_it_is_only_ever_for_the_worse(monkeypatch, width):
    problem = noise_problem(width, rows=30)
    rng = np.random.default_rng(width)
    measured = []

    def any_sign(problem, guide, sizes, seed):
        measured.append(rng.normal(size=(len(sizes), 3)))
        return made_alike(measured[-1])

    monkeypatch.setattr("evoprune.guidance._optimism._made_alike", any_sign)
    correction = measured_correction(problem, None, 0)
    assert correction.length == width
    sizes = {max(1, round(share * width)) for share in SHARES} - {width}
    assert correction.sizes.tolist() == (sorted(sizes) or [1])
    loss, accuracy, active = correction.gaps.T
    assert (loss >= 0).all()
    assert (accuracy <= 0).all()
    assert (active >= 0).all()
    if width == 40:
        # What is measured for the worse is kept, what would be for the better is not.
        assert {bool(v) for v in loss > 0} == {bool(v) for v in accuracy < 0} == {True, False}
    assert np.isfinite(correction.of(masks_of([width, 1], width))).all()


def test_a_gap_that_is_the_same_everywhere_stays_as_it_is(monkeypatch):
    problem = noise_problem(40, rows=30, objectives=("loss", "accuracy"))
    monkeypatch.setattr(
        "evoprune.guidance._optimism._made_alike",
        lambda problem, guide, sizes, seed: made_alike(np.tile([0.3, -0.1], (len(sizes), 1))),
    )
    inner = measured_correction(problem, None, 0).gaps[:-1]
    assert inner == pytest.approx(np.tile([0.3, -0.1], (len(inner), 1)))


def test_in_doubt_the_larger_mask_is_right(monkeypatch):
    problem = noise_problem(400, rows=30, objectives=("loss", "accuracy", "active"))
    values = {
        "some doubt": made_alike(np.zeros((len(SHARES), 3)), spread=[0.3, 0.6, 0], folds=9),
        "none": made_alike(np.zeros((len(SHARES), 3)), folds=9),
    }
    found = {}
    for name, alike in values.items():
        monkeypatch.setattr("evoprune.guidance._optimism._made_alike", lambda *_, alike=alike: alike)
        found[name] = measured_correction(problem, None, 0).of(masks_of([25, 100, 200, 400], 400))
    # Of nine folds the mean has a third of the spread; a mask of a quarter of the size has to be better by that.
    assert found["some doubt"][:, 0] == pytest.approx([0.2, 0.1, 0.05, 0])
    assert found["some doubt"][:, 1] == pytest.approx([-0.4, -0.2, -0.1, 0])
    assert (found["some doubt"][:, 2] == 0).all()
    assert (found["none"] == 0).all()


def test_failed_trainings_are_left_out_of_the_correction_and_named(monkeypatch, caplog):
    problem = noise_problem(40, rows=30, objectives=("loss", "accuracy"))
    values = made_alike(np.tile([0.3, -0.1], (len({round(share * 40) for share in SHARES} - {0}), 1)))
    whole = values.copy()
    values[0, 1, 0] = np.nan
    found = []
    for alike in (whole, values):
        monkeypatch.setattr("evoprune.guidance._optimism._made_alike", lambda *_, alike=alike: alike)
        found.append(measured_correction(problem, None, 0).gaps)
    assert found[1] == pytest.approx(found[0])
    assert "of the correction failed" in caplog.text


def by_correlation(data, sets, seed):
    """In place of gates what finds chance correlations best: the F value of each feature, a little blurred."""
    labels = data.targets.numpy().argmax(axis=1)
    F = f_classif(data.X.numpy(), labels)[0]
    return F[sets] * np.random.default_rng(seed).lognormal(sigma=0.1, size=sets.shape)


@pytest.fixture(scope="module")
def noise():
    """Values of the guide's masks on labels that are noise, and their corrections."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("evoprune.guidance._elimination.gate_sizes", by_correlation)
        patch.setattr("evoprune.guidance._optimism.SHARES", (0.02, 0.05, 0.12, 0.3))
        problem = noise_problem(200)
        guide = guide_for(problem.data, problem.encoding, problem.recipe, 0, eliminations=4)
        correction = measured_correction(problem, guide, 0)
        scores = guide.scores()
    masks = np.stack([np.argsort(np.argsort(-own)) < size for own in scores[2:] for size in correction.sizes])
    return problem, correction, masks, problem.evaluate(masks)


def test_masks_of_noise_look_good_and_are_no_better_than_chance_once_corrected(noise):
    _, correction, masks, values = noise
    loss, accuracy, _ = values.mean(axis=0)
    assert loss < np.log(2) - 0.05
    assert accuracy > 0.6
    loss, accuracy, _ = (values + correction.of(masks)).mean(axis=0)
    # The temperature that is best for 80 rows is worth a little even where there is nothing to find.
    assert loss > np.log(2) - 0.02
    assert accuracy < 0.53
    # And no worse than that: what is taken away is the gain, not more.
    assert loss < np.log(2) + 0.05
    assert accuracy > 0.42


def test_what_no_label_decides_is_not_corrected(noise):
    _, correction, *_ = noise
    assert (correction.gaps[:, 2] == 0).all()


def test_a_corrected_problem_adds_the_correction_to_its_values(noise):
    problem, _, masks, values = noise
    correction = Correction(np.array([4]), np.array([[0.2, -0.3, 0.0]]), problem.length)
    heard = []
    found = CorrectedProblem(problem, correction).evaluate(masks[:3], lambda done, total: heard.append((done, total)))
    assert found == pytest.approx(values[:3] + correction.of(masks[:3]))
    assert heard[-1] == (9, 9)
