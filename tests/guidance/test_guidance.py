"""What a guided search is run with: corrected where it has to be, remembered, and as many steps as the chosen head."""

from __future__ import annotations

import numpy as np
import pytest

from evoprune.data import Fold
from evoprune.guidance import Correction, Guide, fitness_recipe, guidance_for
from evoprune.heads import Head, parse_encoding
from evoprune.objectives import get_objectives
from evoprune.problem import Problem
from evoprune.training import FAST, PAPER, TrainingSet

QUICK = FAST.model_copy(update={"epochs": 2, "batch_size": 16, "precision": "float32"})
CORRECTION = Correction(np.array([4]), np.array([[0.5, 0.0]]), 12)


@pytest.fixture(autouse=True)
def few_steps(monkeypatch):
    monkeypatch.setattr("evoprune.guidance._gates.FEWEST_STEPS", 3)
    monkeypatch.setattr("evoprune.guidance._gates.EPOCHS", 1)


def problem(folds, encoding="features"):
    rng = np.random.default_rng(3)
    X, y = rng.normal(size=(60, 12)).astype(np.float32), np.arange(60) % 2
    parts = np.array_split(rng.permutation(60), max(folds, 2))[:folds]
    rows = tuple(Fold(np.setdiff1d(np.arange(60), part), part) for part in parts)
    meaning = parse_encoding(encoding, Head(12), width=12, classes=2)
    return Problem(TrainingSet(X, y, 2, rows), meaning, QUICK, get_objectives(("loss", "active")), seed=1)


class Kept:
    """A memory that counts what it is asked, and knows a correction."""

    def __init__(self):
        self.guides, self.measures = [], []

    def guide(self, guide):
        self.guides.append(guide)
        return guide

    def correction(self, measure):
        self.measures.append(measure)
        return CORRECTION


def genomes():
    masks = np.zeros((2, 12), dtype=bool)
    masks[0, :4] = masks[1] = True
    return masks


def test_values_on_several_folds_are_corrected_and_by_what_the_memory_knows():
    asked, memory = problem(3), Kept()
    guidance = guidance_for(asked, 7, memory=memory)
    assert isinstance(guidance.guide, Guide)
    assert memory.guides == [guidance.guide]
    assert len(memory.measures) == 1
    difference = guidance.evaluate(genomes()) - asked.evaluate(genomes())
    assert difference == pytest.approx(np.array([[0.5, 0], [0, 0]]), abs=1e-6)


def test_without_a_memory_the_correction_is_measured(monkeypatch):
    monkeypatch.setattr("evoprune.guidance._guidance.measured_correction", lambda *_: CORRECTION)
    asked = problem(3)
    difference = guidance_for(asked, 7).evaluate(genomes()) - asked.evaluate(genomes())
    assert difference == pytest.approx(np.array([[0.5, 0], [0, 0]]), abs=1e-6)


@pytest.mark.parametrize(("folds", "corrected"), [(1, True), (3, False)])
def test_nothing_is_corrected_where_the_guide_has_seen_nothing_or_nobody_wants_it(folds, corrected):
    asked, memory = problem(folds), Kept()
    guidance = guidance_for(asked, 7, corrected=corrected, memory=memory)
    assert guidance.guide is not None
    assert not memory.measures
    assert np.array_equal(guidance.evaluate(genomes()), asked.evaluate(genomes()))


def test_hidden_units_have_no_guide():
    asked, memory = problem(3, "first"), Kept()
    guidance = guidance_for(asked, 7, memory=memory)
    assert guidance.guide is None
    assert not memory.guides
    assert not memory.measures
    assert np.array_equal(guidance.evaluate(genomes()), asked.evaluate(genomes()))


def fold(train):
    return Fold(np.arange(train), np.arange(3))


def test_a_fold_has_as_many_steps_as_all_rows():
    folds = (fold(200), fold(200), fold(200))
    assert fitness_recipe(FAST, folds, 300) == FAST.model_copy(update={"epochs": round(FAST.epochs * 1.5)})
    assert fitness_recipe(FAST, (fold(100), fold(300)), 300).epochs == round(FAST.epochs * 1.5)


def test_a_recipe_stays_where_it_ends_by_itself_and_where_the_fold_has_all_rows():
    assert fitness_recipe(PAPER, (fold(200),), 300) is PAPER
    assert fitness_recipe(FAST, (fold(300),), 300) is FAST
    assert fitness_recipe(FAST, (fold(0),), 300) is FAST
