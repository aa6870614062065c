"""An objective of your own: the accuracy of the class that fares worst, against size.

    python examples/own_objective.py [EVALUATIONS]

An objective is a function of a trained candidate. Registered under a name, it can be searched for and chosen by like
any other; NaN says that there is no value.
"""

from __future__ import annotations

import sys

import numpy as np

import evoprune as ep
from evoprune.objectives import Evaluated, register_objective


def worst_class(candidate: Evaluated) -> float:
    """Accuracy on the class that fares worst, mean over folds and training seeds."""
    found = []
    for fold, labels in zip(candidate.trained.logits, candidate.labels, strict=True):
        for logits in fold:  # one for each training seed, [n, C]
            right = logits.argmax(axis=1) == labels
            found.append(min(right[labels == number].mean() for number in np.unique(labels)))
    return float(np.mean(found))


def main(evaluations: int = 200) -> None:
    """Print what the search finds, beside the head that is not pruned."""
    register_objective("worst_class", worst_class, maximize=True, title="worst class", lower=0.0, upper=1.0)
    features = ep.extract("digits", backbone="tiny")
    study = ep.Study(features, head=ep.Head(128), objectives=["worst_class", "active"], report_seeds=3)
    result = study.run(evaluations)
    for name, solution in (("dense", result.dense), ("best", result.best)):
        print(
            f"{name}: {solution.active_neurons} of {features.width} features, "
            f"test accuracy {solution.scores.test_accuracy:.3f}, worst class {solution.scores.test['worst_class']:.3f}"
        )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
