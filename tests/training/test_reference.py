"""The recipes do what they say: against plain PyTorch, written here."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from evoprune.errors import ConfigError
from evoprune.heads import Head, parse_encoding
from evoprune.training import PAPER, Recipe, get_recipe
from evoprune.training._randomness import batch_order, dropout_bytes, dropout_threshold, initial_matrices
from evoprune.training._reference import train_reference


def genome_of(plan, seed=0, share=0.5):
    return np.random.default_rng(seed).random(plan.length) < share


@pytest.mark.parametrize(
    ("encoding", "head"), [("features", Head(16)), ("both", Head(16, 12)), ("connections", Head(16))]
)
def test_paper_recipe_is_plain_sgd_for_50_steps(task, encoding, head):
    plan = parse_encoding(encoding, head, width=20, classes=3)
    structure = plan.decode(genome_of(plan))
    X, y = task.X[task.folds[0].train], task.y[task.folds[0].train]
    trained = train_reference(X, y, structure, head, 3, PAPER, seed=3, max_steps=50)

    shapes = head.shapes(20, 3)
    masks = [torch.tensor(structure.mask(i, 3), dtype=torch.float32) for i in range(len(shapes))]
    weights = [torch.tensor(w, requires_grad=True) for w in initial_matrices(shapes, 3)]
    bias = torch.zeros(3, requires_grad=True)
    optimizer = torch.optim.SGD([*weights, bias], lr=1e-3, momentum=0.9, nesterov=True)
    step = 0
    for epoch in range(1, 100):
        for rows in torch.tensor(batch_order(len(X), 3, epoch)).split(32):
            out = torch.tensor(X)[rows]
            for i, (w, m) in enumerate(zip(weights, masks, strict=True)):
                out = (out.relu() if i else out) @ (w * m)
            optimizer.zero_grad()
            functional.cross_entropy(out + bias, torch.tensor(y)[rows]).backward()
            optimizer.param_groups[0]["lr"] = 1e-3 / (1 + 1e-6 * step)
            optimizer.step()
            step += 1
            if step == 50:
                break
        if step == 50:
            break
    for ours, plain, mask in zip(trained.matrices, weights, masks, strict=True):
        assert np.abs(ours - (plain * mask).detach().numpy()).max() <= 1e-5
    assert np.abs(trained.biases[-1] - bias.detach().numpy()).max() <= 1e-5


def test_early_stopping_keeps_the_best_epoch(task):
    # With a rate this high the training loss goes up and down, so that the best epoch is not the last.
    recipe = Recipe(
        optimizer="sgd",
        learning_rate=1.5,
        batch_size=32,
        epochs=60,
        early_stopping={"min_delta": 1e-5, "patience": 3},
    )
    X, y = task.X, task.y
    plan = parse_encoding("features", Head(16), width=20, classes=3)
    structure = plan.decode(plan.dense_genome())
    stopped = train_reference(X, y, structure, Head(16), 3, recipe, seed=0)
    assert stopped.epochs < 60
    best_epoch = stopped.epochs - 3
    without = recipe.model_copy(update={"early_stopping": None, "epochs": best_epoch})
    again = train_reference(X, y, structure, Head(16), 3, without, seed=0)
    assert all(np.array_equal(a, b) for a, b in zip(stopped.matrices, again.matrices, strict=True))
    assert stopped.loss == again.loss


def test_the_published_recipe_has_the_published_numbers():
    assert (PAPER.optimizer, PAPER.learning_rate, PAPER.decay, PAPER.momentum) == ("sgd", 1e-3, 1e-6, 0.9)
    assert (PAPER.nesterov, PAPER.batch_size, PAPER.epochs, PAPER.standardize) == (True, 32, 600, False)
    assert PAPER.early_stopping is not None
    assert (PAPER.early_stopping.min_delta, PAPER.early_stopping.patience) == (1e-5, 10)


def test_random_draws_depend_on_seed_and_epoch_alone():
    a, b = initial_matrices([(30, 20), (20, 3)], 5), initial_matrices([(30, 20), (20, 3)], 5)
    assert all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))
    assert not np.array_equal(a[0], initial_matrices([(30, 20)], 6)[0])
    assert np.abs(a[0]).max() <= np.sqrt(6 / 50)
    assert sorted(batch_order(50, 1, 1)) == list(range(50))
    assert not np.array_equal(batch_order(50, 1, 1), batch_order(50, 1, 2))
    assert np.array_equal(dropout_bytes(5, 7, 1, 2), dropout_bytes(5, 7, 1, 2))


def test_dropout_falls_with_the_active_share():
    assert dropout_threshold(0.5, 100, 100) == dropout_threshold(0.5, 50, 100) == 128
    assert dropout_threshold(0.5, 25, 100) == 64
    assert dropout_threshold(0.5, 0, 100) == 0
    kept = (dropout_bytes(400, 500, 0, 1) >= 128).mean()
    assert abs(kept - 0.5) < 0.01


def test_an_unknown_recipe_is_answered_with_the_nearest():
    with pytest.raises(ConfigError, match="did you mean 'paper'"):
        get_recipe("papr")
