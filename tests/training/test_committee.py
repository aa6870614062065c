"""Heads whose hidden units are trained in groups."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from pydantic import ValidationError
from sklearn.preprocessing import StandardScaler

from evoprune.data import Fold, stratified_parts
from evoprune.heads import Head, dense_structure, parse_encoding
from evoprune.training import FAST, Recipe, Trainer, TrainingSet, head_logits, train_population
from evoprune.training._committee import FEWEST_UNITS, groups_of
from evoprune.training._randomness import initial_matrices
from evoprune.training._reference import train_reference

HEAD = Head(130)
ONE = FAST.model_copy(update={"epochs": 4, "batch_size": 32})
TWO = ONE.model_copy(update={"groups": 2})
STOPPING = Recipe(
    optimizer="sgd", learning_rate=3e-2, batch_size=32, epochs=60, groups=2, early_stopping={"patience": 2}
)


def candidates(encoding="features", head=HEAD, shares=(0.3, 1.0)):
    plan = parse_encoding(encoding, head, width=20, classes=3)
    rng = np.random.default_rng(0)
    return [plan.decode(rng.random(plan.length) < share) for share in shares]


def bytes_of(candidate):
    return [matrix.tobytes() for fold in candidate.heads for head in fold for matrix in head.matrices]


@pytest.mark.parametrize("encoding", ["features", "connections"])
@pytest.mark.parametrize("recipe", [TWO, STOPPING], ids=["fast", "stopping"])
def test_a_head_is_the_mean_of_networks_that_the_reference_trains(task, encoding, recipe):
    """Each group by the readable implementation; plain numpy makes their mean."""
    seed, (structure, _) = 4, candidates(encoding)
    (got,) = train_population(task, [structure], head=HEAD, recipe=recipe, seeds=[seed])
    for number, fold in enumerate(task.folds):
        X, test = task.X[fold.train], task.X[fold.evaluate]
        if recipe.standardize:
            scaler = StandardScaler().fit(X.astype(np.float64))
            X, test = scaler.transform(X).astype(np.float32), scaler.transform(test)
        first, last = initial_matrices(HEAD.shapes(20, 3), seed)
        logits, epochs = [], []
        for group, units in enumerate((np.arange(130) < 65, np.arange(130) >= 65)):
            own = replace(structure, hidden=(units,))
            begin = (first, last * np.float32(np.sqrt(2)))
            y, group_seed = task.y[fold.train], seed + group * 2**32
            trained = train_reference(X, y, own, HEAD, 3, recipe, group_seed, initial=begin)
            logits.append(np.maximum(test @ trained.matrices[0], 0) @ trained.matrices[1] + trained.biases[-1])
            epochs.append(trained.epochs)
        assert np.allclose(got.logits[number][0], np.mean(logits, axis=0), atol=1e-3)
        assert got.epochs[number] == (max(epochs),)


def test_the_mean_is_in_the_weights(task):
    """As many units and weights as a head that is not divided; applied to other rows it is the mean as well."""
    plain, divided = (train_population(task, candidates(), head=HEAD, recipe=r, seeds=[0]) for r in (ONE, TWO))
    for a, b in zip(plain, divided, strict=True):
        assert a.heads[0][0].parameters == b.heads[0][0].parameters
        assert bytes_of(a) != bytes_of(b)
        rows = task.folds[0].evaluate
        assert np.allclose(head_logits(b.heads[0][0], task.X[rows]), b.logits[0][0], atol=1e-5)


def test_single_connections_stay_off(task):
    structure, _ = candidates("connections")
    (got,) = train_population(task, [structure], head=HEAD, recipe=TWO, seeds=[0])
    head = got.heads[0][0]
    off = ~structure.mask(0, 3)[np.ix_(head.inputs, structure.hidden[0])]
    assert off.any()
    assert not head.matrices[0][off].any()


def test_company_order_and_threads_change_nothing(task):
    structures = candidates(shares=(0.2, 0.6, 1.0))
    alone = [train_population(task, [s], head=HEAD, recipe=TWO, seeds=[1])[0] for s in structures]
    trainer = Trainer(task, HEAD, TWO)
    together = trainer.train(structures[::-1], [1, 0])[::-1]
    assert [bytes_of(a) for a in alone] == [bytes_of(b.with_seed(0)) for b in together]


def test_groups_have_units_and_seeds_of_their_own():
    (structure,) = candidates("first", Head(512), (0.8,))
    groups = groups_of(structure, 4)
    units = np.stack([group.structure.hidden[0] for group in groups])
    assert np.array_equal(units.sum(axis=0), structure.hidden[0])
    assert np.ptp(units.sum(axis=1)) <= 1
    assert len({group.seed(7) for group in groups}) == 4
    assert groups[0].seed(7) == 7


@pytest.mark.parametrize(
    ("units", "wanted", "found"),
    [(512, 4, 4), (512, 1, 1), (4 * FEWEST_UNITS - 1, 4, 3), (2 * FEWEST_UNITS, 9, 2), (FEWEST_UNITS, 4, 1), (5, 4, 1)],
)
def test_a_group_is_large_enough_to_be_a_network(units, wanted, found):
    assert len(groups_of(dense_structure(Head(units), 20), wanted)) == found


def test_what_is_not_divided_is_what_it_was(task):
    nothing = replace(dense_structure(HEAD, 20), hidden=(np.zeros(130, dtype=np.bool_),))
    whole = [(head, dense_structure(head, 20)) for head in (Head(100), Head(200, 150))]
    for head, structure in (*whole, (HEAD, nothing)):
        a, b = (train_population(task, [structure], head=head, recipe=r, seeds=[0])[0] for r in (ONE, TWO))
        assert bytes_of(a) == bytes_of(b)


def test_values_in_their_units():
    """A regression, whose outputs are scaled back: the mean of what the groups predict."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 8)).astype(np.float32)
    values = (1000 + 50 * (X @ rng.normal(size=(8, 2)))).astype(np.float32)
    data = TrainingSet.regression(X, values, (Fold(np.arange(150), np.arange(150, 200)),))
    recipe = FAST.model_copy(
        update={"epochs": 30, "batch_size": 32, "label_smoothing": 0.0, "input_dropout": 0.0, "groups": 2}
    )
    (got,) = train_population(data, [dense_structure(HEAD, 8)], head=HEAD, recipe=recipe, seeds=[0])
    errors = np.abs(got.logits[0][0] - values[150:])
    assert errors.mean() < 0.3 * np.abs(values[150:] - values[:150].mean(axis=0)).mean()


def test_groups_err_apart(shared_data):
    """Photographs of waste, a part of the training images: better than its groups, and no worse than undivided."""
    with np.load(shared_data / "features" / "trash.npz", allow_pickle=False) as stored:
        X, y = stored["X_train"].astype(np.float32), np.unique(stored["y_train"], return_inverse=True)[1]
    classes, head = int(y.max()) + 1, Head(512)
    train, evaluate = stratified_parts(y, np.array([0.7, 0.3]), 0)
    data = TrainingSet(X, y.astype(np.int64), classes, (Fold(train, evaluate),))
    rng = np.random.default_rng(0)
    plan = parse_encoding("features", head, width=X.shape[1], classes=classes)
    structures = [plan.decode(rng.permutation(X.shape[1]) < 200) for _ in range(4)]
    alone = [replace(s, hidden=(np.arange(512) // 128 == group,)) for s in structures for group in range(4)]

    def measured(structures, recipe):
        found = train_population(data, structures, head=head, recipe=recipe, seeds=[0, 1])
        logits = np.stack([by_seed for c in found for by_seed in c.logits[0]]).astype(np.float64)
        chances = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
        hits = (logits.argmax(axis=-1) == y[evaluate]).mean()
        return hits, -chances[:, np.arange(len(evaluate)), y[evaluate]].mean()

    one, four = FAST, FAST.model_copy(update={"groups": 4})
    undivided, divided, groups = measured(structures, one), measured(structures, four), measured(alone, one)
    assert divided[0] > groups[0] + 0.005
    assert divided[1] < groups[1]
    assert divided[0] > undivided[0] - 0.005


def test_a_recipe_has_one_group_or_more():
    with pytest.raises(ValidationError, match="groups"):
        Recipe(optimizer="adam", learning_rate=0.1, batch_size=1, epochs=1, groups=0)
