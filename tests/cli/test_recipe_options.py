"""Options that change a recipe: the recorded name says so, the precision is recorded."""

from __future__ import annotations

import pytest

from evoprune.cli._run import changed_recipe
from evoprune.training import FAST, PAPER, Recipe, get_recipe


def test_an_unchanged_recipe_keeps_its_name():
    assert Recipe(**changed_recipe("paper", epochs=None, seeds=None, precision=None)) == get_recipe("paper")
    assert changed_recipe("fast", epochs=FAST.epochs)["name"] == "fast"


def test_a_recipe_with_other_epochs_is_no_longer_the_published_one():
    recipe = Recipe(**changed_recipe("paper", epochs=3))
    assert (recipe.name, recipe.epochs, recipe.learning_rate) == ("paper, changed", 3, PAPER.learning_rate)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_precision_can_be_chosen_and_is_no_other_recipe(precision):
    recipe = Recipe(**changed_recipe("fast", seeds=3, precision=precision))
    assert (recipe.name, recipe.precision, recipe.seeds) == ("fast", precision, 3)
