"""Evolved feature selection as a step of a scikit-learn pipeline, beside a filter that keeps as many.

    python examples/sklearn_pipeline.py [EVALUATIONS]

Made-up data of 60 columns: the first 6 matter, the next 24 repeat in other words what those say, the rest is noise. A
filter looks at one column at a time and so keeps repetitions. The names that are kept come out of the pipeline.
"""

from __future__ import annotations

import sys

from sklearn.datasets import make_classification
from sklearn.feature_selection import SelectKBest
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from evoprune.sklearn import EvoPruneSelector

KEPT = 6


def main(evaluations: int = 100) -> None:
    """Print test accuracies with all columns and with selected ones, and which were selected."""
    X, y = make_classification(
        800, 60, n_informative=KEPT, n_redundant=24, n_classes=4, class_sep=1.5, shuffle=False, random_state=4
    )
    X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.5, random_state=0)
    evolved = EvoPruneSelector(n_features_to_select=KEPT, hidden=64, evaluations=evaluations, random_state=0)
    for name, selector in (("all columns", "passthrough"), ("ANOVA F", SelectKBest(k=KEPT)), ("evolved", evolved)):
        # The selector is a step, so it sees the training rows alone.
        pipeline = Pipeline([("scale", StandardScaler()), ("select", selector), ("classify", KNeighborsClassifier())])
        pipeline.fit(X_train, y_train)
        names = pipeline[:-1].get_feature_names_out([str(number) for number in range(X.shape[1])])
        accuracy = pipeline.score(X_test, y_test)
        shown = ", ".join(names) if len(names) == KEPT else f"all {len(names)}"
        print(f"{name:11}  {accuracy:.3f} on the test rows; columns: {shown}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
