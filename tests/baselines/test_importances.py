"""Magnitudes, gradients and gates of trained heads."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.special import log_softmax
from sklearn.preprocessing import StandardScaler

from evoprune.baselines import get_baseline
from evoprune.baselines._dense import train_dense
from evoprune.baselines._network import Dropout, recipe_dropout
from evoprune.baselines._saliency import gradient_scores, magnitude_scores, taylor_scores
from evoprune.heads import dense_structure
from evoprune.training import PAPER, train_population


def passed(weights, X, change=None):
    """Logits of a dense head; `change` is (layer, function of its activations)."""
    for layer, matrix in enumerate(weights.matrices):
        X = np.maximum(X, 0) if layer else X
        if change is not None and change[0] == layer:
            X = change[1](X)
        X = X @ matrix.astype(float)
    return X + weights.bias


@pytest.mark.parametrize("name", ["features", "first", "second"])
def test_taylor_and_gradient_are_finite_differences_of_the_loss(setting, name):
    data, plan = setting(name)
    weights = train_dense(data, 2)
    X = StandardScaler().fit_transform(data.X.astype(float))
    layer, rows = {"features": 0, "first": 1, "second": 2}[name], np.arange(len(X))

    def losses(change):
        return -log_softmax(passed(weights, X, change), axis=1)[rows, data.y]

    def slope(unit, amount):
        def moved(sign):
            def change(values):
                values = values.copy()
                values[:, unit] += sign * 1e-5 * amount(values[:, unit])
                return values

            return losses((layer, change))

        return np.abs(moved(1) - moved(-1)).mean() / 2e-5

    # A unit that is off has no gradient through its ReLU, but one by its activation.
    taylor = np.array([slope(unit, lambda a: a) for unit in range(plan.length)])
    gradient = np.array([slope(unit, np.ones_like) for unit in range(plan.length)])
    assert same_order(taylor_scores(data, plan, 2), taylor)
    assert same_order(gradient_scores(data, plan, 2), gradient)


def same_order(scores, values):
    ordered = values[np.argsort(-scores)]
    return bool((np.diff(ordered) <= 1e-5 * values.max()).all())


def test_magnitude_is_the_norm_of_weights_on_standardised_features(setting):
    data, plan = setting("features")
    (trained,) = train_population(
        data.training_set(), [dense_structure(data.head, 40)], head=data.head, recipe=data.recipe, seeds=[1]
    )
    folded = trained.heads[0][0].matrices[0]
    on_standardised = folded * StandardScaler().fit(data.X).scale_[:, None]
    assert same_order(magnitude_scores(data, plan, 1), np.linalg.norm(on_standardised, axis=1))
    assert not same_order(magnitude_scores(data, plan, 1), np.linalg.norm(folded, axis=1))


def test_scaling_a_unit_up_and_down_does_not_change_its_magnitude(setting, monkeypatch):
    from evoprune.baselines import _saliency

    data, plan = setting("first")
    weights = train_dense(data, 1)
    before = magnitude_scores(data, plan, 1)
    factors = np.random.default_rng(0).uniform(0.1, 10, 20).astype(np.float32)
    first, second, last = weights.matrices
    scaled = replace(weights, matrices=(first * factors, second / factors[:, None], last))
    monkeypatch.setattr(_saliency, "train_dense", lambda *_: scaled)
    assert np.array_equal(magnitude_scores(data, plan, 1), before)


def test_a_dense_head_unfolded_and_folded_again_is_the_same(setting):
    for recipe in (setting("features")[0].recipe, PAPER.model_copy(update={"epochs": 3})):
        data = replace(setting("features")[0], recipe=recipe)
        structure = dense_structure(data.head, 40)
        (trained,) = train_population(data.training_set(), [structure], head=data.head, recipe=data.recipe, seeds=[1])
        again = train_dense(data, 1).pruned(structure)
        assert np.abs(again.logits(data.X_val) - trained.heads[0][0].logits(data.X_val)).max() < 1e-4


def test_gates_leave_torch_as_it_was(setting):
    state, threads = torch.random.get_rng_state(), torch.get_num_threads()
    get_baseline("gates").masks(*setting("features"), [4], 0)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.get_num_threads() == threads


@pytest.mark.parametrize("seed", range(5))
def test_gates_that_the_loss_does_not_hold_are_among_the_first_to_fall(setting, seed):
    data, plan = setting("features")
    X = data.X.copy()
    X[:, [4, 20]] = 7.5
    (mask,) = get_baseline("gates").masks(replace(data, X=X), plan, [36], seed)
    # Noise may fall as far as what is constant: two more may go, out of forty.
    assert {4, 20} <= set(np.flatnonzero(~mask).tolist())


def test_iterative_elimination_begins_with_one_shot_gates(setting):
    data, plan = setting("features")
    once, often = (get_baseline(name).masks(data, plan, [39, 28], 6) for name in ("gates", "gates_iterative"))
    assert np.array_equal(once, often)


def test_dropout_falls_with_the_active_share_and_keeps_the_mean(setting):
    data, plan = setting("features")
    recipe = data.recipe.model_copy(update={"input_dropout": 0.5, "hidden_dropout": 0.3})
    genome = np.arange(40) < 10
    dropout = recipe_dropout(recipe, plan.decode(genome), torch.Generator().manual_seed(0))
    assert dropout.rates == (0.25, 0.3)
    values = Dropout((0.25,), torch.Generator().manual_seed(0))(0, torch.ones(500, 100))
    assert abs(float((values == 0).float().mean()) - 0.25) < 0.01
    assert abs(float(values.mean()) - 1) < 0.02
