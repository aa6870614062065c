"""Small heads that begin with the weights of a full one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge

from evoprune.data import Fold, stratified_parts
from evoprune.heads import Head, dense_structure, parse_encoding
from evoprune.training import FAST, Trainer, TrainingSet, train_population
from evoprune.training import _population as population
from evoprune.training._goal import Goal, smoothed_targets
from evoprune.training._inheritance import RIDGE, UP_TO, heir_recipe, inherited_start, inherits
from evoprune.training._packed_engine import PackedEngine
from evoprune.training._packs import Job
from evoprune.training._reference import train_reference
from evoprune.training._start import Start, random_start

WIDTH, CLASSES, HEAD = 60, 3, Head(16)
RECIPE = FAST.model_copy(update={"epochs": 6, "batch_size": 32, "inherit": True})
ENCODING = parse_encoding("features", HEAD, width=WIDTH, classes=CLASSES)


@pytest.fixture(scope="module")
def data():
    """Features that three hidden numbers make, so that few of them tell the others; two folds."""
    rng = np.random.default_rng(0)
    hidden = rng.normal(size=(240, 3))
    X = (hidden @ rng.normal(size=(3, WIDTH)) + 0.3 * rng.normal(size=(240, WIDTH))).astype(np.float32)
    y = hidden.argmax(axis=1)
    halves = np.arange(120), np.arange(120, 240)
    return TrainingSet(X, y, CLASSES, (Fold(*halves), Fold(*halves[::-1])))


def genome(*features):
    chosen = np.zeros(WIDTH, dtype=np.bool_)
    chosen[list(features)] = True
    return chosen


SMALL, LARGE = ENCODING.decode(genome(3, 20, 41)), ENCODING.decode(genome(*range(30)))


def standardized(data, number):
    X = data.X[data.folds[number].train].astype(np.float64)
    return ((X - X.mean(axis=0)) / X.std(axis=0)).astype(np.float32)


def same(a, b):
    return all(x.tobytes() == y.tobytes() for x, y in zip(a.matrices, b.matrices, strict=True))


@pytest.mark.parametrize("weighted", [False, True])
def test_what_is_not_read_is_made_up_for_as_scikit_learn_does_it(data, weighted):
    X = standardized(data, 0)
    weights = np.random.default_rng(1).random(len(X)) if weighted else np.ones(len(X))
    parent = random_start(HEAD.shapes(WIDTH, CLASSES), 0)
    read = genome(3, 20, 41, 50)
    start = inherited_start(parent, torch.from_numpy(X), torch.from_numpy(weights) if weighted else None, read)
    strength = RIDGE * np.mean((weights[:, None] * X[:, read] ** 2).sum(axis=0))
    guess = Ridge(strength, fit_intercept=False).fit(X[:, read], X[:, ~read], sample_weight=weights).predict(X[:, read])
    wanted = X[:, read] @ parent.matrices[0][read] + guess @ parent.matrices[0][~read]
    assert np.allclose(X[:, read] @ start.matrices[0][read], wanted, atol=1e-4)
    assert start.matrices[1] is parent.matrices[1]
    assert start.bias is parent.bias


def test_features_that_are_always_0_are_not_made_up_for():
    parent = random_start(HEAD.shapes(WIDTH, CLASSES), 0)
    assert inherited_start(parent, torch.zeros(9, WIDTH), None, genome(1, 2)) is parent


def test_the_trainer_does_what_the_reference_does_step_by_step(data):
    """Parent and heir, trained by the readable implementation, one after the other."""
    (got,) = train_population(data, [SMALL], head=HEAD, recipe=RECIPE, seeds=[4])
    for number, fold in enumerate(data.folds):
        X, y = standardized(data, number), data.y[fold.train]
        full = train_reference(X, y, dense_structure(HEAD, WIDTH), HEAD, CLASSES, RECIPE, 4)
        parent = Start(full.matrices, full.biases[-1])
        begin = inherited_start(parent, torch.from_numpy(X), None, SMALL.inputs)
        wanted = train_reference(X, y, SMALL, HEAD, CLASSES, heir_recipe(RECIPE), 4, begin=begin)
        deviation = data.X[fold.train].astype(np.float64).std(axis=0)[SMALL.inputs]
        matrices = got.heads[number][0].matrices
        assert np.allclose(matrices[0] * deviation[:, None], wanted.matrices[0][SMALL.inputs], atol=1e-4)
        assert np.allclose(matrices[1], wanted.matrices[1], atol=1e-4)
        assert got.epochs[number] == (3,)


def test_an_heir_takes_half_the_epochs_at_half_the_rate():
    assert heir_recipe(RECIPE) == RECIPE.model_copy(
        update={"epochs": 3, "learning_rate": RECIPE.learning_rate / 2, "inherit": False}
    )
    assert heir_recipe(RECIPE.model_copy(update={"epochs": 1})).epochs == 1


def test_only_small_heads_inherit_and_others_are_what_they_were(data):
    plain = RECIPE.model_copy(update={"inherit": False})
    small, large = train_population(data, [SMALL, LARGE], head=HEAD, recipe=RECIPE, seeds=[0, 1])
    before = train_population(data, [SMALL, LARGE], head=HEAD, recipe=plain, seeds=[0, 1])
    assert all(same(large.heads[f][s], before[1].heads[f][s]) for f in (0, 1) for s in (0, 1))
    assert not any(same(small.heads[f][s], before[0].heads[f][s]) for f in (0, 1) for s in (0, 1))
    assert small.epochs == ((3, 3), (3, 3))
    assert large.epochs == ((6, 6), (6, 6))


def test_which_heads_inherit():
    most = int(UP_TO * WIDTH)
    assert inherits(ENCODING.decode(genome(*range(most))))
    assert not inherits(ENCODING.decode(genome(*range(most + 1))))
    assert not inherits(ENCODING.decode(genome()))
    assert not inherits(dense_structure(HEAD, WIDTH))
    part = replace(SMALL, hidden=(np.arange(16) < 8,))
    assert not inherits(part)
    assert not inherits(replace(SMALL, matrix=0, connections=np.ones((WIDTH, 16), dtype=np.bool_)))


def test_company_order_and_earlier_calls_change_nothing(data):
    alone = train_population(data, [SMALL], head=HEAD, recipe=RECIPE, seeds=[1])[0]
    trainer = Trainer(data, HEAD, RECIPE)
    trainer.train([LARGE], [0, 1])
    _, again = trainer.train([LARGE, SMALL], [1, 0])
    assert all(same(alone.heads[f][0], again.heads[f][0]) for f in (0, 1))
    assert all(alone.logits[f][0].tobytes() == again.logits[f][0].tobytes() for f in (0, 1))


def test_parents_are_trained_once_and_only_where_there_are_heirs(data, monkeypatch):
    trained = []
    plain = population.train_compact

    def counted(features, goal, structure, *args, **settings):
        trained.append(int(structure.inputs.sum()))
        return plain(features, goal, structure, *args, **settings)

    monkeypatch.setattr(population, "train_compact", counted)
    trainer = Trainer(data, HEAD, RECIPE)
    heard = []
    trainer.train([LARGE], [0])
    assert sorted(trained) == [30, 30]
    trainer.train([SMALL, LARGE], [0], lambda done, total: heard.append((done, total)))
    trainer.train([SMALL], [0])
    assert sorted(trained) == [3] * 4 + [30] * 4 + [WIDTH] * 2
    assert heard == sorted(heard)
    assert heard[-1] == (4, 4)


def test_evaluation_rows_and_outliers_decide_nothing_of_what_is_inherited(data):
    """Rows of no class are trained on, but do not say which features tell which."""
    fold = replace(data, folds=data.folds[:1])
    X = fold.X.copy()
    X[fold.folds[0].evaluate] = 1e3
    a, b = (train_population(d, [SMALL], head=HEAD, recipe=RECIPE, seeds=[0])[0] for d in (fold, replace(fold, X=X)))
    assert same(a.heads[0][0], b.heads[0][0])

    outliers = (np.random.default_rng(2).normal(5, 3, (50, WIDTH)).astype(np.float32),)
    seen = []
    plain = population.inherited_start
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(population, "inherited_start", lambda *given: seen.append(given) or plain(*given))
        train_population(replace(fold, outliers=outliers), [SMALL], head=HEAD, recipe=RECIPE, seeds=[0])
    ((_, features, weights, _),) = seen
    assert np.allclose(features.numpy(), standardized(data, 0), atol=1e-5)
    assert weights is None


@pytest.mark.parametrize(("dtype", "bound"), [(torch.float64, 1e-9), (torch.float32, 1e-4)], ids=["f64", "f32"])
def test_packs_begin_where_they_are_told(data, dtype, bound):
    """Two trainings of one seed that begin with other weights and biases, beside one that begins at random."""
    X, y = standardized(data, 0), data.y[data.folds[0].train]
    goal = Goal(smoothed_targets(torch.from_numpy(y), CLASSES, RECIPE.label_smoothing, dtype))
    random = random_start(HEAD.shapes(WIDTH, CLASSES), 4)
    rng = np.random.default_rng(5)
    begins = [
        Start(tuple(m + np.float32(0.1) * k for m in random.matrices), rng.normal(size=CLASSES).astype(np.float32))
        for k in (1, 2)
    ] + [random]
    jobs = [Job(structure, 0, 4) for structure in (SMALL, SMALL, SMALL)]
    engine = PackedEngine([torch.from_numpy(X).to(dtype)], [goal], FAST, torch.device("cpu"), dtype)
    recipe = heir_recipe(RECIPE)
    begin = {id(job): start for job, start in zip(jobs, begins, strict=True)}
    got = dict(engine.with_recipe(recipe).train(jobs, lambda job: begin[id(job)]))
    assert engine.recipe is FAST
    for number, start in enumerate(begins):
        wanted = train_reference(X, y, SMALL, HEAD, CLASSES, recipe, 4, dtype=dtype, begin=start)
        assert np.abs(wanted.matrices[0][SMALL.inputs] - got[number].matrices[0]).max() <= bound
        assert np.abs(wanted.biases[-1] - got[number].bias).max() <= bound
        assert got[number].epochs == 3


def test_small_heads_are_better_for_it_where_labels_are_hard(shared_data):
    """Photographs of waste: random sets of 26 of 1,280 features, on a part of the training images."""
    with np.load(shared_data / "features" / "trash.npz", allow_pickle=False) as stored:
        X, y = stored["X_train"].astype(np.float32), np.unique(stored["y_train"], return_inverse=True)[1]
    classes, head = int(y.max()) + 1, Head(512)
    train, evaluate = stratified_parts(y, np.array([0.7, 0.3]), 0)
    real = TrainingSet(X, y.astype(np.int64), classes, (Fold(train, evaluate),))
    encoding = parse_encoding("features", head, width=X.shape[1], classes=classes)
    rng = np.random.default_rng(0)
    small = [encoding.decode(rng.permutation(X.shape[1]) < 26) for _ in range(6)]
    longer = FAST.model_copy(update={"epochs": 30})

    def accuracy(recipe):
        found = train_population(real, small, head=head, recipe=recipe, seeds=[0, 1])
        return np.mean([np.mean(logits.argmax(axis=1) == y[evaluate]) for c in found for logits in c.logits[0]])

    assert accuracy(longer.model_copy(update={"inherit": True})) > accuracy(longer) + 0.01
