"""Models that need no retraining: against torch's own pruning, and by formula."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.preprocessing import StandardScaler
from torch.nn.utils import prune

from evoprune.baselines import BASELINES, get_baseline
from evoprune.baselines._dense import pruned_matrix, train_dense
from evoprune.baselines._polynomial import decay, sparsity_at
from evoprune.errors import ConfigError
from evoprune.heads import Head, Structure, dense_structure
from evoprune.training import train_population

MODELS = [name for name, baseline in BASELINES.items() if baseline.kind == "model"]
SERVED = [(name, encoding) for name in MODELS for encoding in BASELINES[name].encodings]
MATRIX = {"features": 0, "first": 1, "second": 1, "both": 1, "connections": 1, "connections:1": 0}


def torch_network(weights):
    """The dense head as a list of torch's linear layers, on standardised features."""
    layers = []
    for number, matrix in enumerate(weights.matrices):
        last = number == len(weights.matrices) - 1
        layer = torch.nn.Linear(*matrix.shape, bias=last)
        layer.weight.data = torch.from_numpy(matrix.T.copy())
        if last:
            layer.bias.data = torch.from_numpy(weights.bias.copy())
        layers += [layer] if last else [layer, torch.nn.ReLU()]
    return torch.nn.Sequential(*layers)


def logits_of(network, data):
    X = StandardScaler().fit(data.X).transform(data.X_val).astype(np.float32)
    with torch.no_grad():
        return network(torch.from_numpy(X)).numpy()


@pytest.mark.parametrize(("name", "encoding"), SERVED)
def test_models_are_the_same_for_a_seed_and_take_raw_features(setting, name, encoding):
    data, plan = setting(encoding)
    counts = {"dense": [plan.length], "dense_dropout": [plan.length], "fixed_grid": [8]}.get(name, [plan.length, 8])
    heads, again = (get_baseline(name).models(data, plan, counts, 1) for _ in range(2))
    assert len(heads) == len(counts)
    for head, other in zip(heads, again, strict=True):
        assert head.width == 40
        assert np.array_equal(head.logits(data.X_val), other.logits(data.X_val))
    # Chance is 1/3; dropout costs a head of so few units some of its accuracy.
    assert (heads[0].logits(data.X_val).argmax(axis=1) == data.y_val).mean() > 0.6


@pytest.mark.parametrize("name", MATRIX)
def test_weight_pruning_is_torchs(setting, name):
    data, plan = setting(name)
    weights = train_dense(data, 0)
    assert pruned_matrix(plan) == MATRIX[name]
    for count in (3, 7, plan.length):
        network = torch_network(weights)
        layer = network[2 * MATRIX[name]]
        size = layer.weight.numel()
        kept = round(count / plan.length * size)
        prune.l1_unstructured(layer, "weight", amount=size - kept)
        (head,) = get_baseline("weight_pruning").models(data, plan, [count], 0)
        assert np.abs(head.logits(data.X_val) - logits_of(network, data)).max() < 1e-4
        assert head.connections[MATRIX[name]] <= kept == int(layer.weight_mask.sum())


@pytest.mark.parametrize(
    ("side", "name"),
    [("out", "features"), *((side, name) for side in ("in", "out") for name in ("first", "second", "both"))],
)
def test_neuron_pruning_is_torchs(setting, side, name):
    data, plan = setting(name)
    weights = train_dense(data, 0)
    network = torch_network(weights)
    shares = {"features": {0: 30}, "first": {1: 14}, "second": {2: 8}, "both": {1: 15, 2: 9}}[name]
    for layer, dropped in shares.items():
        # torch's matrices are [outputs, inputs]: rows are incoming weights, columns outgoing ones.
        number, dim = (layer - 1, 0) if side == "in" else (layer, 1)
        prune.ln_structured(network[2 * number], "weight", amount=dropped, n=2, dim=dim)
    (head,) = get_baseline(f"neuron_pruning_{side}").models(data, plan, [plan.length - sum(shares.values())], 0)
    assert np.abs(head.logits(data.X_val) - logits_of(network, data)).max() < 1e-4
    sizes = (len(head.inputs), *(matrix.shape[1] for matrix in head.matrices[:-1]))
    full = (40, *data.head.hidden)
    assert sizes == tuple(n - shares.get(layer, 0) for layer, n in enumerate(full))


def test_the_polynomial_schedule_is_the_published_one():
    steps = [sparsity_at(epoch, 0.9) for epoch in (0, 5, 10, 15, 20, 25)]
    expected = [0.9 + (0.1 - 0.9) * (1 - t / 25) ** 3 for t in (0, 5, 10, 15, 20, 25)]
    assert np.allclose(steps, expected)
    assert np.allclose(steps, [0.1, 0.4904, 0.7272, 0.8488, 0.8936, 0.9])
    assert [sparsity_at(epoch, 0.9) for epoch in range(5)] == [steps[0]] * 5
    assert sparsity_at(9, 0.9) == steps[1]
    assert {sparsity_at(epoch, 0.04) for epoch in range(26)} == {0.04}


@pytest.mark.parametrize("name", MATRIX)
def test_polynomial_decay_ends_at_the_share_asked_for(setting, name):
    data, plan = setting(name)
    weights = train_dense(data, 0)
    ((pruned, mask),) = decay(data, plan, weights, [6], 0)
    assert mask.shape == weights.matrices[MATRIX[name]].shape
    assert mask.sum() == round(6 / plan.length * mask.size)
    assert not pruned.matrices[MATRIX[name]][~mask].any()
    # It goes on from the dense weights, in which the weights that stay were not small.
    before = np.abs(weights.matrices[MATRIX[name]])
    assert before[mask].mean() > 1.5 * before[~mask].mean()
    (head,) = get_baseline("polynomial_decay").models(data, plan, [6], 0)
    assert head.connections[MATRIX[name]] <= mask.sum()
    if name == "features":
        assert len(head.inputs) == mask.any(axis=1).sum()


@pytest.mark.parametrize("name", MATRIX)
def test_polynomial_decay_to_one_share_does_not_depend_on_the_others(setting, name):
    data, plan = setting(name)
    data = replace(data, recipe=data.recipe.model_copy(update={"hidden_dropout": 0.2, "input_dropout": 0.1}))
    weights = train_dense(data, 0)
    together = decay(data, plan, weights, [2, 6, plan.length], 0)
    for (pruned, mask), count in zip(together, (2, 6, plan.length), strict=True):
        ((alone, own_mask),) = decay(data, plan, weights, [count], 0)
        assert (mask == own_mask).mean() > 0.99
        for one, other in zip(pruned.matrices, alone.matrices, strict=True):
            assert np.allclose(one, other, atol=1e-3)


def test_polynomial_decay_keeps_more_of_the_accuracy_than_pruning_at_once(setting):
    data, plan = setting("features")
    at_once, gradual = (
        (get_baseline(name).models(data, plan, [2], 0)[0].logits(data.X_val).argmax(axis=1) == data.y_val).mean()
        for name in ("weight_pruning", "polynomial_decay")
    )
    assert gradual > at_once


def test_a_ticket_of_all_weights_is_the_dense_head(setting):
    data, plan = setting("both")
    (dense,) = get_baseline("dense").models(data, plan, [plan.length], 3)
    for name in ("weight_lottery", "polynomial_lottery"):
        (ticket,) = get_baseline(name).models(data, plan, [plan.length], 3)
        assert np.abs(ticket.logits(data.X_val) - dense.logits(data.X_val)).max() < 1e-4


def test_a_ticket_is_its_mask_trained_from_the_first_weights(setting):
    data, plan = setting("features")
    layer = torch_network(train_dense(data, 3))[0]
    prune.l1_unstructured(layer, "weight", amount=40 * 16 - 5 * 16)
    dense = dense_structure(data.head, 40)
    structure = Structure(dense.inputs, dense.hidden, 0, layer.weight_mask.numpy().T > 0)
    (trained,) = train_population(data.training_set(), [structure], head=data.head, recipe=data.recipe, seeds=[3])
    (ticket,) = get_baseline("weight_lottery").models(data, plan, [5], 3)
    assert np.array_equal(ticket.logits(data.X_val), trained.heads[0][0].logits(data.X_val))


def test_the_full_head_is_trained_by_the_recipe_with_or_without_dropout(setting):
    data, plan = setting("features")
    for name, dropout in (("dense", 0.0), ("dense_dropout", 0.5)):
        recipe = data.recipe.model_copy(update={"hidden_dropout": dropout})
        (trained,) = train_population(
            data.training_set(), [dense_structure(data.head, 40)], head=data.head, recipe=recipe, seeds=[2]
        )
        first, second = get_baseline(name).models(data, plan, [40, 40], 2)
        assert np.array_equal(first.logits(data.X_val), trained.heads[0][0].logits(data.X_val))
        assert np.array_equal(first.logits(data.X_val), second.logits(data.X_val))
        with pytest.raises(ConfigError, match="40 active units, not 39"):
            get_baseline(name).models(data, plan, [39], 2)


@pytest.mark.parametrize("name", ["first", "second"])
def test_the_best_fixed_head_is_the_best_of_the_grid_within_the_count(setting, name):
    data, plan = setting(name)
    place = ("first", "second").index(name)
    counts = [1, plan.length // 2, plan.length]
    heads = get_baseline("fixed_grid").models(data, plan, counts, 0)
    units = [max(1, round(tenth / 10 * plan.length)) for tenth in range(1, 11)]

    def trained(size):
        hidden = list(data.head.hidden)
        hidden[place] = size
        head = Head(*hidden)
        (result,) = train_population(
            data.training_set(evaluate=True), [dense_structure(head, 40)], head=head, recipe=data.recipe, seeds=[0]
        )
        return result

    results = {size: trained(size) for size in [1, *units]}
    for count, head in zip(counts, heads, strict=True):
        within = [size for size in units if size <= count] or [count]
        accuracy = [(results[n].logits[0][0].argmax(axis=1) == data.y_val).mean() for n in within]
        best = within[int(np.argmax(accuracy))]
        assert head.matrices[place].shape[1] == best
        assert np.allclose(head.logits(data.X_val), results[best].logits[0][0], atol=1e-5)


def test_the_grid_of_two_layers_has_every_pair(setting):
    from evoprune.baselines._fixed import _grid

    _, plan = setting("both")
    grid = _grid(plan)
    assert len(grid) == 10 * 10
    assert grid[-1] == Head(20, 12)
    heads = get_baseline("fixed_grid").models(*setting("both"), [3, 8], 0)
    for head, count in zip(heads, (3, 8), strict=True):
        assert sum(matrix.shape[1] for matrix in head.matrices[:-1]) <= count


def test_models_of_raw_features_need_no_standardisation(setting):
    data, plan = setting("features")
    recipe = data.recipe.model_copy(update={"standardize": False, "input_dropout": 0.0, "epochs": 30})
    raw = replace(data, recipe=recipe)
    weights = train_dense(raw, 0)
    assert weights.mean is None
    (head,) = get_baseline("neuron_pruning_out").models(raw, plan, [10], 0)
    norms = np.linalg.norm(weights.matrices[0], axis=1)
    assert set(head.inputs) == set(np.argsort(-norms)[:10])
    assert np.array_equal(head.matrices[0], weights.matrices[0][head.inputs])
