"""From embeddings to a small classifier head: search, look at the front, choose, save, load.

    python examples/embeddings_to_head.py [EVALUATIONS]

Any matrix with a vector per example will do: here the 64 pixels of scikit-learn's digits.
"""

from __future__ import annotations

import sys
import tempfile

from sklearn.datasets import load_digits

import evoprune as ep

TOLERATED = 0.01
"""How much validation accuracy a smaller head may cost."""


def main(evaluations: int = 200) -> None:
    """Print the front, and how the smallest head does that is nearly as accurate as the dense one."""
    X, y = load_digits(return_X_y=True)
    features = ep.from_arrays(X, y, name="digits")  # divided here: 60 % training, 20 % validation, 20 % test
    study = ep.Study(features, head=ep.Head(64), objectives=["accuracy", "active"], seed=0)
    result = study.run(evaluations)

    print("inputs  validation  test")
    for member in result.front:
        scores = member.scores
        print(f"{member.active_neurons:6}  {scores.validation_accuracy:10.3f}  {scores.test_accuracy:.3f}")

    # Chosen by validation figures alone, so that the test figure below stays honest.
    least = result.dense.scores.validation_accuracy - TOLERATED
    good = [member for member in result.front if member.scores.validation_accuracy >= least]
    chosen = min(good, key=lambda member: member.active_neurons, default=result.best)
    for name, solution in (("dense", result.dense), ("chosen", chosen)):
        scores = solution.scores
        print(
            f"{name}: {solution.active_neurons} inputs, {scores.parameters:,} parameters, "
            f"test accuracy {scores.test_accuracy:.3f} +- {scores.test_accuracy_std:.3f} over {scores.seeds} seeds"
        )

    with tempfile.TemporaryDirectory() as folder:
        chosen.build().save(folder)
        model = ep.Model.load(folder)
    test = features.divisions[0].test
    right = model.predict_features(features.X[test]) == features.y[test]
    print(f"the saved model: {right.mean():.3f} on the test part")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
