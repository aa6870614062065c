"""Filters and linear models rank as scikit-learn does."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_selection import RFE, SelectKBest, f_classif, mutual_info_classif
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from sklearn.svm import l1_min_c

from evoprune.baselines import get_baseline
from evoprune.baselines._elimination import eliminate
from evoprune.baselines._filters import TREES, sklearn_seed
from evoprune.baselines._linear import L1_PATH, RFE_DROP, RFE_PATH
from evoprune.heads import Head, parse_encoding


@pytest.mark.parametrize("count", [3, 17])
def test_anova_is_scikit_learns(setting, count):
    data, plan = setting("features")
    (mask,) = get_baseline("anova").masks(data, plan, [count], 0)
    assert np.array_equal(mask, SelectKBest(f_classif, k=count).fit(data.X.astype(float), data.y).get_support())


def test_a_constant_feature_comes_last_and_a_perfect_one_first(setting):
    data, plan = setting("features")
    X = data.X.copy()
    X[:, 0] = 3.5
    X[:, 39] = data.y
    masks = get_baseline("anova").masks(replace(data, X=X), plan, [1, 39], 0)
    assert np.flatnonzero(masks[0]).tolist() == [39]
    assert np.flatnonzero(~masks[1]).tolist() == [0]


def test_mutual_information_is_scikit_learns(setting):
    data, plan = setting("features")
    (mask,) = get_baseline("mutual_info").masks(data, plan, [9], 5)
    scores = mutual_info_classif(data.X, data.y, random_state=sklearn_seed(5))
    assert set(np.flatnonzero(mask)) == set(np.argsort(-scores)[:9])


def test_the_forest_is_scikit_learns(setting):
    data, plan = setting("features")
    (mask,) = get_baseline("forest").masks(data, plan, [9], 5)
    forest = RandomForestClassifier(TREES, random_state=sklearn_seed(5)).fit(data.X, data.y)
    assert set(np.flatnonzero(mask)) == set(np.argsort(-forest.feature_importances_)[:9])


def test_recursive_elimination_is_scikit_learns(setting):
    data, plan = setting("features")
    scaler = StandardScaler().fit(data.X)
    X, X_val = scaler.transform(data.X), scaler.transform(data.X_val)
    accuracies = [LogisticRegression(C=c / 240).fit(X, data.y).score(X_val, data.y_val) for c in RFE_PATH]
    left = np.arange(40)
    while True:
        (mask,) = get_baseline("rfe").masks(data, plan, [len(left)], 0)
        assert np.flatnonzero(mask).tolist() == left.tolist()
        if len(left) < 5:
            break
        keep = min(len(left) - 1, int(len(left) * (1 - RFE_DROP)))
        model = LogisticRegression(C=RFE_PATH[int(np.argmax(accuracies))] / 240)
        left = left[RFE(model, n_features_to_select=keep, step=len(left) - keep).fit(X[:, left], data.y).support_]


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_features_that_the_chosen_l1_model_leaves_out_rank_by_the_penalty_that_takes_them_in(setting):
    data, plan = setting("features")
    # The mean of every class is easy for all models, so that the first, strongest penalty is chosen.
    means = np.stack([data.X[data.y == c].mean(axis=0) for c in range(3)])
    data = replace(data, X_val=means, y_val=np.arange(3))
    X = StandardScaler().fit_transform(data.X).astype(np.float32)
    for multiple in L1_PATH[:4]:
        C = multiple * l1_min_c(X, data.y, loss="log")
        used = {unit for c in range(3) for unit in np.flatnonzero(l1_model(C).fit(X, data.y == c).coef_)}
        (mask,) = get_baseline("l1").masks(data, plan, [len(used)], 0)
        # Another solver, which does not penalise the intercept: a feature at the edge may differ.
        assert len(used - set(np.flatnonzero(mask))) <= (multiple > 10)


def l1_model(C):
    # This means L1 in every version, up to 1.7 and, with a warning, later.
    return LogisticRegression(penalty="elasticnet", l1_ratio=1.0, solver="saga", C=C, max_iter=5000)


def test_two_classes_are_enough_for_every_linear_model(data, planted):
    rows, validation = data.y < 2, data.y_val < 2
    two = replace(
        data, X=data.X[rows], y=data.y[rows], classes=2, X_val=data.X_val[validation], y_val=data.y_val[validation]
    )
    plan = parse_encoding("features", two.head, width=40, classes=2)
    for name in ("l1", "rfe"):
        (mask,) = get_baseline(name).masks(two, plan, [4], 0)
        assert set(np.flatnonzero(mask)) <= set(planted.tolist())


def test_elimination_drops_a_share_a_round_and_ranks_by_the_last_round():
    plan = parse_encoding("both", Head(10, 6), width=4, classes=3)
    worth = np.random.default_rng(0).random(16)
    seen = []

    def score(left, number):
        seen.append(int(left.sum()))
        assert len(seen) == number + 1
        return worth[left]

    ranking = eliminate(plan, score, drop=0.3)
    assert seen == [16, 11, 7, 4, 2]
    assert np.argsort(-ranking)[2:].tolist() == [
        i for i in np.argsort(-worth) if i not in set(np.argsort(-ranking)[:2])
    ]
    assert {int(i < 10) for i in np.argsort(-ranking)[:2]} == {0, 1}
