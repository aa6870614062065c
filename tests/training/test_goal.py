"""Row weights, target distributions and the squared error: plain PyTorch, the reference and all engines agree."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler
from torch.nn import functional

from evoprune.errors import DataError
from evoprune.heads import Head, parse_encoding
from evoprune.training import FAST, PAPER, Recipe, Trainer, TrainingSet, _population, train_population
from evoprune.training._engine import train_compact
from evoprune.training._goal import Goal, smoothed_targets
from evoprune.training._kernel import load_kernel
from evoprune.training._packed_engine import PackedEngine
from evoprune.training._packs import Job
from evoprune.training._prepare import standardization
from evoprune.training._randomness import batch_order, initial_matrices
from evoprune.training._reference import train_reference

ADAM = Recipe(
    optimizer="adam", learning_rate=2e-3, schedule="cosine", batch_size=32, epochs=40, input_dropout=0.4,
    hidden_dropout=0.5, label_smoothing=0.1,
)  # fmt: skip
STOPPING = Recipe(
    optimizer="sgd", learning_rate=0.05, batch_size=32, epochs=200, early_stopping={"min_delta": 2e-3, "patience": 2}
)
QUICK = FAST.model_copy(update={"epochs": 4, "batch_size": 32})
MIXED = QUICK.model_copy(update={"precision": "bfloat16"})
CASES = [("features", Head(24)), ("both", Head(24, 18)), ("connections", Head(24, 18))]
KINDS = ["weights", "targets", "weights and targets", "squared", "squared with weights"]
needs_kernel = pytest.mark.skipif(load_kernel() is None, reason="no compiled kernel: no C compiler, or no AVX-512 BF16")


def asked(task, kind):
    """Weights, targets and loss of a kind, for all rows of the task, as the reference takes them."""
    rng = np.random.default_rng(4)
    weights = np.where(rng.random(240) < 0.3, 0.0, rng.gamma(1.0, size=240))
    targets = rng.dirichlet(np.full(3, 0.5), size=240)
    if kind.startswith("squared"):
        X = (task.X - task.X.mean(0)) / task.X.std(0)
        targets = X[:, :3] + 0.3 * rng.normal(size=(240, 3))
    return {
        "weights": weights / weights.mean() if "weights" in kind else None,
        "targets": targets if "targets" in kind or kind.startswith("squared") else None,
        "loss": "squared" if kind.startswith("squared") else "cross_entropy",
    }


def goal_of(task, wanted, smoothing, dtype=torch.float64):
    targets = wanted["targets"]
    made = (
        smoothed_targets(torch.from_numpy(task.y), 3, smoothing, dtype)
        if targets is None
        else torch.from_numpy(targets).to(dtype)
    )
    weights = wanted["weights"]
    return Goal(made, None if weights is None else torch.from_numpy(weights).to(dtype), wanted["loss"])


def structure_of(encoding, head, share=0.6):
    plan = parse_encoding(encoding, head, width=20, classes=3)
    return plan.decode(np.random.default_rng(1).random(plan.length) < share)


def standardized(task):
    return (task.X - task.X.mean(0)) / task.X.std(0)


def difference(reference, structure, got):
    layers = [np.flatnonzero(layer) for layer in structure.layers(3)]
    worst = np.abs(reference.biases[-1] - got.bias).max()
    for i, (full, compact) in enumerate(zip(reference.matrices, got.matrices, strict=True)):
        worst = max(worst, np.abs(full[np.ix_(layers[i], layers[i + 1])] - compact).max(initial=0))
    return worst


@pytest.mark.parametrize("kind", KINDS)
def test_the_reference_is_a_plain_loop_for_50_steps(task, kind):
    wanted, X = asked(task, kind), standardized(task)
    recipe = PAPER.model_copy(update={"learning_rate": 0.02, "label_smoothing": 0.1})
    head, structure = Head(16), structure_of("features", Head(16))
    trained = train_reference(X, task.y, structure, head, 3, recipe, 3, max_steps=50, dtype=torch.float64, **wanted)

    weights = torch.ones(240) if wanted["weights"] is None else torch.tensor(wanted["weights"])
    first, second = (torch.tensor(w).double().requires_grad_() for w in initial_matrices(head.shapes(20, 3), 3))
    bias, mask = torch.zeros(3, dtype=torch.float64, requires_grad=True), torch.tensor(structure.mask(0, 3))
    optimizer = torch.optim.SGD([first, second, bias], lr=0.02, momentum=0.9, nesterov=True)
    order = torch.cat([torch.tensor(batch_order(240, 3, epoch)) for epoch in range(1, 8)]).split(240)
    batches = [rows for epoch in order for rows in epoch.split(32)][:50]
    for step, rows in enumerate(batches):
        out = (torch.tensor(X).double()[rows] @ (first * mask)).relu() @ second + bias
        total = 0.0
        for row, logits in zip(rows.tolist(), out, strict=True):
            if kind.startswith("squared"):
                loss = ((logits - torch.tensor(wanted["targets"][row])) ** 2).mean()
            elif wanted["targets"] is None:
                loss = functional.cross_entropy(logits, torch.tensor(task.y[row]), label_smoothing=0.1)
            else:  # label smoothing is of labels alone
                loss = functional.cross_entropy(logits, torch.tensor(wanted["targets"][row]))
            total = total + weights[row] * loss
        optimizer.zero_grad()
        (total / len(rows)).backward()
        optimizer.param_groups[0]["lr"] = 0.02 / (1 + 1e-6 * step)
        optimizer.step()
    assert np.abs(trained.matrices[0] - (first * mask).detach().numpy()).max() <= 1e-6
    assert np.abs(trained.matrices[1] - second.detach().numpy()).max() <= 1e-6
    assert np.abs(trained.biases[-1] - bias.detach().numpy()).max() <= 1e-6


@pytest.mark.parametrize("recipe", [PAPER, ADAM], ids=["paper", "adam"])
@pytest.mark.parametrize(("encoding", "head"), CASES)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("dtype", "bound"), [(torch.float64, 1e-9), (torch.float32, 1e-4)], ids=["f64", "f32"])
def test_both_engines_take_the_references_steps(task, kind, encoding, head, recipe, dtype, bound):
    wanted, X, structure = asked(task, kind), standardized(task), structure_of(encoding, head)
    recipe = recipe.model_copy(update={"early_stopping": None})
    reference = train_reference(X, task.y, structure, head, 3, recipe, 5, max_steps=120, dtype=dtype, **wanted)
    start, goal = initial_matrices(head.shapes(20, 3), 5), goal_of(task, wanted, recipe.label_smoothing, dtype)
    features = torch.from_numpy(X).to(dtype)
    alone = train_compact(features, goal, structure, start, recipe, 5, max_steps=120, master=dtype)
    packs = PackedEngine([features], [goal], recipe, torch.device("cpu"), dtype)
    ((_, packed),) = packs.train([Job(structure, 0, 5)], {5: start}, max_steps=120)
    assert difference(reference, structure, alone) <= bound
    assert difference(reference, structure, packed) <= bound


@pytest.mark.parametrize("kind", KINDS)
def test_both_engines_stop_early_where_the_reference_does(task, kind):
    wanted, X, structure = asked(task, kind), standardized(task), structure_of("features", Head(24))
    reference = train_reference(X, task.y, structure, Head(24), 3, STOPPING, 5, dtype=torch.float64, **wanted)
    start, goal = initial_matrices(Head(24).shapes(20, 3), 5), goal_of(task, wanted, 0.0)
    features = torch.from_numpy(X).double()
    alone = train_compact(features, goal, structure, start, STOPPING, 5, master=torch.float64)
    packs = PackedEngine([features], [goal], STOPPING, torch.device("cpu"), torch.float64)
    ((_, packed),) = packs.train([Job(structure, 0, 5)], {5: start})
    assert 3 < reference.epochs < 200
    for got in (alone, packed):
        assert got.epochs == reference.epochs
        assert got.loss == pytest.approx(reference.loss, abs=1e-9)
        assert difference(reference, structure, got) <= 1e-7


@needs_kernel
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("recipe", [PAPER, ADAM.model_copy(update={"hidden_dropout": 0.0})], ids=["paper", "adam"])
def test_the_kernel_takes_the_same_steps(task, kind, recipe):
    wanted, X, structure = asked(task, kind), standardized(task), structure_of("features", Head(70))
    recipe = recipe.model_copy(update={"early_stopping": None})
    initial = initial_matrices(Head(70).shapes(20, 3), 5)

    def train(dtype, master, kernel):
        return train_compact(
            torch.from_numpy(X).to(dtype), goal_of(task, wanted, recipe.label_smoothing, master), structure, initial,
            recipe, 5, max_steps=60, master=master, kernel=kernel,
        )  # fmt: skip

    def moved(expected, start, got):
        return np.linalg.norm(got - expected) / np.linalg.norm(expected - start)

    exact = train(torch.float64, torch.float64, kernel=False)
    plain = train(torch.bfloat16, torch.float32, kernel=False)
    compiled = train(torch.bfloat16, torch.float32, kernel=True)
    layers = [np.flatnonzero(layer) for layer in structure.layers(3)]
    for i, (e, p, c) in enumerate(zip(exact.matrices, plain.matrices, compiled.matrices, strict=True)):
        start = initial[i][np.ix_(layers[i], layers[i + 1])]
        # bfloat16 keeps eight bits: the kernel may not be further off than the plain operations, by much.
        assert moved(e, start, c) <= max(1.5 * moved(e, start, p), 0.01)
        assert moved(e, start, c) <= 0.05


@needs_kernel
@pytest.mark.parametrize("kind", KINDS)
def test_the_kernels_loss_is_the_references(task, kind):
    wanted, X, structure = asked(task, kind), standardized(task), structure_of("features", Head(64))
    once = STOPPING.model_copy(update={"epochs": 3})
    reference = train_reference(X, task.y, structure, Head(64), 3, once, 5, **wanted)
    initial, goal = initial_matrices(Head(64).shapes(20, 3), 5), goal_of(task, wanted, 0.0, torch.float32)
    compiled = train_compact(torch.from_numpy(X).bfloat16(), goal, structure, initial, once, 5)
    assert compiled.loss == pytest.approx(reference.loss, rel=0.02)


def logits_of(data, recipe=QUICK, head=None):
    """Logits of three candidates on both folds."""
    head = head or Head(16)
    plan = parse_encoding("features", head, width=20, classes=data.classes)
    structures = [plan.decode(np.random.default_rng(0).random(20) < share) for share in (0.3, 0.7, 1.0)]
    trained = train_population(data, structures, head=head, recipe=recipe, seeds=[0])
    return [fold[0] for candidate in trained for fold in candidate.logits]


def in_packs(monkeypatch):
    monkeypatch.setattr(_population, "trains_in_packs", lambda device: True)


ENGINES = pytest.mark.parametrize("engine", ["alone", "packed", "kernel"])


@pytest.fixture
def recipe_of(monkeypatch):
    """The recipe that is trained by an engine, which is chosen from now on."""

    def choose(engine):
        if engine == "packed":
            in_packs(monkeypatch)
        return MIXED if engine == "kernel" else QUICK

    return choose


@ENGINES
@pytest.mark.parametrize("factor", [1.0, 4.0])
def test_equal_weights_change_no_bit(task, recipe_of, engine, factor):
    recipe = recipe_of(engine)
    weighted = logits_of(replace(task, weights=np.full(240, factor)), recipe)
    assert [a.tobytes() for a in weighted] == [b.tobytes() for b in logits_of(task, recipe)]


@ENGINES
def test_labels_given_as_distributions_change_no_bit(task, recipe_of, engine):
    plain = recipe_of(engine).model_copy(update={"label_smoothing": 0.0})
    given = logits_of(replace(task, targets=np.eye(3, dtype=np.float32)[task.y]), plain)
    assert [a.tobytes() for a in given] == [b.tobytes() for b in logits_of(task, plain)]


@ENGINES
@pytest.mark.parametrize("kind", ["classes", "values"])
def test_rows_of_weight_0_have_no_influence(task, recipe_of, engine, kind):
    recipe = recipe_of(engine)
    rng = np.random.default_rng(0)
    idle = np.zeros(240, dtype=bool)
    idle[task.folds[0].train[::3]] = True
    idle[task.folds[0].evaluate] = idle[task.folds[1].evaluate] = False
    weights = np.where(idle, 0.0, rng.random(240))
    X, y = task.X.copy(), task.y.copy()
    X[idle], y[idle] = rng.normal(size=(idle.sum(), 20)), 0
    if kind == "classes":
        one, other = replace(task, weights=weights), replace(task, X=X, y=y, weights=weights)
    else:
        values = task.X[:, :2].astype(np.float64)
        changed = np.where(idle[:, None], 1e4, values)
        one = TrainingSet.regression(task.X, values, task.folds, weights)
        other = TrainingSet.regression(X, changed, task.folds, weights)
    assert [a.tobytes() for a in logits_of(one, recipe)] == [b.tobytes() for b in logits_of(other, recipe)]


def test_weights_shift_the_balance_of_classes(task):
    heavy = logits_of(replace(task, weights=np.where(task.y == 1, 20.0, 1.0)))
    for a, b in zip(heavy, logits_of(task), strict=True):
        assert (a.argmax(1) == 1).mean() > (b.argmax(1) == 1).mean()


def test_weighted_standardization_is_scikit_learns(task):
    weights = np.random.default_rng(0).gamma(1.0, size=240)
    mean, scale = standardization(task.X, np.arange(240), weights / weights.mean())
    scaler = StandardScaler().fit(task.X.astype(np.float64), sample_weight=weights)
    assert np.allclose(mean, scaler.mean_, atol=1e-12)
    assert np.allclose(scale, scaler.scale_, atol=1e-12)


@pytest.mark.parametrize("kind", ["weights", "distributions", "values", "weighted values"])
@pytest.mark.parametrize("recipe", [QUICK, STOPPING], ids=["adam", "stopping"])
def test_a_trainer_with_packs_gives_the_same_outputs(task, monkeypatch, kind, recipe):
    weights = np.random.default_rng(0).gamma(1.0, size=240)
    data = {
        "weights": replace(task, weights=weights),
        "distributions": replace(task, targets=np.random.default_rng(1).dirichlet(np.ones(3), size=240)),
        "values": TrainingSet.regression(task.X, 7.0 + task.X[:, :1], task.folds),
        "weighted values": TrainingSet.regression(task.X, 7.0 + task.X[:, :2], task.folds, weights),
    }[kind]
    usual = logits_of(data, recipe)
    in_packs(monkeypatch)
    for a, b in zip(usual, logits_of(data, recipe), strict=True):
        assert np.abs(a - b).max() <= 1e-4 * max(1.0, np.abs(a).max())


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_regression_is_about_as_good_as_ridge_on_what_is_linear(task, precision):
    rng = np.random.default_rng(2)
    values = 1000 + 50 * (task.X @ rng.normal(size=(20, 2)) + 0.5 * rng.normal(size=(240, 2)))
    recipe = QUICK.model_copy(
        update={"epochs": 60, "learning_rate": 1e-2, "input_dropout": 0.0, "precision": precision}
    )
    outputs = logits_of(TrainingSet.regression(task.X, values, task.folds), recipe, Head(64))[-2:]
    for fold, predicted in zip(task.folds, outputs, strict=True):
        ridge = Ridge(1.0).fit(task.X[fold.train], values[fold.train]).predict(task.X[fold.evaluate])
        left = [((values[fold.evaluate] - p) ** 2).mean() for p in (predicted, ridge)]
        assert left[0] < 0.15 * values[fold.evaluate].var(axis=0).mean()
        assert left[0] < 4 * left[1]


@pytest.mark.parametrize("weights", [None, np.linspace(0.0, 2.0, 240)], ids=["alike", "weighted"])
def test_outputs_follow_the_units_of_the_values(task, weights):
    values = task.X[:, :2] + 0.5
    plain = logits_of(TrainingSet.regression(task.X, values, task.folds, weights))
    other = logits_of(TrainingSet.regression(task.X, 64 * values - 1000, task.folds, weights))
    for a, b in zip(plain, other, strict=True):
        assert np.abs(64 * a - 1000 - b).max() <= 0.01


def test_a_constant_value_is_predicted_as_it_is(task):
    values = np.column_stack([np.full(240, 3.5), task.X[:, 0]])
    for outputs in logits_of(TrainingSet.regression(task.X, values, task.folds)):
        assert (outputs[:, 0] == 3.5).all()
        assert outputs[:, 1].std() > 0.01


def changed(data, name, row, value):
    array = getattr(data, name).copy()
    array[row] = value
    return replace(data, **{name: array})


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda d: replace(d, weights=np.ones(239)), r"training weights of shape \(239,\) do not fit 240 rows"),
        (
            lambda d: changed(d, "weights", 7, -1.0),
            "the training weight of row 7 is -1.0; give finite",
        ),
        (lambda d: changed(d, "weights", 8, np.nan), "the training weight of row 8 is nan"),
        (lambda d: changed(d, "weights", d.folds[1].train, 0.0), "all training rows of fold 1 have weight 0"),
        (lambda d: replace(d, targets=np.ones((240, 2))), r"targets of shape \(240, 2\) do not fit 240 rows and 3"),
        (lambda d: changed(d, "targets", 9, [0.5, 0.5, 0.5]), r"the targets of row 9 are \[0.5, 0.5, 0.5\]; give prob"),
        (lambda d: changed(d, "targets", 9, [1.5, -0.5, 0]), "the targets of row 9"),
        (lambda d: changed(replace(d, loss="squared"), "targets", 9, [np.inf, 0, 0]), "give finite numbers alone"),
        (lambda d: replace(d, loss="squared", targets=None), r"needs values to predict; give targets \[N, C\]"),
        (lambda d: replace(d, loss="mse"), "loss 'mse' is unknown; choose among cross_entropy, squared"),
    ],
)
def test_weights_and_targets_that_do_not_fit_are_refused_at_once(task, make, said):
    fine = replace(task, weights=np.ones(240), targets=np.full((240, 3), 1 / 3))
    Trainer(fine, Head(16), QUICK)
    with pytest.raises(DataError, match=said):
        Trainer(make(fine), Head(16), QUICK)


def test_objectives_may_count_rows_by_weights_of_their_own(task):
    fine = replace(task, evaluation_weights=np.ones(240))
    Trainer(fine, Head(16), QUICK)
    with pytest.raises(DataError, match="all evaluation rows of fold 0 have weight 0"):
        Trainer(changed(fine, "evaluation_weights", task.folds[0].evaluate, 0.0), Head(16), QUICK)
    with pytest.raises(DataError, match="the evaluation weight of row 3 is inf"):
        Trainer(changed(fine, "evaluation_weights", 3, np.inf), Head(16), QUICK)
