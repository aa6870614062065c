"""Linear classifiers that select features: an L1 penalty, and recursive elimination (scikit-learn's)."""

from __future__ import annotations

import inspect
import warnings

import numpy as np

from evoprune._types import BoolArray, Float32Array, FloatArray
from evoprune.baselines._data import SelectionData
from evoprune.baselines._elimination import eliminate
from evoprune.baselines._filters import sklearn_seed
from evoprune.heads import Encoding

L1_PATH = (5.0, 10.0, 20.0, 50.0, 100.0, 200.0)
"""C as multiples of the largest one at which no feature is used."""

RFE_PATH = (1.0, 10.0, 100.0, 1000.0)
"""C of the linear model of recursive elimination, times the number of training rows."""

RFE_DROP = 0.15
"""Share of the remaining features that is dropped a round."""


def l1_scores(data: SelectionData, encoding: Encoding, seed: int) -> FloatArray:
    """Norm of each feature's coefficients under an L1 penalty `[D]`, one classifier a class.

    The strength C is the one of a path that is most accurate on the validation rows.
    Features that are not used at it rank below, by the order in which weaker penalties
    take them in.
    """
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415
    from sklearn.multiclass import OneVsRestClassifier  # noqa: PLC0415
    from sklearn.svm import l1_min_c  # noqa: PLC0415

    # From scikit-learn 1.8 on `l1_ratio` says it, and `penalty` is on its way out.
    old = inspect.signature(LogisticRegression).parameters["penalty"].default == "l2"
    l1 = {"penalty": "l1"} if old else {"l1_ratio": 1.0}
    X, X_val = data.standardized()
    smallest = l1_min_c(X, data.y, loss="log")
    norms, accuracies = [], []
    for multiple in L1_PATH:
        one = LogisticRegression(
            C=smallest * multiple, solver="liblinear", tol=1e-2, random_state=sklearn_seed(seed), **l1
        )
        model = OneVsRestClassifier(one).fit(X, data.y)
        norms.append(np.linalg.norm([single.coef_[0] for single in model.estimators_], axis=0))
        accuracies.append(model.score(X_val, data.y_val))
    scores = np.zeros(data.width)
    chosen = int(np.argmax(accuracies))
    for level, norm in zip(range(len(norms) - chosen, 0, -1), norms[chosen:], strict=True):
        entered = (scores == 0) & (norm > 0)
        # A norm stays within its level: n / (1 + n) < 1.
        scores[entered] = level + norm[entered] / (1 + norm[entered])
    return scores


def rfe_scores(data: SelectionData, encoding: Encoding, seed: int) -> FloatArray:
    """Recursive elimination by the squared coefficients of logistic regression `[D]`.

    Its strength C is the one that is most accurate on the validation rows with all features.
    """
    X, X_val = data.standardized()
    fits = [_logistic(X, data, c / len(X)) for c in RFE_PATH]
    accuracies = [((X_val @ w.T + b).argmax(axis=1) == data.y_val).mean() for w, b in fits]
    C = RFE_PATH[int(np.argmax(accuracies))] / len(X)

    def score(left: BoolArray, number: int) -> FloatArray:
        squares: FloatArray = np.square(_logistic(X[:, left], data, C)[0]).sum(axis=0)
        return squares

    return eliminate(encoding, score, drop=RFE_DROP)


def _logistic(X: Float32Array, data: SelectionData, C: float) -> tuple[FloatArray, FloatArray]:
    """Coefficients `[C, d]` and intercepts `[C]` of multinomial logistic regression."""
    from sklearn.exceptions import ConvergenceWarning  # noqa: PLC0415
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415

    with warnings.catch_warnings():
        # Coefficients are ranked; their last digits do not matter.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = LogisticRegression(C=C).fit(X, data.y)
    if len(model.coef_) > 1:
        return model.coef_, model.intercept_
    # With two classes there is one row, that of the second class.
    return np.vstack([-model.coef_, model.coef_]), np.append(-model.intercept_, model.intercept_)
